#include "common/base/interval_set.h"

#include <algorithm>
#include <iterator>

namespace portolan {

IntervalSet::IntervalSet(std::initializer_list<IndexRange> ranges) {
  for (const IndexRange& r : ranges) Add(r);
}

IntervalSet IntervalSet::Of(const std::vector<IndexRange>& ranges) {
  IntervalSet set;
  for (const IndexRange& r : ranges) set.Add(r);
  return set;
}

void IntervalSet::Add(IndexRange range) {
  if (range.empty()) return;
  auto it = ranges_.upper_bound(range.begin);
  if (it != ranges_.begin()) {
    auto before = std::prev(it);
    if (before->second >= range.begin) {
      if (before->second >= range.end) return;
      it = before;
    }
  }
  while (it != ranges_.end() && it->first <= range.end) {
    range.begin = std::min(range.begin, it->first);
    range.end = std::max(range.end, it->second);
    size_ -= it->second - it->first;
    it = ranges_.erase(it);
  }
  ranges_.emplace_hint(it, range.begin, range.end);
  size_ += range.size();
}

void IntervalSet::Add(const IntervalSet& other) {
  for (const auto& [begin, end] : other.ranges_) Add({begin, end});
}

void IntervalSet::Remove(IndexRange range) {
  if (range.empty()) return;
  auto it = ranges_.upper_bound(range.begin);
  if (it != ranges_.begin() && std::prev(it)->second > range.begin) --it;
  while (it != ranges_.end() && it->first < range.end) {
    const IndexRange old{it->first, it->second};
    size_ -= old.size();
    it = ranges_.erase(it);
    if (old.begin < range.begin) {
      ranges_.emplace_hint(it, old.begin, range.begin);
      size_ += range.begin - old.begin;
    }
    if (old.end > range.end) {
      it = ranges_.emplace_hint(it, range.end, old.end);
      size_ += old.end - range.end;
      break;
    }
  }
}

void IntervalSet::Remove(const IntervalSet& other) {
  for (const auto& [begin, end] : other.ranges_) Remove({begin, end});
}

void IntervalSet::Clear() {
  ranges_.clear();
  size_ = 0;
}

bool IntervalSet::Contains(uint64_t index) const {
  auto it = ranges_.upper_bound(index);
  return it != ranges_.begin() && std::prev(it)->second > index;
}

bool IntervalSet::Contains(IndexRange range) const {
  if (range.empty()) return true;
  auto it = ranges_.upper_bound(range.begin);
  return it != ranges_.begin() && std::prev(it)->second >= range.end;
}

bool IntervalSet::Contains(const IntervalSet& other) const {
  return std::all_of(other.ranges_.begin(), other.ranges_.end(), [this](const auto& r) {
    return Contains(IndexRange{r.first, r.second});
  });
}

bool IntervalSet::Intersects(IndexRange range) const {
  if (range.empty()) return false;
  auto it = ranges_.lower_bound(range.end);
  return it != ranges_.begin() && std::prev(it)->second > range.begin;
}

bool IntervalSet::Intersects(const IntervalSet& other) const {
  const IntervalSet& small = range_count() < other.range_count() ? *this : other;
  const IntervalSet& large = range_count() < other.range_count() ? other : *this;
  return std::any_of(small.ranges_.begin(), small.ranges_.end(), [&](const auto& r) {
    return large.Intersects(IndexRange{r.first, r.second});
  });
}

IntervalSet IntervalSet::Intersection(IndexRange range) const {
  IntervalSet out;
  if (range.empty()) return out;
  auto it = ranges_.upper_bound(range.begin);
  if (it != ranges_.begin() && std::prev(it)->second > range.begin) --it;
  for (; it != ranges_.end() && it->first < range.end; ++it) {
    const IndexRange r{std::max(it->first, range.begin), std::min(it->second, range.end)};
    out.ranges_.emplace_hint(out.ranges_.end(), r.begin, r.end);
    out.size_ += r.size();
  }
  return out;
}

IntervalSet IntervalSet::Intersection(const IntervalSet& other) const {
  IntervalSet out;
  for (const auto& [begin, end] : other.ranges_) out.Add(Intersection({begin, end}));
  return out;
}

IntervalSet IntervalSet::Complement(IndexRange range) const {
  IntervalSet out;
  uint64_t at = range.begin;
  for (const auto& [begin, end] : Intersection(range).ranges_) {
    out.Add({at, begin});
    at = end;
  }
  out.Add({at, range.end});
  return out;
}

IntervalSet IntervalSet::TakeFront(uint64_t count, size_t max_ranges) {
  IntervalSet out;
  while (count > 0 && !ranges_.empty() && out.range_count() < max_ranges) {
    const auto first = ranges_.begin();
    const IndexRange r{first->first, first->first + std::min(count, first->second - first->first)};
    count -= r.size();
    Remove(r);
    out.Add(r);
  }
  return out;
}

IntervalSet IntervalSet::TakeBack(uint64_t count) {
  IntervalSet out;
  while (count > 0 && !ranges_.empty()) {
    const auto last = std::prev(ranges_.end());
    const IndexRange r{last->second - std::min(count, last->second - last->first), last->second};
    count -= r.size();
    Remove(r);
    out.Add(r);
  }
  return out;
}

std::optional<uint64_t> IntervalSet::First() const {
  if (ranges_.empty()) return std::nullopt;
  return ranges_.begin()->first;
}

std::optional<uint64_t> IntervalSet::FirstFrom(uint64_t from) const {
  if (Contains(from)) return from;
  auto it = ranges_.lower_bound(from);
  if (it == ranges_.end()) return std::nullopt;
  return it->first;
}

std::optional<IndexRange> IntervalSet::NextRange(uint64_t from) const {
  auto it = ranges_.upper_bound(from);
  if (it != ranges_.begin() && std::prev(it)->second > from) --it;
  if (it == ranges_.end()) return std::nullopt;
  return IndexRange{std::max(it->first, from), it->second};
}

std::vector<IndexRange> IntervalSet::ToVector() const {
  std::vector<IndexRange> out;
  out.reserve(ranges_.size());
  for (const auto& [begin, end] : ranges_) out.push_back({begin, end});
  return out;
}

}  // namespace portolan
