#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "common/base/time.h"

namespace portolan {

// An attempt whose fate is known, and the attempt at the same port before it, which met silence.
struct TryTimes {
  Time started{};
  uint32_t tries = 0;    // attempts at the port before this one
  Time silent = kNever;  // when the last of those was started; kNever: there was none
};

// What share of some attempts was lost, each 0 to 1.
struct LossEstimate {
  double attempts = 0;   // that say something about losses
  double loss = 0;       // best estimate; 0 where there are too few attempts
  double least = 0;      // two standard deviations less
  double most = 0;       // one standard deviation more; where little is known as much as is usual
  double proven = 0;     // no less than this, however many retries are still to come
  double soon = 0;       // what it comes to if the retries to come fare as those that were made
  double delivered = 0;  // attempts that got through in a second, at most
};

// Estimates what share of attempts is lost on the way to a target and back. A firewall's silence
// proves nothing: a silent attempt counts as lost once a retry of its port is answered.
//
// Attempts are counted by the second in which they were started, not by when their fate was learnt:
// a loss shows only with the answer to a retry, seconds later, when other attempts are sent. Of the
// attempts of some seconds let A be answered, and B be silent and answered at the next try. Because
// a retry is lost like any other, B / (1 - p) were lost, which is a share p of A + B / (1 - p):
// p = B / A. A second counts once half of its silent attempts have been retried.
//
// Looks back kFewest seconds, or as far as kMany attempts reach, up to kSeconds. Pure; not
// thread-safe.
class LossMeter {
 public:
  static constexpr int64_t kSeconds = 12;
  static constexpr int kFewest = 3;
  static constexpr double kMany = 150;
  static constexpr double kEnough = 8;  // attempts
  // By then the retries of what was lost have been answered, but for a few.
  static constexpr Duration kRipe = std::chrono::seconds(3);

  // Forgets everything.
  void Restart(Time now) {
    *this = LossMeter();
    since_ = now;
  }
  void OnStart(Time now) {
    if (since_ == Time::min()) since_ = now;
    Count(now, &Second::started);
  }
  // Nothing that was started before the last Restart is counted.
  void OnAnswer(const TryTimes& t) {
    Count(t.started, &Second::answered);
    if (t.tries == 0) return Count(t.started, &Second::firsts);
    Count(t.silent, &Second::retried);
    Count(t.silent, &Second::lost);
    if (t.tries == 1) Count(t.silent, &Second::lost_firsts);
    proofs_ = true;
  }
  void OnSilence(const TryTimes& t) {
    if (t.tries > 0) Count(t.silent, &Second::retried);
  }
  // The port of a silent attempt will be tried again.
  void OnRetry(Time started) { Count(started, &Second::silent); }

  // Whether anything was lost by proof since the last Restart.
  bool proofs() const { return proofs_; }
  LossEstimate Estimate(Time now) const { return Of(now, kHalf); }
  // Of those attempts only whose fate is known: the last kRipe are left out.
  LossEstimate Ripe(Time now) const { return Of(now - kRipe, kNearlyAll); }
  // Attempts a second that are started, over the last second or two.
  double Rate(Time now) const {
    double started = 0, seconds = 0;
    for (int64_t s = SecondOf(now) - 1; s <= SecondOf(now); ++s) {
      if (s < 0 || s > newest_ || s <= newest_ - kSeconds) continue;
      started += At(s).started;
      seconds += Length(s, now);
    }
    return seconds > 0 ? started / seconds : 0;
  }

 private:
  struct Second {
    uint32_t started = 0;
    uint32_t silent = 0, retried = 0;      // silent attempts that are retried, and those that were
    uint32_t answered = 0, lost = 0;       // all attempts
    uint32_t firsts = 0, lost_firsts = 0;  // of those the first of their ports
  };
  struct Sum {
    double answered = 0, lost = 0, firsts = 0, lost_firsts = 0;

