// The state that a former coordinator left behind.
#include <algorithm>
#include <utility>

#include "coordinator/scheduler/impl.h"

namespace portolan {

void Scheduler::Impl::Restore(ScanRecord record, Time now) {
  Scan& s = AddScan(record, now);
  for (size_t i = 0; i < s.lanes.size(); ++i) {
    std::vector<LeaseRecord> own;
    for (LeaseRecord& l : record.leases) {
      if (l.lane == s.lanes[i]->id) own.push_back(std::move(l));
    }
    RestoreLane(*s.lanes[i], record.lanes[i], std::move(own), now);
  }
  Schedule(now);
  // What the last transaction of the former one left just before its end.
  Settle(s, s.finished);
}

void Scheduler::Impl::RestoreLane(Lane& lane, LaneRecord& record, std::vector<LeaseRecord> records,
                                  Time now) {
  lane.RestoreDone(record.done);
  lane.ledger = record.ledger;
  lane.finished = record.finished;
  for (const Gap& g : record.gaps) {
    lane.RestoreDone({g.range});
    if (lane.gaps.size() < Lane::kMaxListedGaps) lane.gaps.push_back(g);
  }
  // A newer token wins, should two claim a position.
  std::sort(records.begin(), records.end(),
            [](const auto& a, const auto& b) { return b.token < a.token; });
  IntervalSet claimed;
  for (LeaseRecord& r : records) {
    next_token = std::max(next_token, Token{r.token.value + 1});
    IntervalSet valid = IntervalSet::Of(r.ranges).Intersection(IndexRange{0, lane.size});
    valid.Remove(claimed);
    claimed.Add(valid);
    valid.Remove(lane.done().Intersection(valid));
    if (valid.empty()) {
      changes.emplace_back(DropLease{r.token});
      continue;
    }
    RestoreLease(lane, r, valid, now);
  }
  for (const auto& [range, attempts] : record.attempts) lane.RestoreAttempts(range, attempts, now);
  // Positions of expired leases have at least the attempt that ended then.
  for (const TokenMap::Piece& p : lane.stale.ToVector()) {
    lane.RestoreAttempts(p.range, leases[p.token].history.attempts + 1, now);
  }
  lane.without_agent_since =
      lane.leases.empty() && !lane.finished && lane.scan.running() ? now : kNever;
}

void Scheduler::Impl::RestoreLease(Lane& lane, LeaseRecord& r, const IntervalSet& valid, Time now) {
  Lease& l = leases[r.token];
  l.token = r.token;
  l.lane = &lane;
  l.agent = r.agent;
  l.history.attempts = std::max(1u, r.attempt) - 1;
  l.valid = valid;
  l.live = r.live;
  if (!l.live) {
    lane.stale.Assign(valid, l.token);
    return;
  }
  l.told = valid;
  l.unprobed = valid.size();
  l.granted_at = now;
  lane.RestoreLeased(valid);
  lane.leases.insert(l.token);
  AgentRecord* a = roster.Find(r.agent);
  if (a == nullptr) a = &roster.Add(r.agent);
  if (a->leases.empty()) {
    roster.SetDeadline(*a, now + options.lease_term);
    a->last_seen = a->progress_at = now;
    Schedule(a->deadline);
  }
  l.owner = a;
  a->leases.insert(l.token);
  a->leased += valid.size();
  AddHolder(lane.scan, r.agent);
  lane.scan.ForEachDivision([&](Division& d) { d.shares.Expect(r.agent); });
}

}  // namespace portolan
