// Which lease an agent gets next.
#include <algorithm>
#include <utility>

#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

// An agent that has less than this left to do, by its own speed, could help others.
constexpr double kIdleSeconds = 0.5;

bool HelpsWith(const ScanSpec& spec, const std::string& vantage) {
  return spec.vantages.empty() ||
         std::find(spec.vantages.begin(), spec.vantages.end(), vantage) != spec.vantages.end();
}

}  // namespace

bool Scheduler::Impl::Matches(const Lane& lane, const std::string& vantage) const {
  return lane.vantage.empty() ? HelpsWith(*lane.scan.spec, vantage) : lane.vantage == vantage;
}

Lane* Scheduler::Impl::LaneFor(Scan& s, const std::string& vantage) const {
  for (auto& lane : s.lanes) {
    if (Matches(*lane, vantage)) return lane.get();
  }
  return nullptr;
}

Roster::Strength Scheduler::Impl::StrengthFor(const Lane& lane) const {
  if (!lane.vantage.empty()) return roster.At(lane.vantage);
  if (lane.scan.spec->vantages.empty()) return roster.total();
  Roster::Strength sum;
  for (const std::string& v : lane.scan.spec->vantages) sum.Add(roster.At(v));
  return sum;
}

// What an agent has not begun, as it last said, less what it has done since at its speed.
Scheduler::Impl::Load Scheduler::Impl::Measure(const AgentRecord& a, Time now) const {
  Load load;
  double done_since = a.speed() * ToSeconds(now - a.unprobed_at);
  for (Token token : a.leases) {
    const Lease& l = *FindLease(token);
    const uint64_t begun = std::min(l.unprobed, static_cast<uint64_t>(std::min(done_since, 1e18)));
    done_since -= static_cast<double>(begun);
    load.by_lane[l.lane] += l.unprobed - begun;
    load.total += l.unprobed - begun;
  }
  return load;
}

bool Scheduler::Impl::HasWorkFor(const Lane& lane, const AgentRecord& a) const {
  if (!lane.HasWorkFor(a.name)) return false;
  const std::vector<std::string>& avoid = lane.scan.spec->avoid_agents;
  if (std::find(avoid.begin(), avoid.end(), a.name) == avoid.end()) return true;
  uint64_t others = StrengthFor(lane).agents;
  for (const std::string& name : avoid) {
    const AgentRecord* one = roster.Find(name);
    if (one != nullptr && one->taking() && Matches(lane, one->vantage) && others > 0) --others;
  }
  return others == 0;
}

std::vector<Lane*> Scheduler::Impl::LanesWithWorkFor(const AgentRecord& a) {
  std::vector<Lane*> out;
  for (auto& [id, s] : active) {
    if (!s->running()) continue;
    Lane* lane = LaneFor(*s, a.vantage);
    if (lane != nullptr && !lane->finished && HasWorkFor(*lane, a)) out.push_back(lane);
  }
  return out;
}

void Scheduler::Impl::Grant(AgentRecord& a, uint64_t room, Time now, WallTime wall) {
  a.idle = false;
  a.low_water = 0;
  if (!a.taking() || room == 0 || IsUnresponsive(a, now)) {
    roster.SetHungry(a, false);
    return;
  }
  const uint64_t enough = TotalGoal(options, a);
  Load load = Measure(a, now);
  // A grant changes no tag but that of its own lane: the others' are at or above it already.
  struct Candidate {
    double tag;
    Lane* lane;
  };
  std::vector<Candidate> candidates;
  if (load.total < enough) {
    for (Lane* lane : LanesWithWorkFor(a))
      candidates.push_back({fairness.Tag(a.vantage, lane->id), lane});
  }
  while (load.total < enough && room > 0 && !candidates.empty() &&
         a.leases.size() < kMaxLeasesPerAgent) {
    auto next = std::min_element(candidates.begin(), candidates.end(),
                                 [](const Candidate& x, const Candidate& y) {
                                   return x.tag != y.tag ? x.tag < y.tag : x.lane->id < y.lane->id;
                                 });
    const uint64_t before = load.total;
    Lane& lane = *next->lane;
    const bool granted = GrantOne(a, lane, room, load, now, wall);
    room -= std::min(room, load.total - before);
    if (!granted || !HasWorkFor(lane, a)) {
      candidates.erase(next);
    } else {
      next->tag = fairness.Tag(a.vantage, lane.id);
    }
  }
  const bool full = load.total >= enough || room == 0 || a.leases.size() >= kMaxLeasesPerAgent;
  roster.SetHungry(a, !full);
  a.idle = !full && static_cast<double>(load.total) <= kIdleSeconds * a.speed();
  if (a.idle) Schedule(now + std::chrono::milliseconds(250));
  a.low_water = std::max<uint64_t>(1, std::min(enough, a.leased) / 2);
}

bool Scheduler::Impl::GrantOne(AgentRecord& a, Lane& lane, uint64_t room, Load& load, Time now,
                               WallTime wall) {
  Scan& s = lane.scan;
  double rate = -1;
  bool may = true;
  s.ForEachDivision([&](Division& d) {
    const double share = ShareOf(a, d, next_revision, now);
    may = may && share > 0;
    if (&d == s.rate.get()) rate = share;
  });
  const bool granted = may && GrantWith(a, lane, rate, room, load, now, wall);
  if (!granted) {
    s.ForEachDivision([&](Division& d) {
      if (!d.Holds(a.name)) d.shares.Release(a.name);
    });
  }
  return granted;
}

bool Scheduler::Impl::GrantWith(AgentRecord& a, Lane& lane, double share, uint64_t room, Load& load,
                                Time now, WallTime wall) {
  Scan& s = lane.scan;
  uint64_t& held = load.by_lane[&lane];
  const uint64_t remaining = lane.pending().size() + lane.owed().size();
  const uint64_t goal = LeaseGoal(options, a, share, remaining, StrengthFor(lane));
  if (held >= goal) return false;
  if (room < std::min(goal, options.min_lease) && load.total > 0) return false;  // a crumb can wait
  const uint64_t count = std::min(goal, room);

  History history;
  IntervalSet positions;
  // Owed positions come in crumbs: gather some, or wait no longer than a first revisit, before they
  // take a lease.
  const OwedSet& owed = lane.owed();
  if (lane.pending().empty() || owed.ready_size() >= options.min_lease ||
      (owed.ready_size() > 0 && now - owed.ready_since() >= options.revisit_delay)) {
    if (auto batch = lane.TakeOwed(a.name, count, options.max_lease_ranges)) {
      history = std::move(batch->history);
      positions = std::move(batch->positions);
    }
  }
  if (positions.empty()) positions = lane.TakePending(count, options.max_lease_ranges);
  if (positions.empty()) return false;

  const uint64_t size = positions.size();
  NewLease(lane, a, std::move(history), std::move(positions), now);
  held += size;
  load.total += size;
  fairness.Charge(a.vantage, lane.id, size, Fairness::Weight(s.spec->priority));
  if (s.started == WallTime()) {
    s.started = wall;
    changes.emplace_back(PutScanState{s.id, s.state, s.started, s.finished});
    changed_scans.insert(s.id);
  }
  lane.without_agent_since = kNever;
  if (!lane.HasWork()) s.ForEachDivision([](Division& d) { d.changed = true; });
  return true;
}

}  // namespace portolan
