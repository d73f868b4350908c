// Scheduler + agents + a lossy, reordering, crashing network in one thread, for thousands of seeds.
// After every step the invariants hold; in the end every position was counted exactly once.
// PORTOLAN_SIM_SEEDS=n runs seeds 1..n, PORTOLAN_SIM_SEED=s that one alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tests/simulation/sim_world.h"

namespace portolan {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kDefaultSeeds = 200;
#else
constexpr uint64_t kDefaultSeeds = 3000;
#endif

std::shared_ptr<const ScanSpace> Space(uint64_t addresses, uint32_t ports, uint64_t seed,
                                       uint32_t first = 0x0a000000u) {
  Block block;
  block.addresses = IpSet::Of(
      {{IpAddress::V4(first), IpAddress::V4(static_cast<uint32_t>(first + addresses - 1))}});
  block.ports = PortSet::Of({{1, static_cast<uint16_t>(ports)}});
  return *ScanSpace::Create({block}, seed);
}

ScanSpec RandomSpec(Chance& c) {
  ScanSpec spec;
  static const auto kSmall = Space(10, 30, 1), kMiddle = Space(40, 50, 2),
                    kGroups = Space(5000, 1, 3), kElsewhere = Space(10, 30, 4, 0x0a001000u),
                    kFar = Space(10, 30, 5, 0x0b000000u);
  // kSmall, kMiddle and kElsewhere lie within kGroups.
  const uint64_t size = c.Below(10);
  spec.space = size < 2   ? kSmall
               : size < 3 ? kElsewhere
               : size < 4 ? kFar
               : size < 9 ? kMiddle
                          : kGroups;
  if (c.Of(0.7)) spec.timing.address_rate = 100;
  spec.priority = static_cast<Priority>(1 + c.Below(3));
  if (c.Of(0.4)) spec.max_rate = c.Between(20, 400);
  spec.max_attempts = static_cast<uint32_t>(1 + c.Below(6));
  spec.lane_timeout = c.Seconds(15, 60);
  return spec;
}

SimPlan RandomPlan(uint64_t seed) {
  Chance c(seed);
  SimPlan plan;
  SchedulerOptions& o = plan.options;
  o.lease_target = c.Seconds(0.5, 4);
  o.first_lease = 16 + c.Below(200);
  o.min_lease = 1 + c.Below(32);
  o.max_lease_ranges = 1 + c.Below(20);
  if (c.Of(0.2)) o.max_fragments = 1 + c.Below(20);
  o.revisit_delay = c.Seconds(0, 2);
  const std::vector<std::string> vantages = {"a", "b", "c"};
  const size_t used = 1 + c.Below(3);
  const size_t agents = 1 + c.Below(6);
  for (size_t i = 0; i < agents; ++i) {
    SimAgent::Traits t;
    t.name = "agent" + std::to_string(i);
    t.vantage = vantages[i < used ? i : c.Below(used)];
    t.speed = i >= used && c.Of(0.3) ? c.Between(3, 10) : c.Between(50, 800);
    if (c.Of(0.2)) t.max_rate = t.speed;
    t.owed = c.Of(0.5) ? 0 : c.Between(0, 0.3);
    if (c.Of(0.2)) t.refuses = 2 + c.Below(30);
    t.room = 200 + c.Below(4000);
    plan.agents.push_back(t);
  }
  const size_t scans = 1 + c.Below(c.Of(0.2) ? 6 : 3);
  double at = 0;
  for (size_t i = 0; i < scans; ++i) {
    SimPlan::PlannedScan s;
    s.spec = RandomSpec(c);
    s.at = at += c.Between(0, 8);
    if (c.Of(0.3)) {
      s.spec.mode = ScanMode::kEachVantage;
      for (size_t v = 0; v < used; ++v) s.lanes.push_back(vantages[v]);
      s.spec.vantages = s.lanes;
    } else {
      s.lanes = {""};
      if (c.Of(0.2)) s.spec.vantages = {vantages[c.Below(used)]};
    }
    plan.scans.push_back(std::move(s));
  }
  SimTroubles& t = plan.troubles;
  t.seconds = c.Between(5, 50);
  if (c.Of(0.7)) {
    t.lose = c.Between(0, 0.3);
    t.duplicate = c.Between(0, 0.2);
    t.delay_long = c.Between(0, 0.1);
  }
  if (c.Of(0.5)) t.agent_crash = c.Between(0, 0.1);
  if (c.Of(0.5)) t.agent_freeze = c.Between(0, 0.1);
  if (c.Of(0.2)) t.agent_drain = c.Between(0, 0.1);
  if (c.Of(0.4)) t.coordinator_crash = c.Between(0, 0.1);
  if (c.Of(0.4)) t.operate = c.Between(0, 0.3);
  t.cancel = c.Of(0.3);
  // Somebody copied an agent with its name.
  if (c.Of(0.3)) {
    SimAgent::Traits twin = plan.agents[c.Below(plan.agents.size())];
    twin.first_incarnation = SimAgent::kTwin;
    twin.stubborn = c.Of(0.5);
    plan.agents.push_back(std::move(twin));
  }
  return plan;
}

TEST(Simulation, EveryPositionIsCountedOnceWhateverBreaks) {
  uint64_t first = 1, last = kDefaultSeeds;
  if (const char* n = std::getenv("PORTOLAN_SIM_SEEDS")) last = std::strtoull(n, nullptr, 10);
  if (const char* s = std::getenv("PORTOLAN_SIM_SEED"))
    first = last = std::strtoull(s, nullptr, 10);
  uint64_t failed = 0, refused = 0;
  for (uint64_t seed = first; seed <= last && failed < 5; ++seed) {
    SimWorld world(RandomPlan(seed), seed);
    const std::string error = world.Run();
    refused += world.refused;
    if (std::getenv("PORTOLAN_SIM_VERBOSE"))
      fprintf(stderr, "seed %lu: %lu events, %lu probes\n", seed, world.events(), world.probes());
    if (error.empty()) continue;
    ++failed;
    ADD_FAILURE() << "PORTOLAN_SIM_SEED=" << seed << ": " << error;
  }
  // Else two agents of one name were never played.
  if (last - first >= 100) {
    EXPECT_GT(refused, 0u);
  }
}

}  // namespace
}  // namespace portolan
