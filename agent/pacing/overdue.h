#pragma once

#include <cstdint>
#include <queue>
#include <vector>

#include "common/base/time.h"

namespace portolan {

// When attempts stop counting as in flight though they still wait (TargetPacer::Wait). In steps of
// kStep, rounded up, so that a thread wakes for many at a time. Holds one entry for each attempt
// until its time, also when the attempt is over before. Pure; not thread-safe.
class Overdue {
 public:
  static constexpr Duration kStep = std::chrono::milliseconds(10);

  void Add(uint64_t name, Time due) {
    const Duration since = due.time_since_epoch();
    waiting_.push({Time((since + kStep - Duration(1)) / kStep * kStep), name});
  }
  // Calls `f(name)` for each that is due.
  template <typename F>
  void RunDue(Time now, F f) {
    while (!waiting_.empty() && waiting_.top().due <= now) {
      const uint64_t name = waiting_.top().name;
      waiting_.pop();
      f(name);
    }
  }
  Time Next() const { return waiting_.empty() ? kNever : waiting_.top().due; }
  size_t size() const { return waiting_.size(); }

 private:
  struct Entry {
    Time due;
    uint64_t name;
    bool operator>(const Entry& o) const { return due > o.due; }
  };
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> waiting_;
};

}  // namespace portolan
