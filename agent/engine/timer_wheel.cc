#include "agent/engine/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "common/base/check.h"

namespace portolan {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(1);

}  // namespace

TimerWheel::TimerWheel(uint32_t slots, Time start)
    : start_(start), timers_(slots), heads_(kBuckets, kNone) {}

void TimerWheel::Add(uint32_t slot, Time due) {
  Timer& timer = timers_[slot];
  PORTOLAN_CHECK(!timer.armed);
  const Duration after = due - start_;
  uint64_t tick =
      after <= Duration::zero() ? 0 : static_cast<uint64_t>((after + kTick - Duration(1)) / kTick);
  timer.tick = std::max(tick, current_ + 1);
  timer.armed = true;
  const uint32_t bucket = timer.tick % kBuckets;
  timer.prev = kNone;
  timer.next = heads_[bucket];
  if (timer.next != kNone) timers_[timer.next].prev = slot;
  heads_[bucket] = slot;
  occupied_[bucket / 64] |= uint64_t{1} << (bucket % 64);
  ++armed_;
}

void TimerWheel::Remove(uint32_t slot) {
  Timer& timer = timers_[slot];
  if (!timer.armed) return;
  const uint32_t bucket = timer.tick % kBuckets;
  if (timer.prev != kNone) {
    timers_[timer.prev].next = timer.next;
  } else {
    heads_[bucket] = timer.next;
    if (timer.next == kNone) occupied_[bucket / 64] &= ~(uint64_t{1} << (bucket % 64));
  }
  if (timer.next != kNone) timers_[timer.next].prev = timer.prev;
  timer.armed = false;
  --armed_;
}

void TimerWheel::Expire(Time now, std::vector<uint32_t>& due) {
  if (now < start_) return;
  const uint64_t last = static_cast<uint64_t>((now - start_) / kTick);
  if (last <= current_) return;
  if (armed_ == 0) {
    current_ = last;
    return;
  }
  // After a long pause one walk over all buckets is enough.
  const uint64_t first = last - current_ > kBuckets ? last - kBuckets + 1 : current_ + 1;
  for (uint64_t tick = first; tick <= last && armed_ > 0; ++tick) {
    const uint32_t bucket = tick % kBuckets;
    if ((occupied_[bucket / 64] >> (bucket % 64) & 1) == 0) continue;
    for (uint32_t slot = heads_[bucket]; slot != kNone;) {
      const uint32_t next = timers_[slot].next;
      if (timers_[slot].tick <= last) {
        Remove(slot);
        due.push_back(slot);
      }
      slot = next;
    }
  }
  current_ = last;
}

Time TimerWheel::Next() const {
  if (armed_ == 0) return kNever;
  const uint32_t from = (current_ + 1) % kBuckets;
  // The word of `from` is looked at twice: its high part first, its low part last.
  for (uint32_t i = 0; i <= kBuckets / 64; ++i) {
    const uint32_t word = (from / 64 + i) % (kBuckets / 64);
    uint64_t bits = occupied_[word];
    if (i == 0) bits &= ~uint64_t{0} << (from % 64);
    if (i == kBuckets / 64) bits &= ~(~uint64_t{0} << (from % 64));
    if (bits == 0) continue;
    const uint32_t bucket = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
    const uint64_t distance = (bucket + kBuckets - from) % kBuckets;
    return start_ + kTick * static_cast<int64_t>(current_ + 1 + distance);
  }
  return kNever;
}

}  // namespace portolan
