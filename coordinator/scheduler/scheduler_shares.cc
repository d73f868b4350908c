// Division of limits over the agents that probe: each scan's rate, and the limits on targets.
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
// agent uses all of what it was given. Every SYN counts, as in the share itself: where half of the
// targets are silent, an agent begins a position for each two or three SYNs, and is not to be taken
// for one that could not do more.
double Scheduler::Impl::UsableRate(const AgentRecord& a, Scan& s, Time now) {
  Division& d = *s.rate;
  const double promised = d.shares.Promised(a.name);
  auto usable = d.usable.find(a.name);
  if (a.sent_rate > 0 && promised > 0 && a.leased > 0) {
    if (usable != d.usable.end() && a.sent_rate > kFullUse * promised) {
      d.usable.erase(usable);
      usable = d.usable.end();
    } else if (a.sent_rate < kUnderUse * promised &&
               now - d.shares.PromisedSince(a.name) > kUnderUseTime) {
      usable = d.usable.insert_or_assign(a.name, kHeadroom * a.sent_rate + 1).first;
    }
  }
  if (usable == d.usable.end()) return a.max_rate;
  return a.max_rate > 0 ? std::min(a.max_rate, usable->second) : usable->second;
}

// Claims have the agents that hold leases, and those that may get some: of these no more than can
// have a useful share.
std::vector<RateShares::Claimant> Scheduler::Impl::RateClaimants(Scan& s, Time now) {
  Division& d = *s.rate;
  d.all_claim = true;
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
      d.all_claim = false;
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
        d.all_claim = false;
        break;
      }
      claimants.push_back({name, UsableRate(*a, s, now)});
      ++n;
    }
  }
  std::set<std::string_view> claim;
  for (const RateShares::Claimant& c : claimants) claim.insert(c.agent);
  std::erase_if(d.usable, [&](const auto& u) { return claim.count(u.first) == 0; });
  return claimants;
}

// Claims have the agents that hold leases, and those that could get some now.
std::vector<RateShares::Claimant> Scheduler::Impl::TargetClaimants(Division& d) {
  d.all_claim = true;
  std::vector<const Lane*> with_work;
  for (Scan* s : d.scans) {
    for (const auto& lane : s->lanes) {
      if (lane->finished) continue;
      if (s->running() && lane->HasWork()) {
        with_work.push_back(lane.get());
      } else {
        d.all_claim = false;
      }
    }
  }
  std::map<std::string, bool> matches;  // by vantage
  std::vector<RateShares::Claimant> claimants;
  for (const auto& [name, count] : d.holders) claimants.push_back({name, 0});
  if (with_work.empty()) return claimants;
  for (const auto& [name, a] : roster.agents()) {
    if (!a->taking() || a->room == 0 || d.Holds(name)) continue;
    const std::string& vantage = a->vantage;
    auto [it, fresh] = matches.try_emplace(vantage, false);
    if (fresh) {
      it->second = std::any_of(with_work.begin(), with_work.end(),
                               [&](const Lane* l) { return Matches(*l, vantage); });
    }
    if (it->second) claimants.push_back({name, 0});
  }
  return claimants;
}

// An agent without a lease uses nothing, and is promised its part together with a lease.
void Scheduler::Impl::Divide(Division& d, Time now) {
  d.changed = false;
  d.divided_at = now;
  Scan& first = *d.scans.front();
  std::vector<RateShares::Claimant> claimants =
      first.rate.get() == &d ? RateClaimants(first, now) : TargetClaimants(d);
  d.claimants = claimants.size();
  d.shares.SetTargets(std::move(claimants));
  for (const std::string& name : d.shares.Agents()) {
    if (!d.Holds(name)) d.shares.Release(name);
  }
  WakeUnsettled(d);
}

void Scheduler::Impl::AddHolder(Scan& s, const std::string& agent) {
  s.ForEachDivision([&](Division& d) { ++d.holders[agent]; });
}

