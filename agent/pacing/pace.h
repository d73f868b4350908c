#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "agent/pacing/loss_meter.h"
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
// does; where answers prove that more than kLossy is lost, it goes down by what is lost, and slowly
// up again when less is (AIMD of a rate, not of a window: what is lost shows only seconds later, at
// a retry). In any window of length w at most 1 + rate x (w + 10 ms) attempts (GCRA, ITU-T I.371).
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
    if (limit.in_flight > 0 && in_flight_ >= std::max(1.0, limit.in_flight * Factor(limit)))
      return kNever;
    if (limit.rate <= 0 && !slowed_) return now;
    return std::max(now, next_ - kCatchUp);
  }
  void OnStart(const PaceLimit& limit, Time now) {
    ++in_flight_;
    factor_ = Factor(limit);
    if (limit.rate <= 0 && !slowed_) return;
    const double rate = limit.rate > 0 ? limit.rate : kUnlimited;
    next_ = std::max(next_, now) + FromSeconds(1 / (rate * factor_));
  }
  // `about`: when the attempt was started that was answered at the first try, or the one before
  // that was lost. What was started before the last change of the rate says nothing about this one.
  void OnAnswer(bool first_try, Time about, Time now) {
    if (about < changed_) return;
    meter_.OnAnswer(first_try, now);
    const double loss = meter_.Loss(now);
    if (loss <= kCalm && answers_ < UINT32_MAX) ++answers_;
    if (loss > kCalm && proven_ == kNever) proven_ = now;
    if (slowed_ && now - changed_ < kSettle) return;
    if (loss > kLossy && now - proven_ >= kRipe) {
      slowed_ = true;
      Change(std::max(kLeast, factor_ * std::max(0.25, 1 - loss)), loss, now);
    } else if (slowed_ && loss < kCalm) {
      Change(scale_ * kGrow, loss, now);
    }
  }
  void OnEnd() { in_flight_ -= in_flight_ > 0; }

  // What share of the attempts started then was lost, as far as answers have proven; 0 to 1.
  double Loss(Time started, Time now) {
    const double loss = meter_.Loss(now);
    if (slowed_ && started < changed_ + kSettle) return std::max(loss, loss_then_);
    // The first proofs are of the first retries; how many more there will be is not known yet.
    return loss > kCalm && now - proven_ < kRipe ? std::max(loss, kUnripe) : loss;
  }
  uint32_t in_flight() const { return in_flight_; }

  static constexpr double kLossy = 0.15;

 private:
  static constexpr double kCalm = 0.05;
  static constexpr double kGrow = 1.25;
  // How long a change is given to show: a try, its retry and their answers.
  static constexpr Duration kSettle = std::chrono::seconds(3);
  // How long retries are answered before their number says how much was lost; and what is taken for
  // lost until then.
  static constexpr Duration kRipe = std::chrono::seconds(2);
  static constexpr double kUnripe = 0.8;
  static constexpr double kUnlimited = 10'000;  // attempts/s that is slowed where there is no limit
  static constexpr double kLeast = 1e-3;

  // Of the limit. Grows with the answers until something was lost.
  double Factor(const PaceLimit& limit) const {
    if (slowed_) return std::min(std::max(1.0, limit.growth), scale_);
    if (limit.growth <= 1) return 1;
    const double once = limit.rate > 0 ? limit.rate * kDouble : limit.in_flight;
    return std::min(limit.growth, 1 + answers_ / std::max(once, 1.0));
  }
  void Change(double scale, double loss, Time now) {
    scale_ = scale;
    loss_then_ = loss;
    changed_ = now;
    meter_ = LossMeter();
    proven_ = kNever;
  }

  Time next_ = Time::min() + std::chrono::hours(1);  // when the next one would be due by the rate
  uint32_t in_flight_ = 0;
  uint32_t answers_ = 0;
  double factor_ = 1;    // of the attempt started last
  bool slowed_ = false;  // by losses; then `scale_` is the factor
  double scale_ = 1;
  Time changed_ = Time::min();
  Time proven_ = kNever;  // since when losses are proven
  double loss_then_ = 0;  // when that changed: until the change has shown, it may still be so
  LossMeter meter_;
};

}  // namespace portolan
