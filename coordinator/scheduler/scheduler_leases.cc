// Beginning and end of leases; gaps; the end of lanes and scans.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "coordinator/scheduler/impl.h"

namespace portolan {

Lease* Scheduler::Impl::FindLease(Token token) {
  auto it = leases.find(token);
  return it == leases.end() ? nullptr : &it->second;
}

const Lease* Scheduler::Impl::FindLease(Token token) const {
  auto it = leases.find(token);
  return it == leases.end() ? nullptr : &it->second;
}

void Scheduler::Impl::Put(const Lease& l) {
  changes.emplace_back(
      PutLease{{l.token, l.lane->id, l.agent, l.valid.ToVector(), l.history.attempts + 1, l.live}});
}

Lease& Scheduler::Impl::NewLease(Lane& lane, AgentRecord& a, History history, IntervalSet positions,
                                 Time now) {
  const Token token = next_token;
  ++next_token.value;
  Disinherit(lane, positions);
  Lease& l = leases[token];
  l.token = token;
  l.lane = &lane;
  l.agent = a.name;
  l.owner = &a;
  l.history = std::move(history);
  l.unprobed = positions.size();
  l.told = positions;
  l.valid = std::move(positions);
  l.granted_in = next_revision;
  l.granted_at = now;
  lane.leases.insert(token);
  a.leases.insert(token);
  a.leased += l.valid.size();
  a.changed = true;
  AddHolder(lane.scan, a.name);
  ++counters.leases_granted;
  Put(l);
  return l;
}

// Positions that are about to be granted anew, or will never be known: the expired leases that had
// them lose them.
void Scheduler::Impl::Disinherit(Lane& lane, const IntervalSet& positions) {
  std::map<Token, IntervalSet> lost;
  for (const TokenMap::Piece& p : lane.stale.Take(positions)) lost[p.token].Add(p.range);
  for (const auto& [token, part] : lost) {
    Lease* l = FindLease(token);
    PORTOLAN_CHECK(l != nullptr && !l->live);
    l->valid.Remove(part);
    if (l->valid.empty()) {
      Drop(*l);
    } else {
      Put(*l);
    }
  }
}

void Scheduler::Impl::TakeFromLive(Lease& l, const IntervalSet& part) {
  l.valid.Remove(part);
  l.unprobed = std::min(l.unprobed, l.valid.size());
  l.owner->leased -= part.size();
}

void Scheduler::Impl::Unlink(Lease& l) {
  l.lane->leases.erase(l.token);
  AgentRecord& a = *l.owner;
  a.leases.erase(l.token);
  a.leased -= l.valid.size();
  l.owner = nullptr;
  RemoveHolder(*l.lane, a.name);
}

void Scheduler::Impl::Drop(Lease& l) {
  if (l.live) Unlink(l);
  changes.emplace_back(DropLease{l.token});
  if (retired_order.size() >= kMaxRetired) {
    retired.erase(retired_order.front());
    retired_order.pop_front();
  }
  retired[l.token] = {l.lane->id, l.agent};
  retired_order.push_back(l.token);
  leases.erase(l.token);
}

void Scheduler::Impl::GiveBack(Lease& l, const IntervalSet& part, Time now) {
  if (part.empty()) return;
  Lane& lane = *l.lane;
  TakeFromLive(l, part);
  lane.Return(part, l.history, now, now);
  ++counters.leases_returned;
  if (l.valid.empty()) {
    Drop(l);
  } else {
    Put(l);
  }
  SettleRefused(lane);
  Offer(lane);
}

void Scheduler::Impl::Expire(Lease& l, Time now) {
  Lane& lane = *l.lane;
  l.owner->changed = true;
  Unlink(l);
  l.live = false;
  l.told.Clear();
  ++counters.leases_expired;
  const History history = l.history.OneMoreAttempt();
  if (history.attempts >= lane.scan.spec->max_attempts) {
    lane.Finish(l.valid);
    AddGap(lane, l.valid, Reason::kAttempts);
    Drop(l);
    return;
  }
  lane.Return(l.valid, history, now, now);
  lane.stale.Assign(l.valid, l.token);
  Put(l);
  SettleRefused(lane);
  Offer(lane);
}

// `positions` have been moved to done.
void Scheduler::Impl::AddGap(Lane& lane, const IntervalSet& positions, Reason cause) {
  if (positions.empty()) return;
  PutGaps put{lane.id, {}};
  positions.ForEach([&](IndexRange r) {
    put.gaps.push_back({r, cause});
    if (lane.gaps.size() < Lane::kMaxListedGaps) lane.gaps.push_back({r, cause});
  });
  Ledger counts;
  counts.Count({State::kNotProbed, cause}, positions.size());
  lane.ledger.Add(counts);
  counters.outcomes.Add(counts);
  changes.push_back(std::move(put));
}

void Scheduler::Impl::EndIdle(Lane& lane, Reason cause) {
  std::set<Token> expired;
  for (const TokenMap::Piece& p : lane.stale.ToVector()) expired.insert(p.token);
  for (Token token : expired) {
    if (Lease* l = FindLease(token)) Drop(*l);
  }
  AddGap(lane, lane.FinishIdle(), cause);
}

// Positions that everybody refused who could be asked now will never be known. While nobody could
// be asked, they wait: then the lane's time without an agent runs.
void Scheduler::Impl::SettleRefused(Lane& lane) {
  if (!lane.owed().has_refused()) return;
  const uint64_t takers = StrengthFor(lane).agents;
  if (takers == 0) return;
  const IntervalSet gone = lane.FinishRefused([&](const History& h) {
    uint64_t refused = 0;
    for (const std::string& name : h.refused) {
      const AgentRecord* a = roster.Find(name);
      refused += a != nullptr && a->taking() && Matches(lane, a->vantage);
    }
    return refused >= takers;
  });
  if (gone.empty()) return;
  lane.attempts_changed = true;
  Disinherit(lane, gone);
  AddGap(lane, gone, Reason::kAgentScope);
}

void Scheduler::Impl::SetState(Scan& s, ScanState state, WallTime wall) {
  s.state = state;
  if (IsFinished(state)) s.finished = wall;
  changes.emplace_back(PutScanState{s.id, s.state, s.started, s.finished});
  changed_scans.insert(s.id);
}

void Scheduler::Impl::Settle(Scan& s, WallTime wall) {
  if (IsFinished(s.state)) return;
  if (s.state == ScanState::kCancelling &&
      std::all_of(s.lanes.begin(), s.lanes.end(),
                  [](const auto& l) { return l->leases.empty(); })) {
    for (auto& lane : s.lanes) EndIdle(*lane, Reason::kCancelled);
  }
  bool all = true;
  for (auto& lane : s.lanes) {
    if (!lane->finished && lane->all_done()) {
      lane->finished = true;
      lane->without_agent_since = kNever;
      fairness.Forget(lane->id);
      changes.emplace_back(FinishLane{lane->id});
      changed_scans.insert(s.id);
      s.ForEachDivision([](Division& d) { d.changed = true; });
    }
    all &= lane->finished;
  }
  if (all) EndScan(s, wall);
}

void Scheduler::Impl::EndScan(Scan& s, WallTime wall) {
  bool missing = false;
  for (auto& lane : s.lanes) {
    // What the user excluded while it ran is as he wished: it does not make a scan partial.
    const Ledger& l = lane->ledger;
    missing |= l.NotProbed() > l.not_probed[0];
  }
  const bool cancelled = s.state == ScanState::kCancelling;
  SetState(s,
           cancelled ? ScanState::kCancelled
           : missing ? ScanState::kPartial
                     : ScanState::kComplete,
           wall);
  if (s.rate != nullptr) s.rate->shares.Clear();
  LeaveTargets(s);
  active.erase(s.id);
}

}  // namespace portolan
