#include "agent/pacing/loss_control.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

#include "agent/pacing/overdue.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;

Time At(double s) { return Time(FromSeconds(1000 + s)); }

constexpr double kMostScale = 20;  // beyond it nothing of interest happens

// Ports that all answer, sent to at 200/s x scale over a way that loses a share of what is sent
// whatever the rate, and everything beyond `capacity` a second. What is lost is sent again 1.5 s
// later. Of what may be sent only a share is `used`. Returns the scale each second.
std::vector<double> ScalesOver(double share, double capacity, double seconds, double used = 1) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> chance(0, 1);
  LossControl control;
  std::vector<double> scales;
  std::multimap<double, TryTimes> retries;  // when, and what was tried before
  double due = 0, tokens = 0, last = 0;
  for (double t = 0; t < seconds;) {
    const double scale = control.slowed() ? std::min(control.scale(), kMostScale) : 1;
    if (t >= static_cast<double>(scales.size())) scales.push_back(scale);
    due += 1 / (200 * scale * used);
    t = std::max(t, due);
    tokens = std::min(capacity / 10, tokens + (t - last) * capacity);
    last = t;
    const bool again = !retries.empty() && retries.begin()->first <= t;
    TryTimes times{At(t)};
    if (again) {
      times = retries.begin()->second;
      times.started = At(t);
      retries.erase(retries.begin());
    }
    control.OnStart(At(t));
    if (chance(random) >= share && tokens >= 1) {
      --tokens;
      control.OnAnswer(times, At(t), scale, 200 * scale);
    } else {
      control.OnSilence(times);
      control.OnRetry(times.started);
      retries.emplace(t + 1.5, TryTimes{Time(), times.tries + 1, At(t)});
    }
  }
  return scales;
}

double Mean(const std::vector<double>& all, size_t from) {
  double sum = 0;
  for (size_t i = from; i < all.size(); ++i) sum += all[i];
  return sum / static_cast<double>(all.size() - from);
}

TEST(LossControl, StaysNearTheCapacityOnceItIsFound) {
  for (const double capacity : {50.0, 100.0, 150.0}) {
    SCOPED_TRACE(capacity);
    const std::vector<double> scales = ScalesOver(0, capacity, 200);
    EXPECT_NEAR(Mean(scales, 60), capacity / 200, 0.12 * capacity / 200);
    for (size_t i = 60; i < scales.size(); ++i) {
      ASSERT_GT(scales[i], 0.5 * capacity / 200) << i;
      ASSERT_LT(scales[i], 1.4 * capacity / 200) << i;
    }
  }
}

TEST(LossControl, AFewPercentOfRandomLossSlowNothing) {
  for (const double share : {0.0, 0.02, 0.04, 0.08}) {
    const std::vector<double> scales = ScalesOver(share, 1e9, 100);
    EXPECT_EQ(Mean(scales, 0), 1) << share;
  }
}

// A radio link loses as much at any rate: to slow down does not help, and must not go on for ever.
TEST(LossControl, LossesThatALowerRateDoesNotMakeFewerDoNotHoldItDown) {
  const std::vector<double> scales = ScalesOver(0.22, 1e9, 200);
  EXPECT_GT(*std::min_element(scales.begin(), scales.end()), 0.25);
  EXPECT_GT(scales.back(), 1);
}

TEST(LossControl, ARateThatIsNotUsedDoesNotGrow) {
  const std::vector<double> unused = ScalesOver(0, 50, 120, /*used=*/0.5);
  EXPECT_LT(unused.back(), 0.6);
  for (size_t i = 20; i < unused.size(); ++i) ASSERT_LE(unused[i], unused[i - 1]);
}

TEST(LossControl, TriesThatWereJudgedBeforeTheLossesAreJudgedAgain) {
  LossControl control;
  for (int i = 0; i < 400; ++i) {
    const double t = 0.01 * i;
    EXPECT_EQ(control.LossBefore(At(t)), 0);
    const TryTimes first{At(t)}, second{At(t), 1, At(t - 1)};
    control.OnAnswer(i % 8 == 0 ? first : second, At(t), 1, 100);
  }
  ASSERT_TRUE(control.slowed());
  EXPECT_GT(control.LossBefore(At(0.1)), 0.5);
  EXPECT_EQ(control.LossBefore(At(4)), 0) << "of those Loss knows";
}

TEST(Overdue, RunsEachOnceInStepsAndNeverEarly) {
  Overdue overdue;
  for (uint64_t i = 1; i <= 100; ++i) overdue.Add(i, At(0.001 * static_cast<double>(101 - i)));
  EXPECT_EQ(overdue.Next(), At(0.010));
  std::map<uint64_t, double> ran;
  for (double t = 0; t < 0.2; t += 0.010)
    overdue.RunDue(At(t), [&](uint64_t name) { EXPECT_TRUE(ran.emplace(name, t).second); });
  ASSERT_EQ(ran.size(), 100u);
  for (const auto& [name, t] : ran) {
    const double due = 0.001 * static_cast<double>(101 - name);
    EXPECT_GE(t, due - 1e-9);
    EXPECT_LE(t, due + 0.0101);
  }
  EXPECT_EQ(overdue.Next(), kNever);
  EXPECT_EQ(overdue.size(), 0u);
}

}  // namespace
}  // namespace portolan
