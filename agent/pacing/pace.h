#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>

#include "agent/pacing/loss_control.h"
#include "common/base/time.h"

namespace portolan {

// How fast one address, or one prefix, may be probed at first; and by how much its answers may
// raise that.
struct PaceLimit {
  double rate = 0;  // attempts a second; 0: no limit
  // 0: no limit. Rounded down; but below 1 it is one attempt at a time, and after it so long a rest
  // that on average this many are in flight.
  double in_flight = 0;
  double growth = 1;  // at most so many times both, however much is answered
  // Attempts a second that each of the first kFirstAnswers answers adds on top: a host behind a
  // firewall gives few, and shows with them that it can take more than one of which nothing is
  // known. Only where there is a rate.
  double first = 0;

  // The part of somebody who may use only this fraction of it, above 0.
  PaceLimit Times(double fraction) const {
    return {rate * fraction, in_flight * fraction, growth, first * fraction};
  }
};

// What was sent to one target, held against a limit. Answers raise the limit at once, silence never
// does; where answers prove losses it goes down (LossControl). In any window of length w at most
// 1 + rate x (w + 10 ms) attempts (GCRA, ITU-T I.371). Callers with different limits may share one
// Pace: each is held to its own. Pure; not thread-safe.
class Pace {
 public:
  // From when on it looks at losses, which takes some memory.
  enum class Losses { kAlways, kOnceProven };
  explicit Pace(Losses losses = Losses::kAlways) : losses_(losses) {}

  static constexpr Duration kCatchUp = std::chrono::milliseconds(10);
  // This many seconds' worth of answers raise the limit by as much again: the rate at a target that
  // answers everything grows e-fold each 0.3 s.
  static constexpr double kDouble = 0.3;
  // See PaceLimit::first.
  static constexpr uint32_t kFirstAnswers = 10;

  // When the next attempt may start: `now` or before: at once; kNever: only when one has ended.
  Time MayStart(const PaceLimit& limit, Time now) const {
    Time rested = now;
    if (limit.in_flight > 0) {
      const double most = limit.in_flight * Factor(limit);
      if (in_flight_ > 0 && in_flight_ + 1 > most * (1 + 1e-9)) return kNever;
      if (most < 1) rested = std::max(now, ended_ + FromSeconds(busy_ * (1 / most - 1)));
    }
    if (limit.rate <= 0 && !slowed()) return rested;
    return std::max(rested, next_ - kCatchUp);
  }
  void OnStart(const PaceLimit& limit, Time now) {
    if (in_flight_++ == 0) began_ = now;
    if (losses_ == Losses::kAlways) WatchLosses();
    if (control_) control_->OnStart(now);
    factor_ = Factor(limit);
    if (limit.rate <= 0 && !slowed()) return;
    const double rate = limit.rate > 0 ? limit.rate : kUnlimited;
    allowed_ = rate * factor_;
    next_ = std::max(next_, now) + FromSeconds(1 / (rate * factor_));
  }
  // As of LossControl. `around`: the pace of the prefix that the address is in.
  void OnAnswer(const TryTimes& t, Time now, const Pace* around = nullptr) {
    if (t.tries > 0) WatchLosses();
    const std::optional<double> loss =
        control_ ? control_->OnAnswer(t, now, factor_, allowed_, ControlOf(around)) : 0;
    if (loss && *loss <= LossControl::kCalm && answers_ < UINT32_MAX) ++answers_;
  }
  void OnSilence(const TryTimes& t) {
    if (control_) control_->OnSilence(t);
  }
  void OnRetry(Time started) {
    if (control_) control_->OnRetry(started);
  }
  // An attempt that counts as in flight does so no longer.
  void OnEnd(Time now) {
    if (in_flight_ == 0 || --in_flight_ > 0) return;
    Rest(now);
  }
  // Nothing that was started so far counts as in flight any more; none of it may be ended then.
  void OnAllEnded(Time now) {
    if (in_flight_ == 0) return;
    in_flight_ = 0;
    Rest(now);
  }

  double Loss(Time started, Time now, const Pace* around = nullptr) {
    return control_ ? control_->Loss(started, now, ControlOf(around)) : 0;
  }
  double LossBefore(Time started) const { return control_ ? control_->LossBefore(started) : 0; }
  bool KnowsLoss(Time now) { return control_ && control_->Knows(now); }
  // Whether proven losses have ever slowed it.
  bool slowed() const { return control_ && control_->slowed(); }
  bool IsHeldByLosses(Time now) const { return slowed() && next_ - kCatchUp > now; }
  uint32_t in_flight() const { return in_flight_; }

 private:
  static constexpr double kUnlimited = 10'000;  // attempts/s that is slowed where there is no limit

  // Of the limit. Grows with the answers until something was lost.
  double Factor(const PaceLimit& limit) const {
    if (slowed()) return std::min(std::max(1.0, limit.growth), control_->scale());
    if (limit.growth <= 1) return 1;
    const double once = limit.rate > 0 ? limit.rate * kDouble : limit.in_flight;
    double factor = 1 + answers_ / std::max(once, 1.0);
    if (limit.rate > 0) factor += std::min(answers_, kFirstAnswers) * limit.first / limit.rate;
    return std::min(limit.growth, factor);
  }
  static const LossControl* ControlOf(const Pace* pace) {
    return pace == nullptr ? nullptr : pace->control_.get();
  }
  void WatchLosses() {
    if (!control_) control_ = std::make_unique<LossControl>();
  }
  void Rest(Time now) {
    ended_ = now;
    busy_ = ToSeconds(now - began_);
  }

  Time next_ = Time::min() + std::chrono::hours(1);  // when the next one would be due by the rate
  uint32_t in_flight_ = 0;
  uint32_t answers_ = 0;
  // The last time in which something was in flight: from, to, and its seconds.
  Time began_{}, ended_ = Time::min() + std::chrono::hours(1);
  double busy_ = 0;
  double factor_ = 1;   // of the attempt started last,
  double allowed_ = 0;  // and so many a second with it
  Losses losses_;
  std::unique_ptr<LossControl> control_;
};

}  // namespace portolan
