// Synchronize: register the agent, take in what it says, reconcile its leases, decide.
#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

// A revoked lease that an agent goes on listing is taken from it after this many terms; so is all
// that it holds when it never sees an answer.
constexpr int kPatienceTerms = 3;

bool IsRate(double x) { return std::isfinite(x) && x >= 0; }

}  // namespace

absl::Status Scheduler::Impl::CheckReport(const AgentReport& r) const {
  if (r.name.empty()) return InvalidArgument("agent name: empty");
  if (r.vantage.empty()) return InvalidArgument("agent \"{}\": vantage: empty", r.name);
  if (r.incarnation.empty()) return InvalidArgument("agent \"{}\": incarnation: empty", r.name);
  if (!IsRate(r.measured_rate))
    return InvalidArgument("agent \"{}\": measured_rate: {} is not a rate", r.name,
                           r.measured_rate);
  if (!IsRate(r.sent_rate))
    return InvalidArgument("agent \"{}\": sent_rate: {} is not a rate", r.name, r.sent_rate);
  if (!IsRate(r.max_rate))
    return InvalidArgument("agent \"{}\": max_rate: {} is not a rate", r.name, r.max_rate);
  const AgentRecord* a = roster.Find(r.name);
  if (a == nullptr || !a->known) return absl::OkStatus();
  if (a->incarnation != r.incarnation) {
    if (std::find(a->superseded.begin(), a->superseded.end(), r.incarnation) !=
        a->superseded.end()) {
      return Aborted(
          "agent \"{}\": a newer process of this name has registered; give each agent a name of "
          "its own (--name)",
          r.name);
    }
    return absl::OkStatus();
  }
  if (a->vantage != r.vantage) {
    return InvalidArgument(
        "agent \"{}\": vantage changed from \"{}\" to \"{}\" within one run: restart the agent",
        r.name, a->vantage, r.vantage);
  }
  return absl::OkStatus();
}

// For one agent more. Forgets the silent agent without leases that was seen least lately.
absl::Status Scheduler::Impl::MakeRoom() {
  if (roster.size() < options.max_agents) return absl::OkStatus();
  const AgentRecord* oldest = nullptr;
  for (const auto& [name, a] : roster.agents()) {
    if (!a->live && a->leases.empty() && (oldest == nullptr || a->last_seen < oldest->last_seen))
      oldest = a.get();
  }
  if (oldest == nullptr)
    return ResourceExhausted("{} registered, as many as this coordinator takes",
                             Counted(roster.size(), "agent is", "agents are"));
  const std::string name = oldest->name;
  ReleaseShares(name);
  roster.Erase(name);
  return absl::OkStatus();
}

// The process that called under this name is gone: what it held goes back at once.
void Scheduler::Impl::Supersede(AgentRecord& a, Time now, WallTime wall) {
  a.superseded.push_back(a.incarnation);
  if (a.superseded.size() > AgentRecord::kMaxSuperseded) a.superseded.pop_front();
  std::set<Scan*> touched;
  for (Token token : std::set<Token>(a.leases)) {
    Lease* l = FindLease(token);
    if (l == nullptr) continue;
    touched.insert(&l->lane->scan);
    Expire(*l, now);
  }
  roster.SetHungry(a, false);
  a.idle = false;
  a.seen = 0;
  a.unseen_since = kNever;
  a.finished = a.begun = 0;
  a.contexts.clear();
  a.disowned.clear();
  for (Scan* s : touched) Settle(*s, wall);
}

// Not the process that works under this name, as far as is known. After a restart of the
// coordinator the leases alone tell of that process: it is the one that lists some of them.
bool Scheduler::Impl::IsOtherProcess(const AgentRecord& a, const AgentReport& r) const {
  if (a.known) return a.incarnation != r.incarnation;
  if (!options.restored_agents_may_return || a.leases.empty()) return false;
  return std::none_of(r.leases.begin(), r.leases.end(),
                      [&](const HeldLease& h) { return a.leases.count(h.token) > 0; });
}

