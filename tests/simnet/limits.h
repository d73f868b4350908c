#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "common/base/time.h"
#include "tests/simnet/hash.h"

namespace portolan::simnet {

// A token bucket that starts full. 16 bytes: there is one for every host.
class Bucket {
 public:
  // Whether one passes at `now`, at `rate` per second with a burst of `burst` (at least 1). A rate
  // of 0 is no limit. Rate and burst are the same in every call.
  bool Take(Time now, double rate, double burst) {
    if (rate <= 0) return true;
    burst = std::max(burst, 1.0);
    if (used_ > 0) used_ = std::max(0.0, used_ - ToSeconds(now - last_) * rate);
    last_ = now;
    if (used_ + 1 > burst + 1e-9) return false;
    used_ += 1;
    return true;
  }

 private:
  double used_ = 0;
  Time last_{};
};

// Gilbert-Elliott in continuous time: good and bad states take turns, each exponentially long; the
// packets of a bad one are lost with a probability. A function of seed and time alone: it does not
// matter how often it is asked.
class BurstLoss {
 public:
  BurstLoss(uint64_t seed, double share, double bad_ms, Time start)
      : seed_(seed),
        bad_ms_(bad_ms),
        good_ms_(share > 0 ? bad_ms * (1 - share) / share : 0),
        until_(start) {}
  // `now` does not go backwards.
  bool Bad(Time now) {
    if (good_ms_ <= 0) return false;
    while (until_ <= now) {
      bad_ = turn_ % 2 == 1;  // the first turn is good
      const double u = Unit(Mix(seed_, turn_++));
      until_ +=
          Duration(static_cast<int64_t>(-std::log1p(-u) * (bad_ ? bad_ms_ : good_ms_) * 1e6) + 1);
    }
    return bad_;
  }

 private:
  const uint64_t seed_;
  const double bad_ms_, good_ms_;
  uint64_t turn_ = 0;
  Time until_;
  bool bad_ = false;
};

}  // namespace portolan::simnet
