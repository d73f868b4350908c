#pragma once

#include <algorithm>
#include <optional>

#include "agent/pacing/loss_meter.h"
#include "common/base/time.h"

namespace portolan {

// How much slower than it was begun something must be done so that not too much of it is lost.
// Where answers prove that more than kLossy is lost, the scale goes down by what is lost, and
// slowly up again when less is: AIMD of a rate, not of a window, because what is lost shows only
// seconds later, at a retry. Pure; not thread-safe.
class LossControl {
 public:
  static constexpr double kLossy = 0.15;
  static constexpr double kCalm = 0.05;

  // `about`: when the attempt was started that was answered at the first try, or the one before
  // that was lost. `scale`: in force now. Returns the loss now; nothing when the answer says
  // nothing about this scale, because it is to an attempt started before the last change.
  std::optional<double> OnAnswer(bool first_try, Time about, Time now, double scale) {
    if (about < changed_) return std::nullopt;
    meter_.OnAnswer(first_try, now);
    const double loss = meter_.Loss(now);
    if (loss > kCalm && proven_ == kNever) proven_ = now;
    if (slowed_ && now - changed_ < kSettle) return loss;
    if (loss > kLossy && now - proven_ >= kRipe) {
      slowed_ = true;
      Change(std::max(kLeast, scale * std::max(0.25, 1 - loss)), loss, now);
    } else if (slowed_ && loss < kCalm) {
      Change(scale_ * kGrow, loss, now);
    }
    return loss;
  }
  // What share of the attempts started then was lost, as far as answers have proven; 0 to 1.
  double Loss(Time started, Time now) {
    const double loss = meter_.Loss(now);
    if (slowed_ && started < changed_ + kSettle) return std::max(loss, loss_then_);
    // The first proofs are of the first retries; how many more there will be is not known yet.
    return loss > kCalm && now - proven_ < kRipe ? std::max(loss, kUnripe) : loss;
  }
  // Likewise of attempts that were judged before losses changed the scale; 0: of none.
  double LossBefore(Time started) const { return slowed_ && started < changed_ ? loss_then_ : 0; }
  // Whether answers are enough to tell, were there losses.
  bool Knows(Time now) { return meter_.Knows(now); }
  // Whether losses have ever changed the scale; until then there is none.
  bool slowed() const { return slowed_; }
  double scale() const { return scale_; }

 private:
  static constexpr double kGrow = 1.25;
  // How long a change is given to show: a try, its retry and their answers.
  static constexpr Duration kSettle = std::chrono::seconds(3);
  // How long retries are answered before their number says how much was lost; and what is taken for
  // lost until then.
  static constexpr Duration kRipe = std::chrono::seconds(2);
  static constexpr double kUnripe = 0.8;
  static constexpr double kLeast = 1e-3;

  void Change(double scale, double loss, Time now) {
    scale_ = scale;
    loss_then_ = loss;
    changed_ = now;
    meter_ = LossMeter();
    proven_ = kNever;
  }

  bool slowed_ = false;
  double scale_ = 1;
  Time changed_ = Time::min();
  Time proven_ = kNever;  // since when losses are proven
  double loss_then_ = 0;  // when that changed: until the change has shown, it may still be so
  LossMeter meter_;
};

}  // namespace portolan
