#include "common/ops/metric_builder.h"

#include <cmath>
#include <limits>

namespace portolan {
namespace {

// ASCII without control characters passes; so do valid names, addresses and versions. Anything else
// is replaced byte by byte.
std::string Clean(std::string value) {
  for (char& c : value) {
    const auto b = static_cast<unsigned char>(c);
    if (b < ' ' || b >= 0x7F) c = '?';
  }
  return value;
}

}  // namespace

prometheus::ClientMetric& MetricBuilder::Add(std::string_view name, std::string_view help,
                                             prometheus::MetricType type, Labels labels) {
  // The last one first: thousands of series of one family come one after the other.
  size_t at = families_.size();
  while (at > 0 && families_[at - 1].name != name) --at;
  if (at == 0) {
    families_.push_back({std::string(name), std::string(help), type, {}});
    at = families_.size();
  }
  prometheus::ClientMetric& metric = families_[at - 1].metric.emplace_back();
  metric.label.reserve(labels.size());
  for (auto& [key, value] : labels)
    metric.label.push_back({std::move(key), Clean(std::move(value))});
  return metric;
}

void MetricBuilder::Counter(std::string_view name, std::string_view help, Labels labels,
                            double value) {
  Add(name, help, prometheus::MetricType::Counter, std::move(labels)).counter.value = value;
}

void MetricBuilder::Gauge(std::string_view name, std::string_view help, Labels labels,
                          double value) {
  Add(name, help, prometheus::MetricType::Gauge, std::move(labels)).gauge.value = value;
}

void MetricBuilder::Histogram(std::string_view name, std::string_view help, Labels labels,
                              std::span<const double> bounds, std::span<const uint64_t> counts,
                              double sum) {
  auto& histogram = Add(name, help, prometheus::MetricType::Histogram, std::move(labels)).histogram;
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size() && i <= bounds.size(); ++i) {
    total += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({total, bound});
  }
  if (histogram.bucket.empty() || !std::isinf(histogram.bucket.back().upper_bound)) {
    histogram.bucket.push_back({total, std::numeric_limits<double>::infinity()});
  }
  histogram.sample_count = total;
  histogram.sample_sum = sum;
}

std::vector<prometheus::MetricFamily> MetricBuilder::Take() { return std::move(families_); }

}  // namespace portolan
