#include "coordinator/scheduler/lease_sizer.h"

#include <algorithm>

namespace portolan {
namespace {

uint64_t ToCount(double x) { return x >= 1e18 ? uint64_t{1000000000000000000} : x <= 0 ? 0 : static_cast<uint64_t>(x); }

uint64_t Ramp(const SchedulerOptions& o, const AgentRecord& a) {
  return o.first_lease + 4 * std::min(a.finished, uint64_t{1} << 60);
}

uint64_t Clamp(const SchedulerOptions& o, uint64_t n) { return std::clamp(n, o.min_lease, std::max(o.min_lease, o.max_lease)); }

}  // namespace

uint64_t TotalGoal(const SchedulerOptions& options, const AgentRecord& agent) {
  if (agent.speed() <= 0) return Clamp(options, options.first_lease);
  const uint64_t by_time = ToCount(agent.speed() * ToSeconds(options.lease_target));
  return Clamp(options, std::min(by_time, Ramp(options, agent)));
}

uint64_t LeaseGoal(const SchedulerOptions& options, const AgentRecord& agent, double share, uint64_t remaining,
                   const Roster::Strength& agents) {
  uint64_t goal = TotalGoal(options, agent);
  if (share >= 0) goal = std::min(goal, Clamp(options, ToCount(share * ToSeconds(options.lease_target))));
  double part = 1.0 / static_cast<double>(std::max<uint64_t>(1, agents.agents));
  if (agent.speed() > 0 && agents.speed > 0 && agents.agents > agents.unknown) {
    const double mean = agents.speed / static_cast<double>(agents.agents - agents.unknown);
    part = agent.speed() / std::max(agent.speed(), agents.speed + mean * static_cast<double>(agents.unknown));
  }
  const uint64_t guided = ToCount(static_cast<double>(remaining) * part / 2);
  return std::max(std::min(goal, guided), std::min(options.min_lease, goal));
}

}  // namespace portolan
