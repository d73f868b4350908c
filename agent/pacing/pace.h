#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "common/base/time.h"

namespace portolan {

// How fast one address, or one prefix, may be probed at first; and by how much its answers may
// raise that.
struct PaceLimit {
  double rate = 0;         // attempts a second; 0: no limit
  uint32_t in_flight = 0;  // 0: no limit
  double growth = 1;       // at most so many times both, however much is answered

  // The part of somebody who may use only this fraction of it.
  PaceLimit Times(double fraction) const {
    PaceLimit part = *this;
    if (rate > 0) part.rate = rate * fraction;
    if (in_flight > 0) {
      part.in_flight = std::max<uint32_t>(1, static_cast<uint32_t>(in_flight * fraction));
    }
    return part;
  }
};

// What was sent to one target, held against a limit. Answers raise the limit at once, silence never
// does. In any window of length w at most 1 + rate x (w + 10 ms) attempts (GCRA, ITU-T I.371).
// Callers with different limits may share one Pace: each is held to its own. Pure; not
// thread-safe.
class Pace {
 public:
  static constexpr Duration kCatchUp = std::chrono::milliseconds(10);
  // This many seconds' worth of answers raise the limit by as much again: the rate at a target that
  // answers everything grows e-fold each 0.3 s.
  static constexpr double kDouble = 0.3;

  // When the next attempt may start: `now` or before: at once; kNever: only when one has ended.
  Time MayStart(const PaceLimit& limit, Time now) const {
    if (limit.in_flight > 0 && in_flight_ >= limit.in_flight * Gain(limit)) return kNever;
    if (limit.rate <= 0) return now;
    return std::max(now, next_ - kCatchUp);
  }
  void OnStart(const PaceLimit& limit, Time now) {
    ++in_flight_;
    if (limit.rate > 0) next_ = std::max(next_, now) + FromSeconds(1 / (limit.rate * Gain(limit)));
  }
  void OnAnswer() {
    if (answers_ < UINT32_MAX) ++answers_;
  }
  void OnEnd() { in_flight_ -= in_flight_ > 0; }

  uint32_t in_flight() const { return in_flight_; }
  uint32_t answers() const { return answers_; }
  double Gain(const PaceLimit& limit) const {
    if (limit.growth <= 1) return 1;
    const double once = limit.rate > 0 ? limit.rate * kDouble : limit.in_flight;
    return std::min(limit.growth, 1 + answers_ / std::max(once, 1.0));
  }

 private:
  Time next_ = Time::min() + std::chrono::hours(1);  // when the next one would be due by the rate
  uint32_t in_flight_ = 0;
  uint32_t answers_ = 0;
};

}  // namespace portolan