void Scheduler::Impl::RemoveHolder(Lane& lane, const std::string& agent) {
  lane.scan.ForEachDivision([&](Division& d) {
    auto it = d.holders.find(agent);
    if (--it->second > 0) return;
    d.holders.erase(it);
    if (d.shares.Release(agent) && d.shares.AnyStarving()) {
      d.freed = true;
      if (d.claimants < kFewClaimants) Schedule(d.divided_at);
    }
    d.changed = d.changed || !d.all_claim || !lane.HasWork();
  });
}

void Scheduler::Impl::WakeUnsettled(Division& d) {
  d.freed = false;
  for (const std::string& name : d.shares.Unsettled()) {
    AgentRecord* a = roster.Find(name);
    if (a == nullptr) continue;
    const bool wants = a->hungry && std::any_of(d.scans.begin(), d.scans.end(), [&](Scan* s) {
                         const Lane* lane = s->running() ? LaneFor(*s, a->vantage) : nullptr;
                         return lane != nullptr && !lane->finished && HasWorkFor(*lane, *a);
                       });
    if (wants || d.Holds(name)) Wake(*a);
  }
}

void Scheduler::Impl::TickShares(Division& d, Time now) {
  if (d.shares.Lapse(now)) d.freed = true;
  Schedule(d.shares.next_lapse());
  if (d.changed && (d.claimants < kFewClaimants || now - d.divided_at >= kDivideAgain)) {
    Divide(d, now);
  } else if (d.freed) {
    WakeUnsettled(d);
  }
  if (d.changed) Schedule(d.divided_at + kDivideAgain);
}

double Scheduler::Impl::ShareOf(AgentRecord& a, Division& d, uint64_t revision, Time now) {
  if (d.changed) TickShares(d, now);
  // To somebody who holds no lease it is said with the first.
  if (d.shares.Promise(a.name, revision, now) && d.Holds(a.name)) a.changed = true;
  return d.shares.Promised(a.name);
}

// What an agent that a former coordinator knew says that it uses.
void Scheduler::Impl::AdoptShares(const AgentRecord& a, const AgentReport& r, Time now) {
  ForEachDivision([&](Division& d) {
    const bool is_rate = d.scans.front()->rate.get() == &d;
    double in_use = 0;
    for (const Scan* s : d.scans) {
      auto rate = r.shares.find(s->id);
      if (rate == r.shares.end()) continue;
      auto fraction = r.fractions.find(s->id);
      in_use = is_rate                         ? rate->second
               : fraction == r.fractions.end() ? 1
                                               : std::max(in_use, fraction->second);
    }
    d.shares.Adopt(a.name, in_use, now);
    Schedule(d.shares.next_lapse());
  });
}

// An agent of a version that knows no fractions uses all of the limits on targets.
void Scheduler::Impl::NoteUndivided(const AgentRecord& a, const AgentReport& r) {
  for (const auto& [id, rate] : r.shares) {
    if (r.fractions.count(id) > 0) continue;
    auto it = active.find(id);
    if (it == active.end() || it->second->targets == nullptr) continue;
    if (it->second->targets->Holds(a.name)) it->second->targets->shares.AssumeAll(a.name);
  }
}

void Scheduler::Impl::ConfirmShares(AgentRecord& a, Time now) {
  ForEachDivision([&](Division& d) {
    const bool fell = d.shares.Confirm(a.name, a.seen, now);
    Schedule(d.shares.next_lapse());
    if (!fell) return;
    if (d.claimants < kFewClaimants) {
      WakeUnsettled(d);
    } else if (!d.freed) {
      // of a crowd many confirm at about the same time: the rest is given out at once
      d.freed = true;
      Schedule(now + kDivideAgain / 2);
    }
  });
}

void Scheduler::Impl::ReleaseShares(const std::string& agent) {
  ForEachDivision([&](Division& d) {
    if (!d.shares.Knows(agent)) return;
    d.shares.Release(agent);
    d.changed = true;
  });
}

}  // namespace portolan