absl::StatusOr<std::optional<SyncDecision>> Scheduler::Impl::CheckName(AgentRecord& a,
                                                                       const AgentReport& r,
                                                                       Time now) {
  if (!IsOtherProcess(a, r)) return std::optional<SyncDecision>();
  const NameClaim::Answer claim =
      a.claim.Challenge(r.incarnation, {a.live, a.leaving, a.seen, a.disconnected}, next_revision,
                        options.lease_term, now);
  switch (claim.verdict) {
    case NameClaim::Verdict::kTakeOver:
      return std::optional<SyncDecision>();
    case NameClaim::Verdict::kRefuse:
      return AlreadyExists("agent \"{}\": another process uses this name and is at work", r.name);
    case NameClaim::Verdict::kWait:
      break;
  }
  if (claim.ask_holder) {
    // Its next call will say whether it has heard of this revision.
    a.changed = true;
    Wake(a);
  }
  SyncDecision d;
  d.wait = claim.wait;
  d.news = true;
  return std::optional(std::move(d));
}

// What it was granted and has not heard of goes back; it will never probe it.
SyncDecision Scheduler::Impl::Leave(AgentRecord& a, Time now, WallTime wall) {
  SyncDecision d;
  d.revision = a.revision;
  d.left = d.news = true;
  std::set<Scan*> touched;
  for (Token token : std::set<Token>(a.leases)) {
    Lease* l = FindLease(token);
    if (l == nullptr) continue;
    touched.insert(&l->lane->scan);
    GiveBack(*l, IntervalSet(l->valid), now);
  }
  ReleaseShares(a.name);
  roster.SetHungry(a, false);
  roster.ClearDeadline(a);
  a.idle = false;
  a.left = true;
  woken.erase(a.name);
  if (roster.Recount(a)) crew_changed = true;
  if (crew_changed) Schedule(now);
  if (!a.drain_wanted) roster.Erase(std::string(a.name));
  for (Scan* s : touched) Settle(*s, wall);
  return d;
}

void Scheduler::Impl::TakeState(AgentRecord& a, const AgentReport& r, Time now) {
  if (a.vantage != r.vantage) roster.SetHungry(a, false);  // listed under the old one
  a.vantage = r.vantage;
  a.incarnation = r.incarnation;
  a.left = false;
  a.leaving = r.leaving;
  a.disconnected = kNever;
  if (!a.known) {
    AdoptShares(a, r, now);
    a.known = true;
    a.changed = true;
    a.progress_at = now;
  }
  NoteUndivided(a, r);
  a.draining = r.draining;
  a.measured_rate = r.measured_rate;
  a.sent_rate = r.sent_rate;
  a.max_rate = r.max_rate;
  a.room = r.room;
  a.last_seen = now;
  const uint64_t seen = std::min(r.revision_seen, a.revision);
  if (seen > a.seen) {
    a.seen = seen;
    a.unseen_since = seen < a.revision ? now : kNever;
  }
  if (r.revision_seen == 0) a.changed |= a.revision == 0;
  roster.SetDeadline(a, now + options.lease_term);
  Schedule(a.deadline);
  if (roster.Recount(a)) crew_changed = true;
}

bool Scheduler::Impl::IsUnresponsive(const AgentRecord& a, Time now) const {
  return a.unseen_since != kNever && now - a.unseen_since > options.lease_term;
}

