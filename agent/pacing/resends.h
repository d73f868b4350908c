#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "agent/pacing/syn_schedule.h"
#include "common/base/time.h"

namespace portolan {

// Foresees the SYNs that the kernel sends again by itself, so that they are paid for when they
// leave and not when their attempt ends: otherwise a scan of a silent network would start at twice
// its rate. O(1) an attempt; remembers the attempts of the last second (which may be over by then)
// and those that are silent for longer. Pure; not thread-safe.
class Resends {
 public:
  // They are told so much earlier, so that others make room for them before they leave.
  static constexpr Duration kAhead = std::chrono::milliseconds(10);

  // Of an attempt that waits for an answer up to `timeout`. Starts come in the order of time.
  void OnStart(uint64_t name, Time started, Duration timeout) {
    if (timeout > KernelResendsAfter(0)) waiting_[0].push_back({name, started, started + timeout});
  }
  // Calls `f(name)` for each SYN that is sent again until `now` + kAhead; it returns false when the
  // attempt is over.
  template <typename F>
  void RunDue(Time now, F f) {
    for (uint32_t n = 0; n < kKernelResends; ++n) {
      std::deque<Entry>& queue = waiting_[n];
      while (!queue.empty() && queue.front().started + KernelResendsAfter(n) <= now + kAhead) {
        const Entry entry = queue.front();
        queue.pop_front();
        if (!f(entry.name) || n + 1 == kKernelResends) continue;
        if (entry.started + KernelResendsAfter(n + 1) < entry.ends)
          waiting_[n + 1].push_back(entry);
      }
    }
  }

 private:
  struct Entry {
    uint64_t name;
    Time started, ends;
  };
  // By how often they were sent again; each in the order of starts, and so of what is due.
  std::array<std::deque<Entry>, kKernelResends> waiting_;
};

}  // namespace portolan
