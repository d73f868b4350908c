// Idle agents: work that came back is offered to them; when there is none, they get the tail of a
// straggler's lease.
#include <algorithm>
#include <cmath>

#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

constexpr Duration kRebalanceEvery = std::chrono::milliseconds(250);
constexpr double kStragglerSeconds = 2.0;  // what takes longer than this is worth dividing
constexpr size_t kWakeAtLeast = 4;
constexpr size_t kMaxHelpers = 64;  // a lane's helpers in one go
// of the scan's rate in use: more agents would not make it faster
constexpr double kRateBound = 0.8;

}  // namespace

// Wakes as many of the hungry as there is work for; they ask, and get it in the order of fairness.
void Scheduler::Impl::ResolveOffers() {
  for (LaneId id : offered) {
    auto it = lanes.find(id);
    if (it == lanes.end()) continue;
    Lane& lane = *it->second;
    if (!lane.scan.running() || lane.finished || !lane.HasWork()) continue;
    lane.scan.ForEachDivision([](Division& d) { d.ClaimantsMayHaveChanged(); });
    uint64_t budget = std::max<uint64_t>(
        kWakeAtLeast, lane.grantable() / std::max<uint64_t>(1, options.min_lease));
    std::vector<std::string> chosen;
    for (const auto& [vantage, names] : roster.hungry()) {
      if (!Matches(lane, vantage)) continue;
      for (const std::string& name : names) {
        if (chosen.size() >= budget) break;
        if (HasWorkFor(lane, *roster.Find(name))) chosen.push_back(name);
      }
    }
    for (const std::string& name : chosen) {
      AgentRecord* a = roster.Find(name);
      roster.SetHungry(*a, false);
      a->idle = false;
      Wake(*a);
    }
  }
  offered.clear();
}

std::vector<AgentRecord*> Scheduler::Impl::HoldersOf(const Lane& lane) {
  std::vector<AgentRecord*> out;
  for (Token token : lane.leases) out.push_back(FindLease(token)->owner);
  std::sort(out.begin(), out.end(),
            [](const AgentRecord* a, const AgentRecord* b) { return a->name < b->name; });
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Scheduler::Impl::Rebalance(Time now) {
  std::vector<AgentRecord*> idle;
  for (const auto& [vantage, names] : roster.hungry()) {
    for (const std::string& name : names) {
      AgentRecord* a = roster.Find(name);
      if (a->idle && a->taking()) idle.push_back(a);
    }
  }
  if (idle.empty()) return;
  if (now < rebalance_at) {
    Schedule(rebalance_at);
    return;
  }
  rebalance_at = now + kRebalanceEvery;
  for (auto& [id, s] : active) {
    if (!s->running()) continue;
    for (auto& lane : s->lanes) {
      if (!lane->finished && !lane->leases.empty() && !lane->HasWork())
        RebalanceLane(*lane, idle, now);
    }
  }
  Schedule(now + kRebalanceEvery);
}

// Cuts the leases that will take longest, so that their owners and one idle agent each would finish
// together. The tail becomes pending when the owner confirms that it has given it up.
void Scheduler::Impl::RebalanceLane(Lane& lane, std::vector<AgentRecord*>& idle, Time now) {
  if (std::none_of(idle.begin(), idle.end(),
                   [&](const AgentRecord* a) { return Matches(lane, a->vantage); }))
    return;
  const double unknown_speed =
      static_cast<double>(options.first_lease) / std::max(0.1, ToSeconds(options.lease_target));
  struct Straggler {
    Lease* lease;
    double speed;
    double before;  // positions that its owner has to do first
    double unprobed;
    double Seconds() const { return (before + unprobed) / speed; }
  };
  std::vector<Straggler> stragglers;
  double in_use = 0;
  for (const AgentRecord* owner : HoldersOf(lane)) {
    if (!owner->known) continue;
    double speed = owner->speed() > 0 ? owner->speed() : unknown_speed;
    if (lane.scan.rate != nullptr) {
      speed = std::min(speed, lane.scan.rate->shares.Promised(owner->name));
      in_use += speed;
    }
    speed = std::max(speed, 1e-3);
    double done_since = speed * ToSeconds(now - owner->unprobed_at);
    double before = 0;
    for (Token token : owner->leases) {
      Lease* l = FindLease(token);
      const double begun = std::min(static_cast<double>(l->unprobed), done_since);
      const double unprobed = static_cast<double>(l->unprobed) - begun;
      done_since -= begun;
      if (l->lane == &lane && !l->shrinking && !l->revoked && unprobed >= 1)
        stragglers.push_back({l, speed, before, unprobed});
      before += unprobed;
    }
  }
  if (lane.scan.rate != nullptr && in_use >= kRateBound * lane.scan.spec->max_rate) return;
  std::sort(stragglers.begin(), stragglers.end(), [](const Straggler& x, const Straggler& y) {
    return x.Seconds() != y.Seconds() ? x.Seconds() > y.Seconds() : x.lease->token < y.lease->token;
  });
  size_t helpers = 0;
  for (const Straggler& s : stragglers) {
    if (s.Seconds() <= kStragglerSeconds || helpers >= kMaxHelpers) break;
    auto helper = std::find_if(idle.begin(), idle.end(), [&](const AgentRecord* a) {
      return a != nullptr && a->name != s.lease->agent && Matches(lane, a->vantage) &&
             !s.lease->history.RefusedBy(a->name);
    });
    if (helper == idle.end()) continue;
    const double help = (*helper)->speed() > 0 ? (*helper)->speed() : unknown_speed;
    const double part =
        std::min(s.unprobed, std::ceil((s.before + s.unprobed) * help / (help + s.speed)));
    IntervalSet tail =
        s.lease->told.Intersection(s.lease->valid).TakeBack(static_cast<uint64_t>(part));
    if (tail.empty()) continue;
    s.lease->told.Remove(tail);
    s.lease->shrinking = true;
    s.lease->shrunk_in = 0;
    s.lease->owner->changed = true;
    Wake(*s.lease->owner);
    idle.erase(helper);
    ++helpers;
  }
}

}  // namespace portolan
