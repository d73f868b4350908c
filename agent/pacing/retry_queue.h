#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/base/time.h"

namespace portolan {

// A position that is being probed, and what has been tried so far.
struct Tried {
  uint64_t chunk = 0;     // the caller's name for the chunk; may be gone by then
  uint32_t offset = 0;    // in the chunk
  uint16_t tries = 0;     // attempts that met silence
  uint16_t failures = 0;  // attempts that failed on our side, in a row
  Time silent = kNever;   // when the last attempt was started that met silence
  float certainty = 0;    // that the silence is no loss (silence.h)
  // Its host answers most of what it is asked: another answer is likely, and tries may have to
  // follow one after the other.
  bool urgent = false;
};

// A position that waits for its next attempt.
struct Retry : Tried {
  Time due;
};

// Retries by the time they are due, those of the same time in the order they came. Holds no more
// than the open chunks have positions. Pure; not thread-safe.
class RetryQueue {
 public:
  enum class Which { kAll, kUrgent };

  void Push(const Retry& retry) {
    std::vector<Entry>& heap = retry.urgent ? urgent_ : others_;
    heap.push_back({retry, next_order_++});
    std::push_heap(heap.begin(), heap.end(), Later);
  }
  bool empty() const { return size() == 0; }
  size_t size() const { return urgent_.size() + others_.size(); }
  // kNever: there is none.
  Time NextDue(Which which = Which::kAll) const {
    const Time urgent = Front(urgent_);
    return which == Which::kUrgent ? urgent : std::min(urgent, Front(others_));
  }
  // The next one of these; there must be one.
  Retry Pop(Which which = Which::kAll) {
    std::vector<Entry>& heap = which == Which::kUrgent || others_.empty() ||
                                       (!urgent_.empty() && Later(others_.front(), urgent_.front()))
                                   ? urgent_
                                   : others_;
    std::pop_heap(heap.begin(), heap.end(), Later);
    const Retry retry = heap.back().retry;
    heap.pop_back();
    return retry;
  }

 private:
  struct Entry {
    Retry retry;
    uint64_t order;
  };
  static bool Later(const Entry& a, const Entry& b) {
    return a.retry.due != b.retry.due ? a.retry.due > b.retry.due : a.order > b.order;
  }
  static Time Front(const std::vector<Entry>& heap) {
    return heap.empty() ? kNever : heap.front().retry.due;
  }
  std::vector<Entry> urgent_, others_;  // heaps
  uint64_t next_order_ = 0;
};

}  // namespace portolan
