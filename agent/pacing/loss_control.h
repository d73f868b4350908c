#pragma once

#include <algorithm>
#include <optional>

#include "agent/pacing/loss_meter.h"
#include "common/base/time.h"

namespace portolan {

// Scales a rate down while too much is proven lost, and up again. It controls a rate and not a
// window, because a loss shows only seconds later, at a retry.
//
// What gets through, scale x (1 - loss), is taken for the capacity of something on the way that
// drops the rest. The scale goes to kBack of it, returns close to it within kPlateau, and then
// searches beyond it ever faster, as CUBIC does (RFC 9438); where losses show again there is a new
// capacity. Losses that a lower scale does not make fewer are not of its making (a radio link):
// they are ambient, and only what exceeds them counts. Pure; not thread-safe.
class LossControl {
 public:
  // More is lossy, as long as no capacity is known; less is calm.
  static constexpr double kLossy = 0.2;
  static constexpr double kCalm = 0.05;

  void OnStart(Time now) { meter_.OnStart(now); }
  // An attempt was answered. `scale`: in force now. It lets `allowed` attempts a second start;
  // where fewer are started, nothing shows that more would get through. `around`: what this is a
  // part of, if anything; what is lost there as well is not of this part's making. Returns the loss
  // now; nothing when the answer says nothing about this scale, because all that it tells of was
  // started before the last change.
  std::optional<double> OnAnswer(const TryTimes& t, Time now, double scale, double allowed,
                                 const LossControl* around = nullptr) {
    if (around != nullptr && around->changed_ > changed_) Restart(around->changed_);
    if (t.started < changed_ && (t.tries == 0 || t.silent < changed_)) return std::nullopt;
    meter_.OnAnswer(t);
    if (!slowed_ && !meter_.proofs()) return 0;
    if (now < next_judged_ || (slowed_ && now - changed_ < kSettle)) return seen_.loss;
    next_judged_ = now + kLook;
    Look(now);
    if (judging_) Judge(now);
    if (judging_ && now - changed_ < kPatience) return seen_.loss;
    const double usual = std::max(ambient_, around == nullptr ? 0 : around->LossAround(seen_));
    const double excess = seen_.loss - usual;
    const bool lossy = seen_.least - usual > (known_ ? kCalm + usual / 2 : kLossy);
    if (!lossy) calm_at_ = now;
    if (lossy && now - calm_at_ >= kSustained) {
      FindCapacity(usual, scale, allowed);
      Reduce(scale, now);
    } else if (slowed_ && excess < kCalm && seen_.attempts >= LossMeter::kEnough &&
               meter_.Rate(now) >= kUsed * allowed) {
      Grow(std::min(now - grown_, kLongestStep));
    }
    grown_ = now;
    return seen_.loss;
  }
  // As of LossMeter.
  void OnSilence(const TryTimes& t) { meter_.OnSilence(t); }
  void OnRetry(Time started) { meter_.OnRetry(started); }

  // What share of the attempts started then was lost, as far as answers have proven; 0 to 1.
  // `around`: as above, and it was asked just before: of a part with few attempts much may be
  // chance.
  double Loss(Time started, Time now, const LossControl* around = nullptr) {
    if (!slowed_ && !meter_.proofs()) return 0;
    if (now >= next_look_) Look(now);
    if (!slowed_ && around != nullptr && around->seen_.attempts >= kMuchMore * seen_.attempts)
      return std::min(seen_.loss, kMostOfPart);
    if (!slowed_) {
      // The first proofs are of the first retries; how many more there will be is not known yet.
      const bool unripe = seen_.attempts < LossMeter::kEnough || now - proven_ < kSettle;
      if (unripe && seen_.proven > kCalm) return kUnripe;
      return std::max(seen_.proven, seen_.soon) > kLossy ? seen_.most : seen_.loss;
    }
    // What is sent below a capacity that was known before gets through at once.
    const Duration doubt = judging_ ? kPatience : known_ ? kDrain : kSettle;
    if (started < changed_ + doubt) return std::max(seen_.most, loss_then_);
    // What exceeds the capacity will be lost, however little of it has shown.
    return std::max(seen_.most, std::min(kMostBeyond, 1 - capacity_ / scale_));
  }
  // Likewise of attempts that were judged before losses changed the scale; 0: of none.
  double LossBefore(Time started) const {
    if (!slowed_ || started >= changed_) return 0;
    return started < earlier_ ? std::max(loss_then_, loss_earlier_) : loss_then_;
  }
  // Whether answers are enough to tell, were there losses.
  bool Knows(Time now) {
    if (now >= next_look_) Look(now);
    return seen_.attempts >= LossMeter::kEnough;
  }
  // Attempts a second that are started.
  double Rate(Time now) const { return meter_.Rate(now); }
  // Whether losses have ever changed the scale; until then there is none.
  bool slowed() const { return slowed_; }
  double scale() const { return scale_; }

