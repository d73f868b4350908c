#include <gtest/gtest.h>

#include <map>
#include <random>

#include "agent/pacing/pace.h"
#include "agent/pacing/target_pacer.h"

// Something on the way passes so many attempts a second and drops the rest: the rate must come to
// that by itself, and up again when the limit is gone.
namespace portolan {
namespace {

Time At(double s) { return Time(FromSeconds(1000 + s)); }

// The way, and those who try again after 1.5 s of silence.
class NarrowWay {
 public:
  explicit NarrowWay(double hidden) : hidden_(hidden) {}
  void set_hidden(double hidden) { hidden_ = hidden; }

  // What `sender` starts between these times, attempts a second. Of what gets through, `alive`
  // answers.
  template <typename Sender>
  double Run(double from, double until, double alive, Sender& sender) {
    int sent = 0;
    for (double t = from; t < until; t += 0.001) {
      tokens_ = std::min(hidden_ / 10, tokens_ + hidden_ * 0.001);
      for (int i = 0; i < 50 && sender.MayStart(t); ++i) {
        const bool again = !retries_.empty() && retries_.begin()->first <= t;
        TryTimes times{At(t)};
        if (again) times = {At(t), 1, At(retries_.begin()->second)};
        if (again) retries_.erase(retries_.begin());
        sender.OnStart(t);
        ++sent;
        const bool answers = again || chance_(random_) < alive;
        const bool through = tokens_ >= 1;
        if (through) --tokens_;
        if (through && answers) {
          sender.OnAnswer(times, t);
          continue;
        }
        sender.OnSilence(times);
        if (through || !answers || again || retries_.size() >= 20'000) continue;
        sender.OnRetry(At(t));
        retries_.emplace(t + 1.5, t);
      }
    }
    return sent / (until - from);
  }

 private:
  double hidden_, tokens_ = 0;
  std::multimap<double, double> retries_;  // when, and since when it is silent
  std::mt19937_64 random_{5};
  std::uniform_real_distribution<double> chance_{0, 1};
};

struct PrefixSender {
  PaceLimit limit;
  Pace pace = Pace();
  bool MayStart(double t) const { return pace.MayStart(limit, At(t)) <= At(t); }
  void OnStart(double t) {
    pace.OnStart(limit, At(t));
    pace.OnEnd(At(t));
  }
  void OnAnswer(const TryTimes& times, double t) { pace.OnAnswer(times, At(t)); }
  void OnSilence(const TryTimes& times) { pace.OnSilence(times); }
  void OnRetry(Time started) { pace.OnRetry(started); }
};

struct LineSender {
  double first;
  Uplink uplink = {};
  bool MayStart(double t) const { return uplink.MayStart(first, At(t)) <= At(t); }
  void OnStart(double t) { uplink.OnStart(first, At(t)); }
  void OnAnswer(const TryTimes& times, double t) { uplink.OnAnswer(times, false, At(t)); }
  void OnSilence(const TryTimes& times) { uplink.OnSilence(times, false); }
  void OnRetry(Time started) { uplink.OnRetry(started, false); }
};

// Within a minute to within a half of the limit.
TEST(HiddenCapacity, OfAPrefixIsFoundByItsPace) {
  for (const double start : {1000.0, 5000.0, 0.0}) {
    SCOPED_TRACE(start);
    PrefixSender sender{{start, 0, 50}};
    NarrowWay way(200);
    const auto run = [&](double from, double until) { return way.Run(from, until, 1, sender); };
    run(0, 60);
    const double found = run(60, 90);
    EXPECT_GT(found, 120);
    EXPECT_LT(found, 300);
    way.set_hidden(1e9);
    run(90, 130);
    EXPECT_GT(run(130, 140), 2 * found);
  }
}

// The same of all together, where one address in ten answers and no prefix has enough answers to
// prove anything.
TEST(HiddenCapacity, OfTheAgentsLineIsFoundByItsUplink) {
  for (const double first : {2000.0, 20'000.0, 0.0}) {
    SCOPED_TRACE(first);
    LineSender sender{first};
    NarrowWay way(3000);
    const auto run = [&](double from, double until) { return way.Run(from, until, 0.1, sender); };
    run(0, 60);
    const double found = run(60, 90);
    EXPECT_GT(found, 1800);
    EXPECT_LT(found, 4500);
    way.set_hidden(1e9);
    run(90, 120);
    EXPECT_GT(run(120, 130), 2 * found);
  }
}

TEST(Uplink, StartsSlowlyAndFasterWhereThereAreAnswers) {
  const auto sent_within = [](double seconds, double first, bool answers) {
    Uplink uplink;
    int sent = 0;
    for (double t = 0; t < seconds; t += 0.0005) {
      while (sent < 200'000 && uplink.MayStart(first, At(t)) <= At(t)) {
        uplink.OnStart(first, At(t));
        ++sent;
        if (answers) uplink.OnAnswer({At(t)}, false, At(t));
      }
    }
    return sent;
  };
  // 2,000/s, twice that after a second: 2,000 / ln 2 in the first, twice as many in the next.
  EXPECT_NEAR(sent_within(1, 2000, false), 2885, 60);
  EXPECT_NEAR(sent_within(3, 2000, false), 7 * 2885, 300);
  EXPECT_GT(sent_within(1, 2000, true), 4 * 2885);
  EXPECT_EQ(sent_within(0.01, 0, false), 200'000);  // without a slow start
}

TEST(Uplink, LeavesLossesToThePrefixesThatProveThem) {
  Uplink uplink;
  for (double t = 0; t < 20; t += 0.001) {
    if (uplink.MayStart(0, At(t)) > At(t)) continue;
    uplink.OnStart(0, At(t));
    uplink.OnAnswer({At(t)}, true, At(t));
    uplink.OnAnswer({At(t), 1, At(t - 1)}, true, At(t));
  }
  EXPECT_TRUE(std::isinf(uplink.slowed_to()));
}

}  // namespace
}  // namespace portolan
