#pragma once

#include <algorithm>
#include <cmath>

#include "common/base/time.h"

namespace portolan {

// How much is lost on the way to a target and back, by proof: somebody who stayed silent answered a
// later try. A firewall's silence proves nothing and does not count. Over about the last 3 s. Pure.
class LossMeter {
 public:
  static constexpr Duration kMemory = std::chrono::seconds(3);
  static constexpr double kEnough = 8;  // answers

  void OnAnswer(bool first_try, Time now) {
    Forget(now);
    (first_try ? first_ : later_) += 1;
  }
  // 0 to 1. Of n attempts of which a share p is lost, (1 - p) n are answered at the first try and p
  // (1 - p) n at the second, so p is their ratio. 0 without enough answers.
  double Loss(Time now) {
    Forget(now);
    if (first_ + later_ < kEnough || later_ < 3) return 0;
    return later_ < first_ ? later_ / first_ : 1;
  }

  bool Knows(Time now) {
    Forget(now);
    return first_ + later_ >= kEnough;
  }

 private:
  void Forget(Time now) {
    if (now > updated_) {
      const double keep =
          updated_ == Time::min() ? 0 : std::exp(-ToSeconds(now - updated_) / ToSeconds(kMemory));
      first_ *= keep;
      later_ *= keep;
      updated_ = now;
    }
  }
  Time updated_ = Time::min();
  double first_ = 0, later_ = 0;
};

}  // namespace portolan
