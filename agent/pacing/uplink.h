#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "agent/pacing/loss_control.h"
#include "common/base/time.h"

namespace portolan {

// The way that all targets share: the agent's own line and what it has before it. How fast it may
// be used is found like a TCP sender finds it. Slow start: from `first` attempts a second upwards,
// twice as many each second while nothing answers, and e-fold each 0.3 s where everything does.
// Then losses slow it (LossControl) that no prefix can prove for itself, because too little answers
// in each: those that can are slowed for themselves (Pace). Callers with different firsts may share
// it. Pure; not thread-safe.
class Uplink {
 public:
  // `first`: attempts a second; 0: without a slow start.
  Time MayStart(double first, Time now) const {
    return std::isinf(Rate(first)) ? now : std::max(now, next_ - kCatchUp);
  }
  void OnStart(double first, Time now) {
    control_.OnStart(now);
    const double rate = Rate(first);
    ramp_ = std::min(kFast, std::max(ramp_, first) + std::log(2));
    if (!std::isinf(rate)) next_ = std::max(next_, now) + FromSeconds(1 / rate);
  }
  // As of LossControl. `proves`: the prefix knows its losses itself.
  void OnAnswer(const TryTimes& t, bool proves, Time now) {
    if (t.tries == 0) ramp_ = std::min(kFast, ramp_ + kPerAnswer);
    if (t.tries > 0 && proves) return;
    const bool before = control_.slowed();
    const double rate = before ? base_ * control_.scale() : control_.Rate(now);
    control_.OnAnswer(t, now, before ? control_.scale() : 1, rate);
    if (control_.slowed() && !before) base_ = std::max(kLeastBase, rate);
  }
  void OnSilence(const TryTimes& t, bool proves) {
    if (!proves) control_.OnSilence(t);
  }
  void OnRetry(Time started, bool proves) {
    if (!proves) control_.OnRetry(started);
  }
  double Loss(Time started, Time now) { return control_.Loss(started, now); }
  // Whether losses have ever slowed it.
  bool slowed() const { return control_.slowed(); }
  // Attempts a second that losses have brought it down to; infinity: none have, or it has
  // recovered.
  double slowed_to() const {
    const double rate = control_.slowed() ? base_ * control_.scale() : kFast;
    return rate < kFast ? rate : std::numeric_limits<double>::infinity();
  }

 private:
  static constexpr Duration kCatchUp = std::chrono::milliseconds(10);
  static constexpr double kPerAnswer = 1 / 0.3;
  static constexpr double kFast = 1e6;       // attempts/s: no limit any more
  static constexpr double kLeastBase = 100;  // attempts/s

  double Rate(double first) const {
    const double ramp = first > 0 && std::max(ramp_, first) < kFast
                            ? std::max(ramp_, first)
                            : std::numeric_limits<double>::infinity();
    return std::min(ramp, slowed_to());
  }

  Time next_ = Time::min() + std::chrono::hours(1);  // when the next one would be due by the rate
  double ramp_ = 0;
  LossControl control_;
  double base_ = 0;  // attempts/s when losses were proven first
};

}  // namespace portolan
