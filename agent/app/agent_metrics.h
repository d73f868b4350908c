#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <string>

#include "agent/link/link.h"

namespace portolan {

// What an agent tells Prometheus, made anew for each scrape. docs/metrics.md lists it.
struct AgentFacts {
  std::string engine;
  std::string engine_reason;
  uint32_t window = 0;
  double max_rate = 0;
};
std::shared_ptr<prometheus::Collectable> AgentMetrics(AgentFacts facts,
                                                      std::function<LinkStatus()> status);

}  // namespace portolan
