#include "common/ops/metric_text.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <string_view>

namespace portolan {
namespace {

void PutNumber(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else if (value == std::floor(value) && std::fabs(value) < 1e15) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<int64_t>(value));
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);  // the shortest that reads the same
  }
}

void PutEscaped(std::string_view text, bool quotes, std::string& out) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

// "NAME{LABELS,le="BOUND"} " without what there is none of.
void PutSeries(std::string_view name, std::string_view suffix,
               const std::vector<prometheus::ClientMetric::Label>& labels, const double* bound,
               std::string& out) {
  out.append(name).append(suffix);
  char before = '{';
  for (const auto& label : labels) {
    out += before;
    out.append(label.name).append("=\"");
    PutEscaped(label.value, true, out);
    out += '"';
    before = ',';
  }
  if (bound != nullptr) {
    out += before;
    out += "le=\"";
    PutNumber(*bound, out);
    out += '"';
    before = ',';
  }
  out += before == ',' ? "} " : " ";
}

void PutHistogram(const std::string& name, const prometheus::ClientMetric& metric,
                  std::string& out) {
  const auto line = [&](std::string_view suffix, const double* bound, double value) {
    PutSeries(name, suffix, metric.label, bound, out);
    PutNumber(value, out);
    out += '\n';
  };
  line("_count", nullptr, static_cast<double>(metric.histogram.sample_count));
  line("_sum", nullptr, metric.histogram.sample_sum);
  for (const auto& bucket : metric.histogram.bucket) {
    line("_bucket", &bucket.upper_bound, static_cast<double>(bucket.cumulative_count));
  }
}

}  // namespace

std::string MetricText(const std::vector<prometheus::MetricFamily>& families) {
  std::string out;
  for (const prometheus::MetricFamily& family : families) {
    const bool histogram = family.type == prometheus::MetricType::Histogram;
    const bool counter = family.type == prometheus::MetricType::Counter;
    out.append("# HELP ").append(family.name).append(" ");
    PutEscaped(family.help, false, out);
    out.append("\n# TYPE ").append(family.name);
    out.append(histogram ? " histogram\n" : counter ? " counter\n" : " gauge\n");
    for (const prometheus::ClientMetric& metric : family.metric) {
      if (histogram) {
        PutHistogram(family.name, metric, out);
        continue;
      }
      PutSeries(family.name, "", metric.label, nullptr, out);
      PutNumber(counter ? metric.counter.value : metric.gauge.value, out);
      out += '\n';
    }
  }
  return out;
}

}  // namespace portolan
