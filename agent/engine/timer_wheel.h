#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "common/base/time.h"

namespace portolan {

// When the attempts in slots [0, n) time out: one timer a slot, to the millisecond, never early.
// Adding and removing is O(1), which is why this is no heap: nearly every timer is removed before
// it is due. 4,096 buckets of 1 ms; a later round of the wheel shares the bucket and is looked at
// once a round. Not thread-safe.
class TimerWheel {
 public:
  TimerWheel(uint32_t slots, Time start);

  // The slot has no timer yet.
  void Add(uint32_t slot, Time due);
  // Nothing happens when the slot has no timer.
  void Remove(uint32_t slot);
  // Removes what is due and appends its slots, the earlier milliseconds first. `now` does not go
  // backwards.
  void Expire(Time now, std::vector<uint32_t>& due);
  // Not later than the earliest timer (earlier by whole rounds at most); kNever: there is none.
  Time Next() const;
  uint32_t armed() const { return armed_; }

 private:
  static constexpr uint32_t kBuckets = 4096;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Timer {
    uint64_t tick = 0;
    uint32_t next = kNone;
    uint32_t prev = kNone;
    bool armed = false;
  };

  const Time start_;
  uint64_t current_ = 0;  // every timer of this tick or before has been expired
  uint32_t armed_ = 0;
  std::vector<Timer> timers_;
  std::vector<uint32_t> heads_;
  std::array<uint64_t, kBuckets / 64> occupied_{};
};

}  // namespace portolan