absl::StatusOr<SyncDecision> Scheduler::Impl::Synchronize(const AgentReport& r, Time now,
                                                          WallTime wall) {
  PORTOLAN_RETURN_IF_ERROR(CheckReport(r));
  const bool goes = r.leaving && r.leases.empty();
  AgentRecord* a = roster.Find(r.name);
  if (goes && (a == nullptr || IsOtherProcess(*a, r))) {
    // It ends without ever having been registered.
    SyncDecision d;
    d.left = d.news = true;
    return d;
  }
  if (a == nullptr) {
    PORTOLAN_RETURN_IF_ERROR(MakeRoom());
    a = &roster.Add(r.name);
  }
  PORTOLAN_ASSIGN_OR_RETURN(std::optional<SyncDecision> waits, CheckName(*a, r, now));
  if (waits.has_value()) return *std::move(waits);
  if (a->known && a->incarnation != r.incarnation) {
    Supersede(*a, now, wall);
    a->claim.Clear();
  }
  TakeState(*a, r, now);
  Reconcile(*a, r, now, wall);
  ConfirmShares(*a, now);
  if (goes) return Leave(*a, now, wall);
  if (crew_changed) Schedule(now + std::chrono::milliseconds(50));
  const uint64_t seen_now = std::min(r.revision_seen, a->revision);
  uint64_t room = r.room;
  for (Token token : a->leases) {
    // The agent counted its room without the leases that it had not heard of.
    const Lease& l = leases[token];
    if (l.granted_in > seen_now) room -= std::min(room, l.valid.size());
  }
  Grant(*a, room, now, wall);
  return Decide(*a, r, now);
}

// The agent's word is final on what it holds, within what it was granted.
void Scheduler::Impl::Reconcile(AgentRecord& a, const AgentReport& r, Time now, WallTime wall) {
  std::map<Token, const HeldLease*> listed;
  for (const HeldLease& h : r.leases) listed.emplace(h.token, &h);
  std::set<Scan*> touched;
  const bool deaf =
      a.unseen_since != kNever && now - a.unseen_since > kPatienceTerms * options.lease_term;
  const uint64_t leased_before = a.leased;

  for (Token token : std::vector<Token>(a.leases.begin(), a.leases.end())) {
    Lease* l = FindLease(token);
    if (l == nullptr || !l->live) continue;
    touched.insert(&l->lane->scan);
    auto it = listed.find(token);
    if (deaf) {
      Expire(*l, now);  // it hears no answer, so by its own clock it has stopped long ago
    } else if (l->revoked && now - l->revoked_at > kPatienceTerms * options.lease_term) {
      GiveBack(*l, IntervalSet(l->valid), now);
    } else if (it != listed.end() || l->granted_in <= std::min(r.revision_seen, a.revision)) {
      ReconcileHeld(a, *l, it == listed.end() ? nullptr : it->second, now);
    }
  }
  std::vector<Token> disowned;
  for (const auto& [token, held] : listed) {
    if (a.leases.count(token) > 0) continue;
    Lease* l = FindLease(token);
    if (l != nullptr && l->agent == a.name && !deaf && Revive(a, *l, *held, now)) continue;
    // One that ended lately because all of it was counted is merely not forgotten by the agent yet.
    auto old = retired.find(token);
    if (old == retired.end() || old->second.agent != a.name) disowned.push_back(token);
  }
  if (!std::includes(a.disowned.begin(), a.disowned.end(), disowned.begin(), disowned.end()))
    a.changed = true;
  a.disowned = std::move(disowned);

  uint64_t unprobed = 0;
  a.begun = 0;
  for (Token token : a.leases) {
    const Lease& l = leases[token];
    unprobed += l.unprobed;
    a.begun += l.valid.size() - std::min(l.unprobed, l.valid.size());
  }
  if (unprobed != a.unprobed || a.leased != leased_before || a.leased == 0) a.progress_at = now;
  if (unprobed != a.unprobed) a.unprobed_at = now;
  a.unprobed = unprobed;
  for (Scan* s : touched) Settle(*s, wall);
}

void Scheduler::Impl::ReconcileHeld(AgentRecord& a, Lease& l, const HeldLease* held, Time now) {
  const uint64_t seen = std::min(a.seen, a.revision);
  if (l.shrinking && l.shrunk_in != 0 && seen >= l.shrunk_in) {
    l.shrinking = false;
    ++counters.leases_shrunk;
  }
  if (held == nullptr) {
    GiveBack(l, IntervalSet(l.valid), now);
    return;
  }
  l.unprobed = std::min({l.unprobed, held->unprobed, l.valid.size()});
  if (held->ranges.Contains(l.valid)) {
    if (!l.shrinking && !l.told.Contains(l.valid)) l.told = l.valid;  // it had begun beyond the cut
    return;
  }
  IntervalSet lost = l.valid;
  lost.Remove(held->ranges);
  l.told = l.shrinking ? l.told.Intersection(held->ranges) : l.valid.Intersection(held->ranges);
  GiveBack(l, lost, now);
}

