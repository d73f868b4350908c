#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/dns/counted_lookup.h"
#include "coordinator/control/control.h"

namespace portolan {

// The coordinator's metrics, made from one snapshot a scrape; docs/metrics.md lists them. Borrows
// the control and the lookup of names that it uses. Series that depend on the fleet or on scans are
// capped: 1,000 agents, 100 scans, 2,000 vantages. `monitored_vantages`: those that monitors name,
// asked at each scrape; null: none.
std::shared_ptr<prometheus::Collectable> CoordinatorMetrics(
    Control& control, const CountedNameLookup& names,
    std::function<std::vector<std::string>()> monitored_vantages = nullptr);

}  // namespace portolan
