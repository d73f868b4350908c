#include "coordinator/monitors/monitor_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/coordinator/monitors/plan_fixture.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

const WallTime kStart = At("2026-11-23T10:30:00Z");

MonitorPlan Plan(OverlapPolicy overlap = OverlapPolicy::kSkip) {
  MonitorSpec spec = IntervalSpec("web", hours(1));
  spec.overlap = overlap;
  return *MonitorPlan::Create(spec, kStart);
}
WallTime Clock(int h, int m = 0) { return At("2026-11-23") + hours(h) + minutes(m); }

TEST(MonitorPlan, FirstRunIsAtTheFirstSlotAfterItWasMade) {
  MonitorPlan plan = Plan();
  plan.Advance(Clock(10, 59));
  EXPECT_FALSE(plan.ready());
  EXPECT_EQ(*plan.NextWake(), Clock(11));
  plan.Advance(Clock(11));
  ASSERT_TRUE(plan.ready());
  const RunOrder run = plan.Start(Clock(11, 1));
  EXPECT_EQ(run.Key(), "web/1/1");
  EXPECT_EQ(run.slot, Clock(11));
  EXPECT_EQ(run.trigger, RunTrigger::kSchedule);
  EXPECT_FALSE(plan.ready());
  EXPECT_EQ(*plan.NextWake(), Clock(12));
  EXPECT_TRUE(plan.End(1, RunOutcome::kComplete, Clock(11, 20)));
  EXPECT_FALSE(plan.End(1, RunOutcome::kComplete, Clock(11, 20)));
  EXPECT_EQ(plan.state().last_success, Clock(11, 20));
}

TEST(MonitorPlan, SkipsWhatOverlapsAndSaysSo) {
  MonitorPlan plan = Plan();
  plan.Advance(Clock(11));
  plan.Start(Clock(11));
  plan.Advance(Clock(12));
  plan.Advance(Clock(13));
  EXPECT_EQ(plan.state().skipped, 2u);
  EXPECT_EQ(plan.Lag(Clock(13, 10)).reason, LagReason::kOverlap);
  EXPECT_EQ(plan.Lag(Clock(13, 10)).late, minutes(70));
  EXPECT_THAT(plan.LagText(Clock(13, 10)), HasSubstr("1h10m late: run 1 is still under way since"));
  plan.End(1, RunOutcome::kPartial, Clock(13, 20));
  EXPECT_FALSE(plan.ready());
  EXPECT_EQ(plan.LagText(Clock(13, 20)), "");
  EXPECT_EQ(plan.state().failures_in_row, 1u);
  plan.Advance(Clock(14));
  EXPECT_EQ(plan.Start(Clock(14)).number, 2u);
}

TEST(MonitorPlan, QueuesOneRun) {
  MonitorPlan plan = Plan(OverlapPolicy::kQueue);
  plan.Advance(Clock(11));
  plan.Start(Clock(11));
  plan.Advance(Clock(12));
  plan.Advance(Clock(13));
  EXPECT_EQ(plan.state().skipped, 1u);
  EXPECT_FALSE(plan.ready());
  plan.End(1, RunOutcome::kComplete, Clock(13, 20));
  ASSERT_TRUE(plan.ready());
  const RunOrder run = plan.Start(Clock(13, 20));
  EXPECT_EQ(run.slot, Clock(12));
  EXPECT_EQ(run.number, 2u);
}

TEST(MonitorPlan, SlotThatPassedBeforeTheEndWasToldOverlapped) {
  MonitorPlan plan = Plan();
  plan.Advance(Clock(11));
  plan.Start(Clock(11));
  plan.End(1, RunOutcome::kComplete, Clock(12, 1));
  EXPECT_FALSE(plan.ready());
  EXPECT_EQ(plan.state().skipped, 1u);
}

TEST(MonitorPlan, DownTimeGivesOneRunAndACount) {
  MonitorPlan before = Plan();
  before.Advance(Clock(11));
  before.Start(Clock(11));
  before.End(1, RunOutcome::kComplete, Clock(11, 5));
  MonitorPlan plan = *MonitorPlan::Restore(before.state(), before.spec(), Clock(15, 30));
  ASSERT_TRUE(plan.ready());
  EXPECT_EQ(plan.state().missed, 3u);  // 12, 13, 14
  EXPECT_EQ(plan.Lag(Clock(15, 30)).reason, LagReason::kDown);
  const RunOrder run = plan.Start(Clock(15, 30));
  EXPECT_EQ(run.trigger, RunTrigger::kCatchUp);
  EXPECT_EQ(run.slot, Clock(15));
  EXPECT_EQ(run.Key(), "web/1/2");
  EXPECT_EQ(*plan.NextWake(), Clock(16));
}

TEST(MonitorPlan, RunUnderWaySurvivesARestartUnderTheSameKey) {
  MonitorPlan before = Plan();
  before.Advance(Clock(11));
  const RunOrder run = before.Start(Clock(11));
  MonitorPlan plan = *MonitorPlan::Restore(before.state(), before.spec(), Clock(11, 10));
  ASSERT_TRUE(plan.state().running.has_value());
  EXPECT_EQ(plan.state().running->Key(), run.Key());
  EXPECT_FALSE(plan.ready());
  EXPECT_TRUE(plan.End(1, RunOutcome::kComplete, Clock(11, 30)));
}

TEST(MonitorPlan, LostStateRepeatsTheKeyAndSoNotTheRun) {
  // The state was not stored after Start: the same number comes again.
  MonitorPlan plan = Plan();
  const MonitorPlanState stored = plan.state();
  plan.Advance(Clock(11));
  const std::string key = plan.Start(Clock(11)).Key();
  MonitorPlan again = *MonitorPlan::Restore(stored, plan.spec(), Clock(11, 1));
  ASSERT_TRUE(again.ready());
  EXPECT_EQ(again.Start(Clock(11, 1)).Key(), key);
}

