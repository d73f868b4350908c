#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/interval_set.h"
#include "common/base/time.h"
#include "coordinator/scheduler/history.h"

namespace portolan {

// The positions of a lane that must be probed again: those that were granted before and came back
// without a verdict. Grouped by history, so that thousands of scattered positions with one history
// cost one interval each and are leased together. A position waits until it is due, then it is
// ready. Not thread-safe.
class OwedSet {
 public:
  struct Batch {
    History history;
    IntervalSet positions;
  };

  // The positions must not be in the set.
  void Add(const IntervalSet& positions, const History& history, Time due, Time now);
  // Makes ready what is due. False: nothing was.
  bool Release(Time now);
  Time NextDue() const { return waiting_.empty() ? kNever : waiting_.begin()->first.first; }

  bool HasReadyFor(const std::string& agent) const;
  // Up to `count` positions of one history, in at most `max_ranges` intervals, that `agent` has not
  // refused. Most attempts first: those are the oldest.
  std::optional<Batch> TakeReady(const std::string& agent, uint64_t count, size_t max_ranges);
  // Removes positions that may be in the set and, if they are, are ready. Returns those that were.
  IntervalSet RemoveReady(const IntervalSet& positions);
  // Removes and returns all positions whose refused-set satisfies `settled(history)`.
  template <typename F>
  std::vector<Batch> RemoveRefused(F&& settled);

  uint64_t size() const { return size_; }
  uint64_t ready_size() const { return ready_size_; }
  // Since when something has been ready; kNever: nothing is.
  Time ready_since() const { return ready_.empty() ? kNever : ready_since_; }
  bool has_refused() const { return refused_ > 0; }
  size_t range_count() const;
  // Positions with an attempt behind them, ascending.
  std::vector<std::pair<IndexRange, uint32_t>> Attempts() const;
  IntervalSet All() const;
  // f(history, positions) for each group.
  template <typename F>
  void ForEach(F&& f) const {
    for (const auto& [history, set] : ready_) f(history, set);
    for (const auto& [key, set] : waiting_) f(key.second, set);
  }
  void Clear();

 private:
  void AddReady(const IntervalSet& positions, const History& history, Time now);
  void Recount();

  std::map<History, IntervalSet> ready_;
  std::map<std::pair<Time, History>, IntervalSet> waiting_;
  uint64_t size_ = 0;
  uint64_t ready_size_ = 0;
  uint64_t refused_ = 0;  // positions that somebody refused
  Time ready_since_;
};

template <typename F>
std::vector<OwedSet::Batch> OwedSet::RemoveRefused(F&& settled) {
  std::vector<Batch> out;
  if (refused_ == 0) return out;
  for (auto it = ready_.begin(); it != ready_.end();) {
    if (it->first.refused.empty() || !settled(it->first)) {
      ++it;
      continue;
    }
    out.push_back({it->first, std::move(it->second)});
    it = ready_.erase(it);
  }
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->first.second.refused.empty() || !settled(it->first.second)) {
      ++it;
      continue;
    }
    out.push_back({it->first.second, std::move(it->second)});
    it = waiting_.erase(it);
  }
  Recount();
  return out;
}

}  // namespace portolan
