#pragma once

#include "common/base/time.h"

namespace portolan {

// A limit on how often something is done. In any window of length w at most 1 + rate x (w + 10 ms)
// are let through, and in one of 10 ms at most twice the rate's share of it (or one): the 10 ms
// make up for a thread that woke late, so that the rate is kept and not undercut. Pure; not
// thread-safe.
class TokenBucket {
 public:
  static constexpr Duration kCatchUp = std::chrono::milliseconds(10);

  // Per second. Negative: no limit. 0: nothing is let through.
  explicit TokenBucket(double rate = -1) { SetRate(rate); }
  void SetRate(double rate);
  double rate() const { return rate_; }
  bool unlimited() const { return rate_ < 0; }

  // Whether one may be done now. Time that goes backwards counts as standing still.
  bool Has(Time now);
  // One is done; call after Has.
  void Take() { Charge(1); }
  // This many have been done without asking (the kernel sends some SYNs by itself): later ones wait
  // for it.
  void Charge(double count);
  // When Has will be true; `now` when it is, kNever when it will not be.
  Time Next(Time now);

 private:
  void Fill(Time now);
  double rate_ = -1;
  double capacity_ = 1;
  double tokens_ = 1;
  Time filled_ = Time::min();
};

}  // namespace portolan
