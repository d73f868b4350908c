#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portolan {

// Puts the metrics of one scrape together, for a Collectable over a snapshot. Names and HELP are
// constants of ours; label values may be anything: bytes that are no UTF-8 and line ends, which
// would spoil the whole scrape, are replaced.
class MetricBuilder {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  void Counter(std::string_view name, std::string_view help, Labels labels, double value);
  void Gauge(std::string_view name, std::string_view help, Labels labels, double value);
  // `counts[i]`: observations of at most bounds[i] and above bounds[i-1]; one more than bounds: the
  // rest.
  void Histogram(std::string_view name, std::string_view help, Labels labels,
                 std::span<const double> bounds, std::span<const uint64_t> counts, double sum);
  // Families in the order of their first metric; the builder is empty afterwards.
  std::vector<prometheus::MetricFamily> Take();

 private:
  prometheus::ClientMetric& Add(std::string_view name, std::string_view help,
                                prometheus::MetricType type, Labels labels);
  std::vector<prometheus::MetricFamily> families_;
};

// A count as the value of a metric.
inline double MetricValue(uint64_t n) { return static_cast<double>(n); }

}  // namespace portolan
