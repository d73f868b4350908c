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
// Then AIMD by the losses that no prefix can prove for itself, because too little answers in each:
// those that can are slowed for themselves (Pace). Callers with different firsts may share it.
// Pure; not thread-safe.
class Uplink {
 public:
  // `first`: attempts a second; 0: without a slow start.
  Time MayStart(double first, Time now) const {
    return std::isinf(Rate(first)) ? now : std::max(now, next_ - kCatchUp);
  }
  void OnStart(double first, Time now) {
    Count(now);
    const double rate = Rate(first);
    ramp_ = std::min(kFast, std::max(ramp_, first) + std::log(2));
    if (!std::isinf(rate)) next_ = std::max(next_, now) + FromSeconds(1 / rate);
  }
  // As of LossControl. `proves`: the prefix knows its losses itself.
  void OnAnswer(bool first_try, bool proves, Time about, Time now) {
    if (first_try) ramp_ = std::min(kFast, ramp_ + kPerAnswer);
    if (!first_try && proves) return;
    const bool before = control_.slowed();
    const double used = before ? std::min(control_.scale(), measured_ / base_) : 1;
    control_.OnAnswer(first_try, about, now, used);
    if (control_.slowed() && !before) base_ = std::max(kLeastBase, measured_);
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
  static constexpr Duration kWindow = std::chrono::seconds(1);

  double Rate(double first) const {
    const double ramp = first > 0 && std::max(ramp_, first) < kFast
                            ? std::max(ramp_, first)
                            : std::numeric_limits<double>::infinity();
    return std::min(ramp, slowed_to());
  }
  // The rate at which attempts are started, over the last second or two.
  void Count(Time now) {
    if (counted_since_ == kNever) counted_since_ = now;
    if (now - counted_since_ >= kWindow) {
      measured_ = counted_ / ToSeconds(now - counted_since_);
      counted_since_ = now;
      counted_ = 0;
    }
    ++counted_;
    measured_ = std::max(measured_, counted_ / ToSeconds(kWindow));
  }

  Time next_ = Time::min() + std::chrono::hours(1);  // when the next one would be due by the rate
  double ramp_ = 0;
  LossControl control_;
  double base_ = 0;  // attempts/s when losses were proven first
  Time counted_since_ = kNever;
  double counted_ = 0;
  double measured_ = 0;
};

}  // namespace portolan
