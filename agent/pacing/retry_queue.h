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
};

// A position that waits for its next attempt.
struct Retry : Tried {
  Time due;
};

// Retries by the time they are due, those of the same time in the order they came. Holds no more
// than the open chunks have positions. Pure; not thread-safe.
class RetryQueue {
 public:
  void Push(const Retry& retry) {
    heap_.push_back({retry, next_order_++});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  Time NextDue() const { return heap_.empty() ? kNever : heap_.front().retry.due; }
  // Not empty.
  Retry Pop() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Retry retry = heap_.back().retry;
    heap_.pop_back();
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
  std::vector<Entry> heap_;
  uint64_t next_order_ = 0;
};

}  // namespace portolan