TEST(MonitorPlan, PauseRunsNothingAndMakesUpForNothing) {
  MonitorPlan plan = Plan();
  plan.Pause(Clock(10, 40));
  EXPECT_TRUE(plan.paused());
  EXPECT_EQ(plan.NextWake(), std::nullopt);
  plan.Advance(Clock(13));
  EXPECT_FALSE(plan.ready());
  plan.Resume(Clock(14, 30));
  EXPECT_EQ(plan.state().while_paused, 4u);
  EXPECT_FALSE(plan.ready());
  EXPECT_EQ(*plan.NextWake(), Clock(15));
  // What waits is given up; by hand it runs all the same.
  plan.Advance(Clock(15));
  plan.Pause(Clock(15, 1));
  EXPECT_FALSE(plan.ready());
  EXPECT_EQ(plan.state().while_paused, 5u);
  EXPECT_TRUE(plan.RunNow(Clock(15, 2)).ok());
  EXPECT_EQ(plan.Start(Clock(15, 2)).trigger, RunTrigger::kManual);
}

TEST(MonitorPlan, RunNowIsOneRunMore) {
  MonitorPlan plan = Plan();
  ASSERT_TRUE(plan.RunNow(Clock(10, 40)).ok());
  ASSERT_TRUE(plan.RunNow(Clock(10, 40)).ok());  // still that one
  EXPECT_EQ(plan.Start(Clock(10, 40)).number, 1u);
  const absl::Status refused = plan.RunNow(Clock(10, 41));
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("run 1 is under way; wait for its end"));
  plan.End(1, RunOutcome::kComplete, Clock(10, 50));
  EXPECT_FALSE(plan.ready());
  plan.Advance(Clock(11));
  EXPECT_TRUE(plan.ready());

  MonitorPlan queue = Plan(OverlapPolicy::kQueue);
  ASSERT_TRUE(queue.RunNow(Clock(10, 40)).ok());
  queue.Start(Clock(10, 40));
  EXPECT_TRUE(queue.RunNow(Clock(10, 41)).ok());
  EXPECT_THAT(std::string(Message(queue.RunNow(Clock(10, 42)))), HasSubstr("queued already"));
}

TEST(MonitorPlan, ChangedSpecIsANewGeneration) {
  MonitorPlan plan = Plan();
  plan.Advance(Clock(11));
  plan.Start(Clock(11));
  MonitorSpec spec = plan.spec();
  EXPECT_FALSE(*plan.Update(spec, Clock(11, 1)));
  spec.ports = "22";
  EXPECT_TRUE(*plan.Update(spec, Clock(11, 1)));
  EXPECT_EQ(plan.state().running->Key(), "web/1/1");
  plan.End(1, RunOutcome::kComplete, Clock(11, 30));
  EXPECT_EQ(*plan.NextWake(), Clock(12));
  spec.schedule.every = hours(2);
  spec.schedule.at = minutes(15);
  EXPECT_TRUE(*plan.Update(spec, Clock(12, 20)));
  // 12:00 of the old schedule waits still; the new one begins after the change.
  ASSERT_TRUE(plan.ready());
  EXPECT_EQ(plan.Start(Clock(12, 20)).Key(), "web/3/2");
  EXPECT_EQ(*plan.NextWake(), Clock(14, 15));
  MonitorSpec other = spec;
  other.name = "other";
  EXPECT_FALSE(plan.Update(other, Clock(12, 21)).ok());
  other = spec;
  other.schedule.cron = "x";
  EXPECT_FALSE(plan.Update(other, Clock(12, 21)).ok());
  EXPECT_TRUE(plan.spec() == spec);
  spec.paused = true;
  EXPECT_TRUE(*plan.Update(spec, Clock(12, 22)));
  EXPECT_EQ(plan.NextWake(), std::nullopt);
}

TEST(MonitorPlan, SleepOfTheMachineIsMissedNotDoubled) {
  MonitorPlan plan = Plan();
  plan.Advance(Clock(16, 10));
  EXPECT_EQ(plan.state().missed, 5u);
  EXPECT_EQ(plan.state().pending->trigger, RunTrigger::kCatchUp);
}

TEST(MonitorPlan, ClockThatGoesBackALittleDoublesNothing) {
  MonitorPlan plan = Plan();
  plan.Advance(Clock(11));
  plan.Start(Clock(11));
  plan.End(1, RunOutcome::kComplete, Clock(11, 1));
  plan.Advance(Clock(10, 30));  // half an hour back, over one slot
  plan.Advance(Clock(11, 1));
  EXPECT_FALSE(plan.ready());
  EXPECT_EQ(plan.state().clock_resets, 0u);
}

TEST(MonitorPlan, ClockThatWasFarAheadDoesNotStopTheMonitor) {
  MonitorPlan plan = Plan();
  plan.Advance(At("2040-01-01"));
  ASSERT_TRUE(plan.ready());
  plan.Start(At("2040-01-01"));
  plan.End(1, RunOutcome::kComplete, Clock(11, 5));
  EXPECT_EQ(plan.state().clock_resets, 1u);
  plan.Advance(Clock(12));
  ASSERT_TRUE(plan.ready());
  EXPECT_EQ(plan.Start(Clock(12)).slot, Clock(12));
}

TEST(MonitorPlan, LongestKeyFitsTheApi) {
  RunOrder run;
  run.monitor = std::string(40, 'm');
  run.generation = 9'999'999'999;
  run.number = 99'999'999'999;
  EXPECT_LE(run.Key().size(), 64u);
}

}  // namespace
}  // namespace portolan
