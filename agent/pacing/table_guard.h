#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "common/base/time.h"

namespace portolan {

// How full this machine's table of tracked connections is (netfilter's conntrack). An unanswered
// SYN stays in it for 2 minutes; when it is full, the kernel drops new SYNs without telling
// anybody.
struct TableUse {
  uint64_t entries = 0;
  uint64_t max = 0;
  uint64_t dropped = 0;  // packets that found no place, ever
};

// Keeps a full table from passing for silent targets: tells the attempts whose SYN may have been
// dropped, and once that has happened lets no more start than the table has room for, less a tenth
// for everybody else. Where the table is full but its oldest entries give way, nothing is dropped
// and nothing is held back. Pure; not thread-safe.
class TableGuard {
 public:
  // how often to look at the table
  static constexpr Duration kLook = std::chrono::milliseconds(50);

  // `fraction`: the part of the table's room that is the caller's.
  explicit TableGuard(double fraction = 1) : fraction_(fraction) {}

  // In the order of time, every kLook while there are attempts.
  void Observe(const TableUse& use, Time now) {
    if (looked_ != Time::min() && use.dropped > dropped_) {
      guarded_until_ = now + kGuarded;
      // What was started since the look before; and the SYNs that the kernel then sent again.
      if (!losses_.empty() && losses_.back().until >= looked_) {
        losses_.back().until = now;
      } else {
        losses_.push_back({looked_, now});
      }
    }
    while (!losses_.empty() &&
           (losses_.front().until < now - kRemembered || losses_.size() > kMostLosses))
      losses_.pop_front();
    dropped_ = use.dropped;
    looked_ = now;
    const uint64_t most = use.max - use.max / 10;
    const double room = use.entries < most ? static_cast<double>(most - use.entries) : 0;
    // At least one now and then: entries of others may fill it for good.
    credit_ = std::min(credit_ + kLeast, 1.0);
    allowed_ = std::max(room * fraction_, credit_ >= 1 ? 1.0 : 0.0);
  }
  // Whether an attempt may start; then OnStart. `reserved`: so many others must still find room.
  bool MayStart(Time now, uint64_t reserved = 0) const {
    return now >= guarded_until_ || allowed_ >= 1 + static_cast<double>(reserved);
  }
  void OnStart() {
    if (allowed_ < 1) return;
    allowed_ -= 1;
    credit_ = 0;
  }
  // Whether the table was dropping when this attempt was started, so that its silence says nothing.
  bool MayHaveDropped(Time started) const {
    return std::any_of(losses_.begin(), losses_.end(), [started](const Losses& l) {
      return started >= l.from && started < l.until;
    });
  }

 private:
  struct Losses {
    Time from, until;
  };
  // Longer than an entry of an unanswered SYN stays; and than an attempt lasts.
  static constexpr Duration kGuarded = std::chrono::minutes(3);
  static constexpr Duration kRemembered = std::chrono::seconds(70);
  static constexpr size_t kMostLosses = 256;
  static constexpr double kLeast = 0.05;  // attempts a look

  const double fraction_;
  Time looked_ = Time::min();
  uint64_t dropped_ = 0;
  Time guarded_until_ = Time::min();
  double allowed_ = 0, credit_ = 0;
  std::deque<Losses> losses_;  // by time
};

}  // namespace portolan