    double all() const { return answered + lost; }
    void Add(const Second& s, double times) {
      answered += times * s.answered;
      lost += times * s.lost;
      firsts += times * s.firsts;
      lost_firsts += times * s.lost_firsts;
    }
    // Nearly each silent first attempt is retried, so that their ratio is exact; of later ones
    // those whose silence is believed are not. But where most are retries the firsts are too few.
    bool mostly_firsts() const { return 2 * (firsts + lost_firsts) >= all(); }
    double Share(double deviations) const {
      if (all() < kEnough || lost < kProofs) return 0;
      const double proven = mostly_firsts() ? lost_firsts : lost;
      return Ratio(proven + deviations * std::sqrt(proven), mostly_firsts() ? firsts : answered);
    }
    double Most() const {
      const double proven = mostly_firsts() ? lost_firsts : lost;
      return Ratio(proven + std::sqrt(proven) + kUsual * kUsualOf,
                   (mostly_firsts() ? firsts : answered) + kUsualOf);
    }
  };
  static constexpr double kProofs = 3;  // fewer are chance
  static constexpr double kUsual = 0.02, kUsualOf = 25;
  // Share of a second's silent attempts that were retried, for it to count.
  static constexpr double kNearlyAll = 0.8, kHalf = 0.5, kSome = 0.125;
  // A second that lost this many times the share of the others was a moment's trouble on the way,
  // and says nothing about the rate.
  static constexpr double kBurst = 2;

  static int64_t SecondOf(Time t) { return t.time_since_epoch() / std::chrono::seconds(1); }
  static double Ratio(double lost, double to) {
    return lost < to ? std::max(lost, 0.0) / to : lost > 0 ? 1 : 0;
  }
  const Second& At(int64_t second) const {
    return seconds_[static_cast<size_t>(second % kSeconds)];
  }
  // How long of this second is over and was counted.
  double Length(int64_t second, Time now) const {
    const Time begin(std::chrono::seconds{second});
    const Duration length =
        std::min(now, begin + std::chrono::seconds(1)) - std::max(begin, since_);
    return std::max(0.0, ToSeconds(length));
  }
  void Count(Time started, uint32_t Second::*what) {
    if (started < since_) return;
    const int64_t second = SecondOf(started);
    for (int64_t s = std::max(newest_ + 1, second - kSeconds + 1); s <= second; ++s)
      seconds_[static_cast<size_t>(s % kSeconds)] = Second();
    newest_ = std::max(newest_, second);
    if (second <= newest_ - kSeconds) return;  // too long ago
    ++(seconds_[static_cast<size_t>(second % kSeconds)].*what);
  }
  LossEstimate Of(Time now, double retried) const {
    LossEstimate out;
    Sum sum, proven;
    Second worst;
    int seconds = 0;
    double answered_soon = 0, lost_soon = 0;
    const int64_t oldest = std::max<int64_t>(0, std::max(SecondOf(now), newest_) - kSeconds + 1);
    for (int64_t i = std::min(newest_, SecondOf(now)); i >= oldest && i > newest_ - kSeconds; --i) {
      if (seconds >= kFewest && sum.all() >= kMany) break;
      const Second& s = At(i);
      proven.Add(s, 1);
      if (s.retried < kSome * s.silent) continue;
      // Those that were retried first may be the likelier ones: rather too much.
      const double each = s.retried == 0 ? 1 : std::max(1.0, double{1} * s.silent / s.retried);
      answered_soon += s.answered;
      lost_soon += each * s.lost;
      const double passed = 1 - Ratio(each * s.lost, s.answered);
      out.delivered = std::max(out.delivered, passed * s.started / std::max(Length(i, now), 0.1));
      if (s.retried < retried * s.silent) continue;
      sum.Add(s, 1);
      seconds += s.answered + s.lost > 0;
      if (double{1} * s.lost * (worst.answered + worst.lost) >=
          double{1} * worst.lost * (s.answered + s.lost))
        worst = s;
    }
    out.attempts = sum.all();
    out.proven = proven.Share(0);
    if (answered_soon + lost_soon >= kEnough && lost_soon >= kProofs)
      out.soon = Ratio(lost_soon, answered_soon);
    out.most = std::max(sum.Most(), out.soon);
    Sum others = sum;
    others.Add(worst, -1);
    const bool burst =
        seconds >= kFewest && worst.lost * others.all() >
                                  kBurst * others.lost * (double{1} * worst.answered + worst.lost);
    const Sum& steady = burst ? others : sum;
    out.loss = steady.Share(0);
    out.least = steady.Share(-2);
    return out;
  }

  std::array<Second, kSeconds> seconds_{};
  Time since_ = Time::min();
  int64_t newest_ = -1;  // second of the clock
  bool proofs_ = false;
};

}  // namespace portolan
