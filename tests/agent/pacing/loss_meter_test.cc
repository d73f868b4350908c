#include "agent/pacing/loss_meter.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace portolan {
namespace {

Time At(double s) { return Time(FromSeconds(1000 + s)); }

// Ports that all answer are tried up to `tries` times, 2 s apart, `rate` a second for `seconds`;
// each try is lost with this chance. Returns the meter as of `until`.
LossMeter After(double loss, uint32_t tries, double rate, double seconds, double until) {
  struct Port {
    uint32_t tries = 0;
    double lost = 0;
  };
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> chance(0, 1);
  LossMeter meter;
  std::multimap<double, Port> due;
  for (double t = 0; t < seconds; t += 1 / rate) due.emplace(t, Port());
  while (!due.empty() && due.begin()->first <= until) {
    const double t = due.begin()->first;
    Port port = due.begin()->second;
    due.erase(due.begin());
    if (chance(random) >= loss) {
      meter.OnAnswer({At(t), port.tries, At(port.lost)});
      continue;
    }
    meter.OnSilence({At(t), port.tries, At(port.lost)});
    if (++port.tries == tries) continue;
    meter.OnRetry(At(t));
    port.lost = t;
    due.emplace(t + 2, port);
  }
  return meter;
}

TEST(LossMeter, RatioOfProofsToWhatGotThroughIsTheLoss) {
  for (const double loss : {0.02, 0.1, 0.3, 0.6, 0.8}) {
    const LossMeter meter = After(loss, 2, 1000, 20, 20);
    EXPECT_NEAR(meter.Ripe(At(20)).loss, loss, 0.05) << loss;
    EXPECT_LT(meter.Estimate(At(20)).loss, loss + 0.05) << "not all is known of the last seconds";
    EXPECT_GE(meter.Estimate(At(20)).most, meter.Estimate(At(20)).loss);
    EXPECT_EQ(meter.Estimate(At(60)).loss, 0) << "forgotten";
    EXPECT_EQ(meter.Estimate(At(60)).attempts, 0);
  }
}

TEST(LossMeter, AsWellOfPortsThatAreTriedUntilTheyAnswer) {
  for (const double loss : {0.02, 0.1, 0.3, 0.6}) {
    const LossMeter meter = After(loss, 100, 1000, 60, 60);
    EXPECT_NEAR(meter.Estimate(At(60)).loss, loss, 0.04) << loss;
    EXPECT_LE(meter.Estimate(At(60)).least, meter.Estimate(At(60)).loss);
  }
}

// By when answers arrive, all that came in the last seconds would be proofs.
TEST(LossMeter, AScanOfWhichOnlyRetriesAreLeftHasLostNoMoreThanBefore) {
  for (const double until : {12.0, 13.0, 14.0, 15.0}) {
    const LossMeter meter = After(0.1, 3, 1000, 12, until);
    EXPECT_NEAR(meter.Estimate(At(until)).loss, 0.1, 0.05) << until;
  }
}

TEST(LossMeter, CountsWhateverTheRate) {
  const double rate = 100'000;
  LossMeter meter;
  for (int i = 0; i < 3 * rate; ++i) {
    const Time started = At(i / rate);
    meter.OnStart(started);
    meter.OnAnswer({started});
    if (i % 10 == 0) meter.OnAnswer({started, 1, started});
  }
  EXPECT_NEAR(meter.Rate(At(3)), rate, 0.01 * rate);
  EXPECT_NEAR(meter.Estimate(At(3)).loss, 0.1, 0.005);
}

TEST(LossMeter, SilenceAloneProvesNothing) {
  LossMeter meter;
  for (int i = 0; i < 100; ++i) meter.OnAnswer({At(i * 0.01)});
  EXPECT_EQ(meter.Estimate(At(4)).loss, 0);
  EXPECT_GT(meter.Estimate(At(4)).attempts, LossMeter::kEnough);
  EXPECT_GT(meter.Estimate(At(4)).most, 0) << "but for chance";
  EXPECT_LT(meter.Estimate(At(4)).most, 0.01);
}

}  // namespace
}  // namespace portolan
