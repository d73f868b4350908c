#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "common/base/time.h"
#include "tests/simnet/hash.h"

namespace portolan::simnet {

// A packet to send later, as little of it as its building needs: 64 bytes.
struct Reply {
  enum class Kind : uint8_t {
    kTcp,
    kBanner,           // kTcp with text
    kIcmp,             // `seq` is type << 8 | code
    kForgetSyn,        // no packet: nobody answers this SYN any more
    kForgetConnection  // no packet: a connection whose end was not seen
  };
  // Without initial values, so that a large queue costs no memory before it is used: begin with
  // `Reply r{}`.
  Address from, to;  // of the world's host; of the scanner
  uint32_t seq, ack;
  uint16_t from_port, to_port;
  uint32_t host;  // index of the host's entry in the counters
  Kind kind;
  uint8_t flags;
  bool answers_syn;      // one SYN less in flight once sent
  bool ends_connection;  // one connection less once sent
  uint32_t next;         // the queue's own
  Duration due;          // the queue's own
};
static_assert(sizeof(Reply) == 64);

// Replies in the order in which they are due, to 131 us, never early; first in, first out within
// that. A wheel of 8,192 buckets (1.07 s), where later rounds share the buckets and are looked at
// once a round. Bounded. Not thread-safe.
class ReplyQueue {
 public:
  ReplyQueue(uint32_t capacity, Time start);

  // False, and nothing is added: full.
  bool Add(Time due, const Reply& reply);
  // Takes out what is due and gives each to `send(const Reply&)`, which may add to the queue. `now`
  // does not go backwards.
  template <typename Send>
  void Run(Time now, Send send);
  // Not later than the first reply (earlier by whole rounds at most); kNever: empty.
  Time Next() const;
  uint32_t size() const { return size_; }

 private:
  static constexpr int kTickBits = 17;
  static constexpr uint64_t kBuckets = 8192;
  static constexpr uint32_t kNone = UINT32_MAX;
  // The first tick that does not begin before `time`.
  uint64_t TickOf(Duration since_start) const {
    return (static_cast<uint64_t>(since_start.count()) + (1u << kTickBits) - 1) >> kTickBits;
  }
  void Append(uint64_t bucket, uint32_t index);

  const uint32_t capacity_;
  const Time start_;
  uint64_t current_ = 0;  // everything of this tick and before has been taken out
  uint32_t size_ = 0;
  uint32_t used_ = 0;      // replies_[used_..] were never used
  uint32_t free_ = kNone;  // list of those that are free again
  std::unique_ptr<Reply[]> replies_;
  std::array<uint32_t, kBuckets> heads_, tails_;
  std::array<uint64_t, kBuckets / 64> occupied_{};
};

template <typename Send>
void ReplyQueue::Run(Time now, Send send) {
  if (now <= start_) return;
  const uint64_t until = static_cast<uint64_t>((now - start_).count()) >> kTickBits;
  if (size_ == 0) current_ = until;
  // After a pause longer than a round each bucket is visited once.
  uint64_t tick = until - current_ > kBuckets ? until - kBuckets : current_;
  for (; tick < until; ++tick) {
    const uint64_t bucket = (tick + 1) % kBuckets;
    if ((occupied_[bucket / 64] >> (bucket % 64) & 1) == 0) continue;
    uint32_t index = heads_[bucket];
    heads_[bucket] = tails_[bucket] = kNone;
    occupied_[bucket / 64] &= ~(uint64_t{1} << (bucket % 64));
    while (index != kNone) {
      const uint32_t next = replies_[index].next;
      if (TickOf(replies_[index].due) > until) {
        Append(bucket, index);
      } else {
        const Reply reply = replies_[index];  // `send` may add, into this place
        replies_[index].next = free_;
        free_ = index;
        --size_;
        current_ = tick + 1;  // what `send` adds for now goes into a bucket still to come
        send(reply);
      }
      index = next;
    }
  }
  current_ = until;
}

}  // namespace portolan::simnet
