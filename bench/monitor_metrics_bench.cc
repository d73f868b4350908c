// What a scrape of the monitors' metrics costs: collecting them and writing them as text, as the
// HTTP endpoint does. One coordinator that sees a million open ports, and one with 200 monitors.
//   monitor_metrics_bench [--runs=N]
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/summary.h"
#include "common/base/clock.h"
#include "common/ops/metric_text.h"
#include "coordinator/server/monitor_metrics.h"
#include "tests/fakes/sample_monitoring.h"

namespace portolan::bench {
namespace {

constexpr size_t kBudget = 10'000;

// `hosts` addresses with `ports` open ports each, seen from `vantages`.
MonitorMetrics MakeMonitor(const std::string& name, uint32_t hosts, uint16_t ports, int vantages,
                           size_t shown) {
  MonitoringMetrics sample;
  FillSampleMetrics(sample);
  MonitorMetrics m = sample.monitors[1];
  m.monitor = name;
  m.open_ports.clear();
  m.open_ports.reserve(shown);
  m.open_ports_total = uint64_t{hosts} * ports * static_cast<uint64_t>(vantages);
  const MonitorMetrics::Vantage one = m.vantages["cloud"];
  m.vantages.clear();
  for (int v = 0; v < vantages; ++v) {
    const std::string vantage = fmt::format("vantage-{}", v);
    m.vantages[vantage] = one;
    for (uint32_t h = 0; h < hosts; ++h) {
      for (uint16_t p = 1; p <= ports && m.open_ports.size() < shown; ++p) {
        m.open_ports.push_back({{TargetKey::Of(IpAddress::V4(0x0A000000u + h)), p}, vantage});
      }
    }
  }
  std::map<uint16_t, uint64_t> hosts_by_port;
  for (uint16_t p = 1; p <= ports; ++p) hosts_by_port[p] = hosts;
  m.hosts_by_port = PortRanking::Of(hosts_by_port, kExposedHostsPorts);
  return m;
}

void Measure(const std::string& name, const MonitoringMetrics& metrics, int runs) {
  ReadOnlyMonitoring monitoring;
  monitoring.metrics = metrics;
  FillSampleWebhooks(monitoring.webhooks);
  const auto collector = MonitorMetricsOf(monitoring, {kBudget});
  std::vector<double> ms;
  size_t bytes = 0, series = 0;
  for (int i = 0; i < runs; ++i) {
    const Time begin = SystemClock().Now();
    const std::string text = MetricText(collector->Collect());
    ms.push_back(ToSeconds(SystemClock().Now() - begin) * 1e3);
    bytes = text.size();
    series = 0;
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) series += text[at] != '#';
  }
  const double median = Median(ms);
  PrintSummary(name,
               fmt::format("{:.1f} ms (slowest {:.1f}) a scrape, {} series, {}", median,
                           *std::max_element(ms.begin(), ms.end()), series, MiB(bytes)),
               "under 100 ms", median < 100);
}

void Run(int runs) {
  MonitoringMetrics wide;
  wide.monitors = {MakeMonitor("wide", 10'000, 100, 1, 1'000'000)};
  Measure("scrape-million", wide, runs);
  MonitoringMetrics many;
  for (int i = 0; i < 200; ++i) {
    many.monitors.push_back(MakeMonitor(fmt::format("monitor-{}", i), 50, 34, 3, kBudget / 200));
  }
  Measure("scrape-monitors", many, runs);
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) {
  const portolan::bench::Arguments arguments(argc, argv, {"runs"});
  portolan::bench::Run(std::max(1, static_cast<int>(arguments.Number("runs", 15))));
}
