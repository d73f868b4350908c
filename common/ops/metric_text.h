#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace portolan {

// Prometheus text format 0.0.4 of counters, gauges and histograms. As prometheus::TextSerializer,
// which writes through a stream character by character and does not escape HELP. A
// scrape has tens of thousands of series.
std::string MetricText(const std::vector<prometheus::MetricFamily>& families);

}  // namespace portolan
