#include "coordinator/scheduler/lane.h"

#include <algorithm>
#include <utility>

namespace portolan {

Lane::Lane(Scan& the_scan, LaneId the_id, std::string the_vantage, uint64_t the_size,
           uint64_t start)
    : scan(the_scan), id(the_id), vantage(std::move(the_vantage)), size(the_size), start_(start) {
  pending_.Add({0, size});
}

IntervalSet Lane::TakePending(uint64_t count, size_t max_ranges) {
  IntervalSet taken;
  uint64_t from = start_;
  while (count > 0 && !pending_.empty() && taken.range_count() < max_ranges) {
    auto range = pending_.NextRange(from);
    if (!range) range = pending_.NextRange(0);
    range->end = std::min(range->end, range->begin + count);
    pending_.Remove(*range);
    taken.Add(*range);
    count -= range->size();
    from = range->end;
  }
  return taken;
}

std::optional<OwedSet::Batch> Lane::TakeOwed(const std::string& agent, uint64_t count,
                                             size_t max_ranges) {
  auto batch = owed_.TakeReady(agent, count, max_ranges);
  attempts_changed |= batch.has_value();
  return batch;
}

void Lane::Return(const IntervalSet& positions, const History& history, Time due, Time now) {
  if (history.fresh() && due <= now) {
    pending_.Add(positions);
  } else {
    owed_.Add(positions, history, due, now);
    attempts_changed = true;
  }
}

void Lane::Reclaim(const IntervalSet& positions) {
  const IntervalSet owed = owed_.RemoveReady(positions);
  attempts_changed |= !owed.empty();
  if (owed.size() < positions.size()) pending_.Remove(positions);
}

void Lane::Finish(IndexRange range) { done_.Add(range); }

void Lane::Finish(const IntervalSet& positions) { done_.Add(positions); }

IntervalSet Lane::FinishIdle() {
  IntervalSet rest = std::exchange(pending_, IntervalSet());
  rest.Add(owed_.All());
  owed_.Clear();
  stale.Clear();
  done_.Add(rest);
  return rest;
}

void Lane::RestoreDone(const IntervalSet& done) {
  done_.Add(done);
  pending_.Remove(done);
}

void Lane::RestoreLeased(const IntervalSet& positions) { pending_.Remove(positions); }

void Lane::RestoreAttempts(IndexRange range, uint32_t attempts, Time now) {
  if (attempts == 0) return;
  const IntervalSet part = pending_.Intersection(range);
  pending_.Remove(part);
  owed_.Add(part, History{attempts, {}}, now, now);
}

}  // namespace portolan
