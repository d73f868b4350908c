#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace portolan {

// How much is done a second while there is something to do: a mean that forgets, over about the
// last 2 s of busy time. Idle time does not count, so the pauses between leases do not make an
// agent look slow. Known after 1 s of work, or after kFirst of it in at least kFirstBusy. Pure; not
// thread-safe.
class ProbeRateMeter {
 public:
  static constexpr uint64_t kFirst = 1024;
  static constexpr Duration kFirstBusy = std::chrono::milliseconds(10);

  // Says how much has been done in all so far, and whether there was something to do since the last
  // call.
  void Observe(Time now, uint64_t total, bool busy);
  double rate() const { return rate_; }  // 0: not known yet

 private:
  Time last_ = Time::min();
  Duration busy_{};       // since the last sample
  uint64_t sampled_ = 0;  // total at the last sample
  double rate_ = 0;
};

}  // namespace portolan
