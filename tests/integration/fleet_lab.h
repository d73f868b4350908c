#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {

// A fleet in the namespaces of a NetLab: the coordinator and the command line in the target's, and
// agents in those of the vantages, which reach it over their wires. Needs root; see
// NetLab::Unavailable().
class FleetLab {
 public:
  struct Options {
    std::vector<std::string> coordinator_flags;
    std::vector<std::string> cli_flags = {};
    // Flags of every agent.
    std::vector<std::string> agent_flags = {"--insecure"};
  };
  FleetLab(int vantages, Options options);
  FleetLab(const FleetLab&) = delete;
  FleetLab& operator=(const FleetLab&) = delete;

  bool ok() const { return net_.ok(); }
  NetLab& net() { return net_; }
  Fleet& fleet() { return fleet_; }
  bool StartCoordinator();
  // An agent at vantage point `point` (from 1), to be started by the fleet.
  Fleet::AgentSpec Agent(int point, const std::string& name, const std::string& vantage,
                         std::vector<std::string> more_flags = {}) const;

 private:
  const Options options_;
  NetLab net_;
  Fleet fleet_;
};

}  // namespace portolan::integration