// The agent still holds a lease that expired here: it was frozen, or this coordinator was away.
// What nobody else was given is its own again.
bool Scheduler::Impl::Revive(AgentRecord& a, Lease& l, const HeldLease& held, Time now) {
  Lane& lane = *l.lane;
  if (!lane.scan.running() || lane.finished) return false;
  const IntervalSet mine = l.valid.Intersection(held.ranges);
  if (mine.empty()) return false;
  lane.stale.Take(l.valid);  // what it does not list it will not report
  lane.Reclaim(mine);
  l.valid = mine;
  l.told = mine;
  l.live = true;
  l.owner = &a;
  l.revoked = l.shrinking = false;
  l.shrunk_in = 0;
  // The attempt that expired stays counted, or an agent that freezes again and again would keep a
  // lease for ever.
  if (l.history.attempts + 1 < lane.scan.spec->max_attempts) ++l.history.attempts;
  l.granted_in = next_revision;
  l.granted_at = now;
  l.unprobed = std::min(held.unprobed, l.valid.size());
  lane.leases.insert(l.token);
  a.leases.insert(l.token);
  a.leased += l.valid.size();
  a.changed = true;
  AddHolder(lane.scan, a.name);
  lane.scan.ForEachDivision([](Division& d) { d.ClaimantsMayHaveChanged(); });
  Put(l);
  return true;
}

SyncDecision Scheduler::Impl::Decide(AgentRecord& a, const AgentReport& r, Time now) {
  SyncDecision d;
  for (Token token : a.leases) {
    Lease& l = leases[token];
    const Scan& s = l.lane->scan;
    if (!s.running() && !l.revoked) {
      l.revoked = true;
      l.revoked_at = now;
      ++counters.leases_revoked;
      a.changed = true;
    }
    if (l.revoked) continue;
    if (l.shrinking && l.shrunk_in == 0) {
      l.shrunk_in = next_revision;
      a.changed = true;
    }
    d.leases.push_back({l.token, l.lane->id, s.id, l.told, l.history.attempts + 1});
    d.shares.emplace(s.id, -1);
  }
  // All are moved before any is told: scans that share targets must be told the same.
  for (const auto& [id, share] : d.shares) {
    active[id]->ForEachDivision([&](Division& v) { ShareOf(a, v, next_revision, now); });
  }
  for (auto& [id, share] : d.shares) {
    const Scan& s = *active[id];
    if (s.rate != nullptr) share = s.rate->shares.Promised(a.name);
    if (s.targets != nullptr) d.fractions[id] = s.targets->shares.Promised(a.name);
  }
  const bool contexts_news = AddContexts(a, r, d);
  d.drain = a.drain_wanted;
  if (a.changed || a.revision == 0) {
    a.revision = next_revision++;
    a.changed = false;
    if (a.unseen_since == kNever) a.unseen_since = now;
  }
  d.revision = a.revision;
  d.news = contexts_news || r.revision_seen < a.revision;
  woken.erase(a.name);
  return d;
}

// True: one of them has not been sent in an answer that the agent has seen.
bool Scheduler::Impl::AddContexts(AgentRecord& a, const AgentReport& r, SyncDecision& d) {
  bool news = false;
  std::map<ScanId, AgentRecord::Told> told;
  for (const auto& [id, share] : d.shares) {
    const Scan& s = *active[id];
    auto known = r.known_scans.find(id);
    const bool with_space = known == r.known_scans.end();
    if (!with_space && known->second >= s.overlay.version) continue;
    d.contexts.push_back({id, with_space});
    auto before = a.contexts.find(id);
    AgentRecord::Told t{s.overlay.version, next_revision};
    if (before != a.contexts.end() && before->second.overlay == s.overlay.version) {
      t = before->second;
    } else {
      a.changed = true;
    }
    news |= a.seen < t.revision;
    told[id] = t;
  }
  a.contexts = std::move(told);
  return news;
}

}  // namespace portolan
