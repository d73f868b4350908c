#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <vector>

namespace portolan {

// Positions [begin, end) of a scan space.
struct IndexRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
  bool empty() const { return begin >= end; }
  friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

// A set of 64-bit positions as sorted, disjoint, non-adjacent half-open intervals. What is done,
// leased and pending of a lane is kept in these, so memory follows the number of holes, not of
// positions. All operations but the iteration are O(log n + intervals touched). Empty ranges are
// ignored. Not thread-safe.
class IntervalSet {
 public:
  IntervalSet() = default;
  IntervalSet(std::initializer_list<IndexRange> ranges);
  static IntervalSet Of(const std::vector<IndexRange>& ranges);

  void Add(IndexRange range);
  void Add(const IntervalSet& other);
  void Remove(IndexRange range);
  void Remove(const IntervalSet& other);
  void Clear();

  bool Contains(uint64_t index) const;
  bool Contains(IndexRange range) const;  // an empty range is contained
  bool Contains(const IntervalSet& other) const;
  bool Intersects(IndexRange range) const;
  bool Intersects(const IntervalSet& other) const;

  // The part of this set inside `range` / inside `other`.
  IntervalSet Intersection(IndexRange range) const;
  IntervalSet Intersection(const IntervalSet& other) const;
  // The part of `range` that is not in this set.
  IntervalSet Complement(IndexRange range) const;

  // Takes up to `count` positions from the front, in order, at most `max_ranges` intervals, out of
  // this set.
  IntervalSet TakeFront(uint64_t count, size_t max_ranges = SIZE_MAX);
  // Takes up to `count` positions from the back.
  IntervalSet TakeBack(uint64_t count);

  bool empty() const { return ranges_.empty(); }
  uint64_t size() const { return size_; }                // positions
  size_t range_count() const { return ranges_.size(); }  // intervals
  std::optional<uint64_t> First() const;
  // First position >= `from`.
  std::optional<uint64_t> FirstFrom(uint64_t from) const;
  // What is left from `from` on of the first interval that reaches beyond it.
  std::optional<IndexRange> NextRange(uint64_t from) const;
  std::vector<IndexRange> ToVector() const;
  // f(IndexRange), ascending. `f` must not change this set.
  template <typename F>
  void ForEach(F&& f) const {
    for (const auto& [begin, end] : ranges_) f(IndexRange{begin, end});
  }

  friend bool operator==(const IntervalSet& a, const IntervalSet& b) {
    return a.ranges_ == b.ranges_;
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;  // begin -> end
  uint64_t size_ = 0;
};

}  // namespace portolan
