// Time: leases and agents expire, revisits fall due, lanes without an agent end.
#include <algorithm>
#include <utility>

#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

constexpr Duration kSecond = std::chrono::seconds(1);
// The list of a lane's attempts is stored whole when it changed: at most once a second, and less
// often the longer it is.
constexpr size_t kAttemptsPerSecond = 4096;
// shares follow what agents turn out to be able to use
constexpr Duration kDivideAnew = std::chrono::seconds(2);
constexpr size_t kCrowd = 200;  // claimants
constexpr int kCrowdsAtOnce = 2;

}  // namespace

void Scheduler::Impl::ExpireAgent(AgentRecord& a, Time now, WallTime wall) {
  roster.ClearDeadline(a);
  roster.SetHungry(a, false);
  a.idle = false;
  if (roster.Recount(a)) crew_changed = true;
  std::set<Scan*> touched;
  for (Token token : std::set<Token>(a.leases)) {
    Lease& l = leases[token];
    touched.insert(&l.lane->scan);
    Expire(l, now);
  }
  ReleaseShares(a.name);
  woken.erase(a.name);
  for (Scan* s : touched) Settle(*s, wall);
}

void Scheduler::Impl::TickLane(Lane& lane, Time now, WallTime) {
  if (lane.finished) return;
  if (lane.Release(now)) Offer(lane);
  if (lane.owed().NextDue() != kNever) Schedule(lane.owed().NextDue());
  StoreAttempts(lane, now);
  if (!lane.scan.running()) return;
  if (crew_changed) SettleRefused(lane);
  if (!lane.leases.empty() || StrengthFor(lane).agents > 0) {
    lane.without_agent_since = kNever;
    return;
  }
  if (lane.without_agent_since == kNever) lane.without_agent_since = now;
  const Time end = lane.without_agent_since + lane.scan.spec->lane_timeout;
  if (now >= end) {
    EndIdle(lane, Reason::kNoAgent);
  } else {
    Schedule(end);
  }
}

void Scheduler::Impl::StoreAttempts(Lane& lane, Time now) {
  if (!lane.attempts_changed) return;
  if (now < lane.attempts_due) {
    Schedule(lane.attempts_due);
    return;
  }
  PutAttempts put{lane.id, lane.owed().Attempts()};
  lane.attempts_changed = false;
  lane.attempts_due =
      now + kSecond * static_cast<int64_t>(1 + put.attempts.size() / kAttemptsPerSecond);
  changes.push_back(std::move(put));
}

void Scheduler::Impl::Tick(Time now, WallTime wall) {
  next_event = now + kSecond;
  for (AgentRecord* a = roster.FirstDeadline(); a != nullptr && a->deadline <= now;
       a = roster.FirstDeadline()) {
    ExpireAgent(*a, now, wall);
  }
  if (AgentRecord* a = roster.FirstDeadline()) Schedule(a->deadline);

  int crowds = 0;
  std::vector<Scan*> all;
  for (auto& [id, s] : active) all.push_back(s);
  for (Scan* s : all) {
    for (auto& lane : s->lanes) TickLane(*lane, now, wall);
    Settle(*s, wall);
  }
  ForEachDivision([&](Division& d) {
    d.changed |= crew_changed || now - d.divided_at >= kDivideAnew;
    // Dividing among a crowd takes a millisecond or so: a few in one go.
    if (d.changed && d.claimants >= kCrowd && ++crowds > kCrowdsAtOnce) {
      Schedule(now + std::chrono::milliseconds(10));
      return;
    }
    TickShares(d, now);
  });
  crew_changed = false;
  Rebalance(now);

  // At most every second, and by then only those that have long been silent.
  std::vector<std::string> forgotten;
  for (const auto& [name, a] : roster.agents()) {
    if (!a->live && a->leases.empty() && now - a->last_seen >= kForgetAgent)
      forgotten.push_back(name);
  }
  for (const std::string& name : forgotten) roster.Erase(name);
}

}  // namespace portolan
