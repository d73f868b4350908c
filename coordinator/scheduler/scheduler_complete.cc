// Chunks: judged, counted, their owed part queued.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "coordinator/scheduler/impl.h"

namespace portolan {

ChunkVerdict Scheduler::Impl::Complete(const ChunkClaim& claim, Time now, WallTime wall) {
  ChunkVerdict v;
  Lease* l = FindLease(claim.token);
  if (l == nullptr || l->agent != claim.agent) {
    auto it = retired.find(claim.token);
    if (it != retired.end() && it->second.agent == claim.agent &&
        lanes.count(it->second.lane) > 0) {
      Lane& lane = *lanes[it->second.lane];
      IntervalSet missing = lane.done().Complement(claim.range);
      missing.Remove(claim.owed);
      if (claim.range.end <= lane.size && missing.empty()) {
        v.verdict = Verdict::kDuplicate;
        v.lane = lane.id;
        v.scan = lane.scan.id;
        ++counters.chunks_duplicate;
        return v;
      }
    }
    ++counters.chunks_fenced;
    return v;
  }
  Lane& lane = *l->lane;
  Scan& scan = lane.scan;
  v.lane = lane.id;
  v.scan = scan.id;
  v.attempt = l->history.attempts + 1;

  const IntervalSet owed = claim.owed.Intersection(claim.range);
  IntervalSet need = lane.done().Complement(claim.range);
  need.Remove(owed);
  const bool whole = need.size() + owed.size() == claim.range.size();
  if (!l->valid.Contains(need) || (!whole && !need.empty() && !claim.count_part)) {
    ++counters.chunks_fenced;
    return v;
  }
  // What this lease is answerable for and leaves owed. Not so for an expired lease: its positions
  // are owed already.
  IntervalSet mine = l->live ? owed.Intersection(l->valid) : IntervalSet();
  if (l->live && mine.range_count() > 1 &&
      lane.owed().range_count() + mine.range_count() > options.max_fragments) {
    // Too scattered to keep: the whole chunk is owed. That counts as an attempt, or there might be
    // no end.
    mine = l->valid.Intersection(claim.range);
    need.Clear();
    TakeOwed(*l, mine, {}, now);
  } else {
    TakeOwed(*l, mine, claim.refused_by_scope, now);
  }

  if (need.empty()) {
    v.verdict = Verdict::kDuplicate;
    ++counters.chunks_duplicate;
  } else {
    v.verdict = whole ? Verdict::kAccept : Verdict::kTrim;
    v.counts = whole ? claim.counts : claim.count_part(need);
    PORTOLAN_CHECK(v.counts.Done() == need.size());
    ++(whole ? counters.chunks_accepted : counters.chunks_trimmed);
    if (l->live) {
      TakeFromLive(*l, need);
    } else {
      lane.stale.Take(need);
      lane.Reclaim(need);
      l->valid.Remove(need);
    }
    lane.Finish(need);
    lane.ledger.Add(v.counts);
    counters.outcomes.Add(v.counts);
    v.fresh = std::move(need);
  }
  if (AgentRecord* a = roster.Find(claim.agent)) {
    a->finished += v.fresh.size() + mine.size();
    if (!v.fresh.empty() || !mine.empty()) a->progress_at = now;
    if (a->leased < a->low_water) {
      a->low_water = 0;
      if (LanesWithWorkFor(*a).empty()) {
        roster.SetHungry(*a, a->taking());
      } else {
        Wake(*a);
      }
    }
  }
  if (l->valid.empty()) {
    ++counters.leases_completed;
    Drop(*l);
  }
  if (!mine.empty()) SettleRefused(lane);
  if (lane.all_done() || scan.state == ScanState::kCancelling) Settle(scan, wall);
  return v;
}

void Scheduler::Impl::TakeOwed(Lease& l, const IntervalSet& owed,
                               const IntervalSet& refused_by_scope, Time now) {
  if (owed.empty()) return;
  Lane& lane = *l.lane;
  TakeFromLive(l, owed);
  IntervalSet again = owed;
  const IntervalSet refused = refused_by_scope.Intersection(owed);
  if (!refused.empty()) {
    again.Remove(refused);
    lane.Return(refused, l.history.AlsoRefusedBy(l.agent), now, now);
    Offer(lane);
  }
  const History history = l.history.OneMoreAttempt();
  if (history.attempts >= lane.scan.spec->max_attempts) {
    lane.Finish(again);
    AddGap(lane, again, Reason::kAttempts);
  } else if (!again.empty()) {
    const Time due = now + options.revisit_delay * history.attempts;
    lane.Return(again, history, due, now);
    Schedule(lane.owed().NextDue());
  }
}

}  // namespace portolan
