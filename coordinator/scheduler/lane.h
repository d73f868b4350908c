#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/base/interval_set.h"
#include "common/base/strong_id.h"
#include "common/base/time.h"
#include "common/scan/observation.h"
#include "coordinator/scheduler/history.h"
#include "coordinator/scheduler/owed_set.h"
#include "coordinator/scheduler/token_map.h"
#include "coordinator/scheduler/types.h"

namespace portolan {

struct Scan;

// The positions [0, size) of one lane and where each of them is: done, owed, pending, or leased
// (then it is in the `valid` set of exactly one live lease, which is kept with the lease). Every
// function moves positions from one part to another, so the four stay a partition. Memory follows
// the number of intervals: a lane that nobody began is one interval, however large.
// Not thread-safe. Passing positions that are not where a function takes them from is a bug of the
// caller.
class Lane {
 public:
  // Granting begins at `start` and wraps around, so that lanes of one scan do not visit an address
  // at the same time.
  Lane(Scan& scan, LaneId id, std::string vantage, uint64_t size, uint64_t start);

  // ---- constant ----
  Scan& scan;
  const LaneId id;
  const std::string vantage;  // empty: any that the scan allows
  const uint64_t size;

  // ---- moves ----
  // pending -> leased: up to `count` positions in at most `max_ranges` intervals.
  IntervalSet TakePending(uint64_t count, size_t max_ranges);
  // owed and ready -> leased.
  std::optional<OwedSet::Batch> TakeOwed(const std::string& agent, uint64_t count,
                                         size_t max_ranges);
  // leased -> pending (fresh history), or owed until `due`.
  void Return(const IntervalSet& positions, const History& history, Time due, Time now);
  // pending, or owed and ready -> leased. For positions of an expired lease.
  void Reclaim(const IntervalSet& positions);
  // leased -> done.
  void Finish(IndexRange range);
  void Finish(const IntervalSet& positions);
  // All that is pending or owed -> done; returns it in as few intervals as there are.
  IntervalSet FinishIdle();
  // owed -> done, by history; see OwedSet::RemoveRefused.
  template <typename F>
  IntervalSet FinishRefused(F&& settled) {
    IntervalSet gone;
    for (const OwedSet::Batch& b : owed_.RemoveRefused(settled)) gone.Add(b.positions);
    done_.Add(gone);
    return gone;
  }
  // Waiting -> ready, when due.
  bool Release(Time now) { return owed_.Release(now); }

  // ---- at Restore, on a lane that nothing was taken from ----
  void RestoreDone(const IntervalSet& done);
  void RestoreLeased(const IntervalSet& positions);                     // pending -> leased
  void RestoreAttempts(IndexRange range, uint32_t attempts, Time now);  // its pending part -> owed

  // ---- looking ----
  const IntervalSet& done() const { return done_; }
  const IntervalSet& pending() const { return pending_; }
  const OwedSet& owed() const { return owed_; }
  uint64_t leased() const { return size - done_.size() - pending_.size() - owed_.size(); }
  bool all_done() const { return done_.size() == size; }
  // Whether `agent` could be given something now.
  bool HasWork() const { return !pending_.empty() || owed_.ready_size() > 0; }
  bool HasWorkFor(const std::string& agent) const {
    return !pending_.empty() || owed_.HasReadyFor(agent);
  }
  // Positions that could be given out now.
  uint64_t grantable() const { return pending_.size() + owed_.ready_size(); }

  // ---- kept by the scheduler ----
  Ledger ledger;
  std::vector<Gap> gaps;  // the first kMaxListedGaps
  bool gaps_cut = false;
  bool finished = false;
  std::set<Token> leases;  // live ones
  TokenMap stale;  // newest token of positions whose lease has expired and that are pending or owed
  Time without_agent_since = kNever;
  bool attempts_changed = false;
  Time attempts_due;  // not stored again before

  static constexpr size_t kMaxListedGaps = 1000;

 private:
  IntervalSet done_;
  IntervalSet pending_;
  OwedSet owed_;
  uint64_t start_;
};

}  // namespace portolan
