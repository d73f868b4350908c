#include "tests/integration/fleet_lab.h"

#include <utility>

namespace portolan::integration {
namespace {

constexpr char kPort[] = ":7411";

Fleet::Options FleetOptions(const NetLab& net, const FleetLab::Options& options) {
  Fleet::Options out;
  out.netns = net.target();
  out.listen = std::string("0.0.0.0") + kPort;
  out.coordinator_flags = options.coordinator_flags;
  out.cli_flags = options.cli_flags;
  return out;
}

}  // namespace

FleetLab::FleetLab(int vantages, Options options)
    : options_(std::move(options)), net_(vantages), fleet_(FleetOptions(net_, options_)) {}

bool FleetLab::StartCoordinator() {
  if (!fleet_.StartCoordinator()) return false;
  fleet_.set_grpc(std::string("127.0.0.1") + kPort);
  return true;
}

Fleet::AgentSpec FleetLab::Agent(int point, const std::string& name, const std::string& vantage,
                                 std::vector<std::string> more_flags) const {
  Fleet::AgentSpec spec;
  spec.name = name;
  spec.vantage = vantage;
  spec.netns = net_.vantage(point);
  spec.coordinator = "198.18." + std::to_string(point) + ".1" + kPort;
  spec.flags = options_.agent_flags;
  spec.flags.insert(spec.flags.end(), more_flags.begin(), more_flags.end());
  return spec;
}

}  // namespace portolan::integration
