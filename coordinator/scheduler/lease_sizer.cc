#include "coordinator/scheduler/lease_sizer.h"

#include <algorithm>

namespace portolan {
namespace {

uint64_t ToCount(double x) {
  return x >= 1e18 ? uint64_t{1000000000000000000} : x <= 0 ? 0 : static_cast<uint64_t>(x);
}

uint64_t Ramp(const SchedulerOptions& o, const AgentRecord& a) {
  constexpr uint64_t kMost = uint64_t{1} << 59;
  return o.first_lease + 4 * (std::min(a.finished, kMost) + std::min(a.begun, kMost));
}

// A lease costs a round trip, and an agent looks each 50 ms whether it needs one.
constexpr double kFloorSeconds = 0.1;

// A lease costs about the same whatever its size, so it should hold some work: min_lease, but for a
// slow agent no more than a second's, and for a fast one no less than kFloorSeconds'.
uint64_t Floor(const SchedulerOptions& o, double speed) {
  const uint64_t least = std::max<uint64_t>(1, o.min_lease);
  if (speed <= 0) return least;
  const uint64_t busy = std::min(ToCount(speed * kFloorSeconds), std::max(least, o.max_lease));
  return std::max(std::clamp<uint64_t>(ToCount(speed), 1, least), busy);
}

uint64_t ByTime(const SchedulerOptions& o, double speed) {
  const uint64_t floor = Floor(o, speed);
  return std::clamp(ToCount(speed * ToSeconds(o.lease_target)), floor,
                    std::max(floor, o.max_lease));
}

}  // namespace

uint64_t TotalGoal(const SchedulerOptions& options, const AgentRecord& agent) {
  if (agent.speed() <= 0) return std::clamp<uint64_t>(options.first_lease, 1, options.max_lease);
  return std::min(ByTime(options, agent.speed()), Ramp(options, agent));
}

uint64_t LeaseGoal(const SchedulerOptions& options, const AgentRecord& agent, double share,
                   uint64_t remaining, const Roster::Strength& agents) {
  uint64_t goal = TotalGoal(options, agent);
  uint64_t floor = Floor(options, agent.speed());
  if (share >= 0) {
    goal = std::min(goal, ByTime(options, share));
    floor = std::min(floor, Floor(options, share));
  }
  double part = 1.0 / static_cast<double>(std::max<uint64_t>(1, agents.agents));
  if (agent.speed() > 0 && agents.speed > 0 && agents.agents > agents.unknown) {
    const double mean = agents.speed / static_cast<double>(agents.agents - agents.unknown);
    part = agent.speed() /
           std::max(agent.speed(), agents.speed + mean * static_cast<double>(agents.unknown));
  }
  // Who works alone, and has begun to, has nobody to finish at the same time with.
  const bool alone = agents.agents <= 1 && agent.speed() > 0;
  const uint64_t guided = alone ? remaining : ToCount(static_cast<double>(remaining) * part / 2);
  return std::max(std::min(goal, guided), std::min(floor, goal));
}

}  // namespace portolan
