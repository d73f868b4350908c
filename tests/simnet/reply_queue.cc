#include "tests/simnet/reply_queue.h"

#include <algorithm>
#include <bit>

namespace portolan::simnet {

ReplyQueue::ReplyQueue(uint32_t capacity, Time start)
    : capacity_(capacity), start_(start), replies_(new Reply[capacity]) {
  heads_.fill(kNone);
  tails_.fill(kNone);
}

void ReplyQueue::Append(uint64_t bucket, uint32_t index) {
  replies_[index].next = kNone;
  if (tails_[bucket] == kNone) {
    heads_[bucket] = index;
    occupied_[bucket / 64] |= uint64_t{1} << (bucket % 64);
  } else {
    replies_[tails_[bucket]].next = index;
  }
  tails_[bucket] = index;
}

bool ReplyQueue::Add(Time due, const Reply& reply) {
  uint32_t index = free_;
  if (index != kNone) {
    free_ = replies_[index].next;
  } else if (used_ < capacity_) {
    index = used_++;
  } else {
    return false;
  }
  replies_[index] = reply;
  replies_[index].due = std::max(due - start_, Duration::zero());
  // What is due already goes out with the next tick.
  const uint64_t tick = std::max(TickOf(replies_[index].due), current_ + 1);
  Append(tick % kBuckets, index);
  ++size_;
  return true;
}

Time ReplyQueue::Next() const {
  if (size_ == 0) return kNever;
  const uint64_t first = (current_ + 1) % kBuckets;
  // Word by word from the current bucket's, whose lower bits come last.
  for (uint64_t i = 0; i <= kBuckets / 64; ++i) {
    const uint64_t word = (first / 64 + i) % (kBuckets / 64);
    uint64_t bits = occupied_[word];
    if (i == 0) bits &= ~uint64_t{0} << (first % 64);
    if (bits == 0) continue;
    const uint64_t bucket = word * 64 + static_cast<uint64_t>(std::countr_zero(bits));
    const uint64_t ahead = (bucket + kBuckets - first) % kBuckets;
    return start_ + Duration(static_cast<int64_t>((current_ + 1 + ahead) << kTickBits));
  }
  return kNever;
}

}  // namespace portolan::simnet
