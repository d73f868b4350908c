// Division of each scan's rate over the agents that probe for it.
#include <algorithm>
#include <set>
#include <string_view>

#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

// A lane takes no more agents than can have this many probes/s each: a crowd at a crawl finishes
// nothing sooner.
constexpr double kMinShare = 1.0;
// Below this part of its share, for this long, an agent is taken to be unable to use more than it
// does, and some.
constexpr double kUnderUse = 0.7;
constexpr Duration kUnderUseTime = std::chrono::seconds(6);
constexpr double kHeadroom = 1.5;
constexpr double kFullUse = 0.9;
// A change of who may claim is acted upon at once while few do, else at most this often.
constexpr size_t kFewClaimants = 32;
constexpr Duration kDivideAgain = std::chrono::milliseconds(200);

}  // namespace

// The most that an agent could use of the scan's rate; 0: not known. Once found, it holds until the
// agent uses all of what it was given.
double Scheduler::Impl::UsableRate(const AgentRecord& a, Scan& s, Time now) {
  const double promised = s.shares->Promised(a.name);
  auto usable = s.usable.find(a.name);
  if (a.measured_rate > 0 && promised > 0 && a.leased > 0) {
    if (usable != s.usable.end() && a.measured_rate > kFullUse * promised) {
      s.usable.erase(usable);
      usable = s.usable.end();
    } else if (a.measured_rate < kUnderUse * promised &&
               now - s.shares->PromisedSince(a.name) > kUnderUseTime) {
      usable = s.usable.insert_or_assign(a.name, kHeadroom * a.measured_rate + 1).first;
    }
  }
  if (usable == s.usable.end()) return a.max_rate;
  return a.max_rate > 0 ? std::min(a.max_rate, usable->second) : usable->second;
}

// An agent without a lease of the scan uses nothing of its rate, and is promised its share together
// with a lease. Claims have the agents that hold leases, and those that may get some: of these no
// more than can have a useful share.
void Scheduler::Impl::DivideRate(Scan& s, Time now) {
  s.shares_changed = false;
  s.shares_divided_at = now;
  s.all_claim = true;
  size_t unfinished = 0;
  for (auto& lane : s.lanes) unfinished += !lane->finished;
  std::set<std::string_view> holders;
  std::vector<RateShares::Claimant> claimants;
  for (auto& lane : s.lanes) {
    if (lane->finished) continue;
    size_t n = 0;
    for (AgentRecord* a : HoldersOf(*lane)) {
      if (!holders.insert(a->name).second) continue;
      claimants.push_back({a->name, UsableRate(*a, s, now)});
      ++n;
    }
    if (!s.running() || (!lane->HasWork() && lane->owed().size() == 0)) {
      s.all_claim = false;
      continue;
    }
    // A position that some have refused must reach the others, so then everybody claims.
    const double most = s.spec->max_rate / kMinShare / static_cast<double>(unfinished);
    const size_t limit = lane->owed().has_refused() || most > 1e6
                             ? SIZE_MAX
                             : std::max<size_t>(1, static_cast<size_t>(most));
    for (const auto& [name, a] : roster.agents()) {
      if (!a->taking() || a->room == 0 || !Matches(*lane, a->vantage) || holders.count(name) > 0)
        continue;
      if (n >= limit) {
        s.all_claim = false;
        break;
      }
      claimants.push_back({name, UsableRate(*a, s, now)});
      ++n;
    }
  }
  std::set<std::string_view> claim;
  for (const RateShares::Claimant& c : claimants) claim.insert(c.agent);
  for (auto it = s.usable.begin(); it != s.usable.end();) {
    it = claim.count(it->first) == 0 ? s.usable.erase(it) : std::next(it);
  }
  s.claimants = claimants.size();
  s.shares->SetTargets(claimants);
  for (const std::string& name : s.shares->Agents()) {
    if (holders.count(name) == 0) s.shares->Release(name);
  }
  WakeUnsettled(s);
}

bool Scheduler::Impl::HoldsLeaseOf(const AgentRecord& a, const Scan& s) const {
  return std::any_of(a.leases.begin(), a.leases.end(),
                     [&](Token t) { return &FindLease(t)->lane->scan == &s; });
}

void Scheduler::Impl::WakeUnsettled(Scan& s) {
  s.shares_freed = false;
  for (const std::string& name : s.shares->Unsettled()) {
    AgentRecord* a = roster.Find(name);
    if (a == nullptr) continue;
    const Lane* lane = LaneFor(s, a->vantage);
    if (HoldsLeaseOf(*a, s) || (a->hungry && lane != nullptr && lane->HasWorkFor(name))) Wake(*a);
  }
}

void Scheduler::Impl::TickShares(Scan& s, Time now) {
  if (s.shares_changed &&
      (s.claimants < kFewClaimants || now - s.shares_divided_at >= kDivideAgain)) {
    DivideRate(s, now);
  } else if (s.shares_freed) {
    WakeUnsettled(s);
  }
  if (s.shares_changed) Schedule(s.shares_divided_at + kDivideAgain);
}

// The agent's share as it stands, moved towards what it should be and told with `revision`.
double Scheduler::Impl::ShareOf(AgentRecord& a, Scan& s, uint64_t revision, Time now) {
  if (!s.shares) return -1;
  if (s.shares_changed) TickShares(s, now);
  if (s.shares->Promise(a.name, revision, now)) a.changed = true;
  return s.shares->Promised(a.name);
}

void Scheduler::Impl::ConfirmShares(AgentRecord& a, Time now) {
  for (auto& [id, s] : active) {
    if (!s->shares || !s->shares->Confirm(a.name, a.seen)) continue;
    if (s->claimants < kFewClaimants) {
      WakeUnsettled(*s);
    } else if (!s->shares_freed) {
      s->shares_freed =
          true;  // of a crowd many confirm at about the same time: the rest is given out at once
      Schedule(now + kDivideAgain / 2);
    }
  }
}

void Scheduler::Impl::ReleaseShares(const std::string& agent) {
  for (auto& [id, s] : active) {
    if (!s->shares || !s->shares->Knows(agent)) continue;
    s->shares->Release(agent);
    s->shares_changed = true;
  }
}

}  // namespace portolan
