#include "agent/pacing/loss_control.h"

#include <gtest/gtest.h>

#include <map>

#include "agent/pacing/overdue.h"

namespace portolan {
namespace {

Time At(double s) { return Time(FromSeconds(1000 + s)); }

TEST(LossControl, TriesThatWereJudgedBeforeTheLossesAreJudgedAgain) {
  LossControl control;
  for (int i = 0; i < 400; ++i) {
    const double t = 0.01 * i;
    EXPECT_EQ(control.LossBefore(At(t)), 0);
    control.OnAnswer(i % 2 == 0, At(t - (i % 2 == 0 ? 0 : 1)), At(t), 1);
  }
  ASSERT_TRUE(control.slowed());
  EXPECT_GT(control.LossBefore(At(0.5)), 0.5);
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
