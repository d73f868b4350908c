#include "coordinator/monitors/monitor_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/base/status.h"
#include "tests/coordinator/monitors/plan_fixture.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;

const WallTime kStart = At("2026-11-23T10:30:00Z");
WallTime Clock(int h, int m = 0) { return At("2026-11-23") + hours(h) + minutes(m); }

std::vector<std::string> Keys(const std::vector<RunOrder>& runs) {
  std::vector<std::string> out;
  for (const RunOrder& r : runs) out.push_back(r.Key());
  return out;
}

TEST(MonitorSet, MostOverdueFirstAndNoMoreThanMayRun) {
  MonitorSet set({1000, 2});
  ASSERT_TRUE(set.Apply(IntervalSpec("c", hours(1), minutes(10)), kStart).ok());
  ASSERT_TRUE(set.Apply(IntervalSpec("a", hours(1), minutes(20)), kStart).ok());
  ASSERT_TRUE(set.Apply(IntervalSpec("b", hours(1), minutes(15)), kStart).ok());
  EXPECT_EQ(*set.NextWake(), Clock(11, 10));
  EXPECT_TRUE(set.Poll(Clock(11, 9)).empty());
  EXPECT_THAT(Keys(set.Poll(Clock(11, 30))), ElementsAre("c/1/1", "b/1/1"));
  EXPECT_EQ(set.running(), 2u);
  EXPECT_EQ(set.waiting(), 1u);
  const auto behind = set.Behind(Clock(11, 30), minutes(5));
  ASSERT_EQ(behind.size(), 1u);
  EXPECT_EQ(behind[0].monitor, "a");
  EXPECT_EQ(behind[0].lag.reason, LagReason::kLimit);
  EXPECT_THAT(behind[0].text, HasSubstr("10m late: as many runs as may be"));
  EXPECT_TRUE(set.Poll(Clock(11, 31)).empty());
  EXPECT_TRUE(*set.Ended("b", 1, RunOutcome::kComplete, Clock(11, 32)));
  EXPECT_FALSE(*set.Ended("b", 1, RunOutcome::kComplete, Clock(11, 32)));
  EXPECT_EQ(*set.NextWake(), Clock(11, 20));
  EXPECT_THAT(Keys(set.Poll(Clock(11, 32))), ElementsAre("a/1/1"));
  EXPECT_TRUE(set.Behind(Clock(11, 32), minutes(5)).empty());
}

TEST(MonitorSet, ApplyIsIdempotentAndBounded) {
  MonitorSet set({2, 1});
  EXPECT_EQ(*set.Apply(IntervalSpec("a", hours(1)), kStart), MonitorSet::ApplyResult::kCreated);
  EXPECT_EQ(*set.Apply(IntervalSpec("a", hours(1)), kStart), MonitorSet::ApplyResult::kUnchanged);
  EXPECT_EQ(*set.Apply(IntervalSpec("a", hours(2)), kStart), MonitorSet::ApplyResult::kChanged);
  EXPECT_TRUE(set.Apply(IntervalSpec("b", hours(1)), kStart).ok());
  EXPECT_EQ(set.Apply(IntervalSpec("c", hours(1)), kStart).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(set.TakeChanged(), ElementsAre("a", "b"));
  EXPECT_TRUE(set.TakeChanged().empty());
  EXPECT_EQ(set.Remove("a")->generation, 2u);
  EXPECT_FALSE(set.Remove("a").ok());
  EXPECT_EQ(*set.Apply(IntervalSpec("a", hours(1)), kStart, 3), MonitorSet::ApplyResult::kCreated);
  EXPECT_EQ(set.Find("a")->state().generation, 3u);
  for (const absl::Status& s :
       {set.RunNow("x", kStart), set.Pause("x", kStart), set.Resume("x", kStart),
        set.Ended("x", 1, RunOutcome::kFailed, kStart).status()}) {
    EXPECT_EQ(s.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(Message(s)), HasSubstr("\"x\""));
  }
}

TEST(MonitorSet, RestoredRunsCount) {
  MonitorSet set({10, 1});
  ASSERT_TRUE(set.Apply(IntervalSpec("a", hours(1)), kStart).ok());
  set.Poll(Clock(11));
  MonitorSet after({10, 1});
  const MonitorPlan& plan = *set.Find("a");
  ASSERT_TRUE(after.Restore(plan.state(), plan.spec(), Clock(11, 5)).ok());
  EXPECT_FALSE(after.Restore(plan.state(), plan.spec(), Clock(11, 5)).ok());
  EXPECT_EQ(after.running(), 1u);
  ASSERT_TRUE(after.Apply(IntervalSpec("b", hours(1)), kStart).ok());
  EXPECT_TRUE(after.Poll(Clock(11, 6)).empty());
  after.SetMaxRunning(2);
  EXPECT_THAT(Keys(after.Poll(Clock(11, 6))), ElementsAre("b/1/1"));
  ASSERT_TRUE(after.Remove("a").ok());
  EXPECT_EQ(after.running(), 1u);
}

TEST(MonitorSet, ClockThatWentBackDoesNotStopIt) {
  MonitorSet set({10, 5});
  ASSERT_TRUE(set.Apply(IntervalSpec("a", hours(1)), kStart).ok());
  EXPECT_EQ(set.Poll(At("2040-01-01")).size(), 1u);
  ASSERT_TRUE(set.Ended("a", 1, RunOutcome::kComplete, At("2040-01-01T00:01:00Z")).ok());
  EXPECT_TRUE(set.Poll(Clock(11, 5)).empty());
  EXPECT_EQ(*set.NextWake(), Clock(12));
  EXPECT_EQ(set.Poll(Clock(12)).size(), 1u);
}

// A whole day of 1,000 monitors, waking only when the set says so: each slot runs, on time.
TEST(MonitorSet, WakesForEachSlotOfManyMonitors) {
  MonitorSet set({1000, 1000});
  for (int i = 0; i < 1000; ++i) {
    MonitorSpec spec = IntervalSpec("m" + std::to_string(i), minutes(20 + i % 60));
    spec.schedule.at.reset();
    ASSERT_TRUE(set.Apply(spec, kStart).ok());
  }
  size_t wakes = 0, runs = 0;
  for (WallTime now = kStart; now < kStart + hours(24); now = *set.NextWake()) {
    ++wakes;
    for (const RunOrder& run : set.Poll(now)) {
      ++runs;
      ASSERT_EQ(run.due, now);
      ASSERT_TRUE(*set.Ended(run.monitor, run.number, RunOutcome::kComplete, now));
    }
  }
  size_t slots = 0;
  for (const std::string& name : set.Names()) {
    const MonitorPlan& plan = *set.Find(name);
    slots += plan.schedule().Between(kStart, plan.state().handled_until).count;
    EXPECT_EQ(plan.state().skipped + plan.state().missed, 0u);
  }
  EXPECT_EQ(runs, slots);
  EXPECT_LE(wakes, runs + 1);
}

}  // namespace
}  // namespace portolan
