#pragma once

#include <prometheus/collectable.h>

#include <memory>

#include "coordinator/monitoring/monitoring.h"

namespace portolan {

struct MonitorMetricsOptions {
  // Series of portolan_port_open over all monitors, whatever the monitoring gives.
  size_t series_budget = 10'000;
};

// What monitors found, and how they and their webhooks fare, made from one snapshot a scrape;
// docs/metrics.md lists it. Borrows the monitoring. The number of series is bounded: by the budget
// for open ports, by kExposedHostsPorts for hosts by port, and otherwise by the monitors'
// specifications.
std::shared_ptr<prometheus::Collectable> MonitorMetricsOf(const Monitoring& monitoring,
                                                          MonitorMetricsOptions options = {});

}  // namespace portolan
