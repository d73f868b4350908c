#include "coordinator/scheduler/owed_set.h"

#include <algorithm>

namespace portolan {
namespace {

// Due times are rounded up to this, so that positions owed about the same time share one entry.
constexpr Duration kDueStep = std::chrono::milliseconds(250);

Time RoundUp(Time t) {
  const auto ns = t.time_since_epoch().count();
  const auto step = kDueStep.count();
  return Time(Duration((ns + step - 1) / step * step));
}

}  // namespace

void OwedSet::AddReady(const IntervalSet& positions, const History& history, Time now) {
  if (ready_.empty()) ready_since_ = now;
  ready_[history].Add(positions);
  ready_size_ += positions.size();
}

void OwedSet::Add(const IntervalSet& positions, const History& history, Time due, Time now) {
  if (positions.empty()) return;
  size_ += positions.size();
  if (!history.refused.empty()) refused_ += positions.size();
  if (due <= now) {
    AddReady(positions, history, now);
  } else {
    waiting_[{RoundUp(due), history}].Add(positions);
  }
}

bool OwedSet::Release(Time now) {
  bool any = false;
  while (!waiting_.empty() && waiting_.begin()->first.first <= now) {
    AddReady(waiting_.begin()->second, waiting_.begin()->first.second, now);
    waiting_.erase(waiting_.begin());
    any = true;
  }
  return any;
}

bool OwedSet::HasReadyFor(const std::string& agent) const {
  return std::any_of(ready_.begin(), ready_.end(),
                     [&](const auto& entry) { return !entry.first.RefusedBy(agent); });
}

std::optional<OwedSet::Batch> OwedSet::TakeReady(const std::string& agent, uint64_t count,
                                                 size_t max_ranges) {
  for (auto it = ready_.rbegin(); it != ready_.rend(); ++it) {
    if (it->first.RefusedBy(agent)) continue;
    Batch batch{it->first, it->second.TakeFront(count, max_ranges)};
    if (batch.positions.empty()) return std::nullopt;
    size_ -= batch.positions.size();
    ready_size_ -= batch.positions.size();
    if (!batch.history.refused.empty()) refused_ -= batch.positions.size();
    if (it->second.empty()) ready_.erase(std::next(it).base());
    return batch;
  }
  return std::nullopt;
}

IntervalSet OwedSet::RemoveReady(const IntervalSet& positions) {
  IntervalSet removed;
  for (auto it = ready_.begin(); it != ready_.end() && removed.size() < positions.size();) {
    const IntervalSet part = it->second.Intersection(positions);
    it->second.Remove(part);
    removed.Add(part);
    size_ -= part.size();
    ready_size_ -= part.size();
    if (!it->first.refused.empty()) refused_ -= part.size();
    it = it->second.empty() ? ready_.erase(it) : std::next(it);
  }
  return removed;
}

size_t OwedSet::range_count() const {
  size_t n = 0;
  for (const auto& entry : ready_) n += entry.second.range_count();
  for (const auto& entry : waiting_) n += entry.second.range_count();
  return n;
}

std::vector<std::pair<IndexRange, uint32_t>> OwedSet::Attempts() const {
  std::map<uint32_t, IntervalSet> by_attempts;
  for (const auto& [history, set] : ready_) by_attempts[history.attempts].Add(set);
  for (const auto& [key, set] : waiting_) by_attempts[key.second.attempts].Add(set);
  std::vector<std::pair<IndexRange, uint32_t>> out;
  for (const auto& [attempts, set] : by_attempts) {
    if (attempts == 0) continue;
    for (const IndexRange& r : set.ToVector()) out.emplace_back(r, attempts);
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
  return out;
}

IntervalSet OwedSet::All() const {
  IntervalSet all;
  for (const auto& entry : ready_) all.Add(entry.second);
  for (const auto& entry : waiting_) all.Add(entry.second);
  return all;
}

void OwedSet::Recount() {
  size_ = ready_size_ = refused_ = 0;
  for (const auto& [history, set] : ready_) {
    size_ += set.size();
    ready_size_ += set.size();
    if (!history.refused.empty()) refused_ += set.size();
  }
  for (const auto& [key, set] : waiting_) {
    size_ += set.size();
    if (!key.second.refused.empty()) refused_ += set.size();
  }
}

void OwedSet::Clear() {
  ready_.clear();
  waiting_.clear();
  Recount();
}

}  // namespace portolan
