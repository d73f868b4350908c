#pragma once

#include <prometheus/collectable.h>

#include <memory>

#include "coordinator/control/control.h"

namespace portolan {

// The coordinator's metrics, made from one snapshot a scrape; docs/metrics.md lists them. Borrows
// the control. Series that depend on the fleet or on scans are capped: 1,000 agents, 100 scans.
std::shared_ptr<prometheus::Collectable> CoordinatorMetrics(Control& control);

}  // namespace portolan