 private:
  // Of the capacity, after losses; and how long the way back to it takes.
  static constexpr double kBack = 0.85, kNear = 0.97;
  static constexpr Duration kPlateau = std::chrono::seconds(12);
  // A second: near a capacity that is known well, and where it is not. A scale that is too high is
  // seen only after a try and its retry.
  static constexpr double kGrowth = 0.06, kGrowthUnsure = 0.12;
  // Time without answers is no time of calm.
  static constexpr Duration kLongestStep = std::chrono::seconds(1);
  // The rate is used up where so much of it is started (congestion window validation, RFC 7661).
  static constexpr double kUsed = 0.8;
  // How long a change is given to show: a try, its retry and their answers; and how long it is
  // waited for that enough is known to judge it.
  static constexpr Duration kSettle = std::chrono::seconds(2);
  static constexpr Duration kPatience = std::chrono::seconds(4);
  static constexpr Duration kSustained = std::chrono::milliseconds(300);
  static constexpr Duration kDrain = std::chrono::milliseconds(200);
  static constexpr Duration kLook = std::chrono::milliseconds(50);  // between two looks at losses
  static constexpr double kUnripe = 0.8;
  static constexpr double kMostOfPart = 0.2;  // is believed of a part with few attempts
  // Of the scale at most, at once: where no capacity is known, and where one is.
  static constexpr double kMostFall = 0.1, kMostFallKnown = 0.75;
  static constexpr double kLeast = 1e-3;
  // A capacity that was measured while more than this was lost is not known well.
  static constexpr double kUnsure = 0.35;
  static constexpr double kMostBeyond = 0.2;
  // A part knows more than its own losses from what it is a part of that has so many times as many
  // attempts.
  static constexpr double kMuchMore = 2;
  // More is not taken for losses that come whatever the rate; nor is it when less than a share of
  // what was lost before is left.
  static constexpr double kMostAmbient = 0.25, kAsMuch = 0.6;
  static constexpr double kManyKnown = 64;  // attempts, to judge a change

  void Look(Time now) {
    next_look_ = now + kLook;
    seen_ = meter_.Estimate(now);
    if (proven_ == kNever && seen_.proven > kCalm) proven_ = now;
  }
  void FindCapacity(double usual, double scale, double allowed) {
    const double excess = seen_.loss - usual;
    if (slowed_) {
      known_ = known_ && excess < kUnsure;
      sure_ = excess < kUnsure;
      const double measured = scale * (1 - excess);
      const double least = known_ ? std::min(scale, capacity_ * kMostFallKnown) : scale * kMostFall;
      capacity_ = std::max({kLeast, least, known_ ? (measured + capacity_) / 2 : measured});
      return;
    }
    // At first many retries are still to come, and what was lost was started at another rate than
    // now (slow start).
    const double lost = std::max(excess, seen_.soon - usual);
    sure_ = lost < kUnsure;
    const double delivered = scale * seen_.delivered / std::max(allowed, 1.0);
    capacity_ = std::max({kLeast, scale * kMostFall, std::min(scale * (1 - lost), delivered)});
  }
  void Reduce(double scale, Time now) {
    loss_earlier_ = std::max(loss_then_, loss_earlier_);
    earlier_ = changed_;
    loss_then_ = known_ ? seen_.loss : std::max({loss_then_, seen_.loss, seen_.most});
    slowed_ = judging_ = true;
    scale_ = std::min(scale, capacity_ * kBack);
    searched_ = Duration::zero();
    grown_ = now;
    Restart(now);
  }
  void Restart(Time now) {
    changed_ = calm_at_ = next_look_ = now;
    meter_.Restart(now);
    seen_ = LossEstimate();
    proven_ = kNever;
  }
  void Grow(Duration step) {
    searched_ += step;
    const double way = ToSeconds(searched_) / ToSeconds(kPlateau) - 1;
    const double cubic = capacity_ * (kNear + (kNear - kBack) * way * way * way);
    const double most = scale_ * (1 + (sure_ ? kGrowth : kGrowthUnsure) * ToSeconds(step));
    scale_ = sure_ ? std::clamp(cubic, scale_, most) : most;
  }
  // What the last reduction has left of the losses.
  void Judge(Time now) {
    const LossEstimate ripe = meter_.Ripe(now);
    if (ripe.attempts < kManyKnown || ripe.loss > kMostAmbient) return;
    judging_ = false;
    known_ = true;
    if (ripe.loss < kCalm) {
      ambient_ = std::min(ambient_, ripe.loss);
    } else if (ripe.loss < kAsMuch * std::max(loss_then_, ambient_)) {
      ambient_ = 0;
      capacity_ = std::max(kLeast, scale_ * (1 - ripe.loss));
      Reduce(scale_, now);
    } else {
      ambient_ = ripe.loss;
      sure_ = false;
    }
  }
  // The loss of what `part` is a part of; 0 where that is nearly all of it.
  double LossAround(const LossEstimate& part) const {
    return seen_.attempts < kMuchMore * part.attempts ? 0 : seen_.most;
  }

  bool slowed_ = false;
  double scale_ = 1;
  double capacity_ = 1;   // as of the last reduction
  double ambient_ = 0;    // losses
  bool known_ = false;    // the capacity: once slowed, something got through with few losses
  bool sure_ = false;     // it was measured well enough to stay near it
  bool judging_ = false;  // what the last reduction has left of the losses is not known yet
  Duration searched_{};   // time of calm since then
  Time grown_ = Time::min();
  // The last reduction, of this scale or of what is around; and the losses that led to it: until it
  // has shown, they may still be so. Likewise the one before it, and the most that led to any.
  Time changed_ = Time::min(), earlier_ = Time::min();
  double loss_then_ = 0, loss_earlier_ = 0;
  Time next_look_ = Time::min(), next_judged_ = Time::min();
  Time calm_at_ = Time::min();  // when it was not lossy
  Time proven_ = kNever;        // since when losses are
  LossEstimate seen_;           // at the last look
  LossMeter meter_;
};

}  // namespace portolan
