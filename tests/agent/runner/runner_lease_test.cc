// Leases: how they begin, are changed, and end.
#include "tests/agent/runner/runner_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Runner, NothingStartsAtOrAfterTheDeadline) {
  for (bool silent : {false, true}) {
    RunnerHarness h(silent ? FakeEngine::Network(AllSilent) : FakeEngine::Network(AllClosed));
    h.AddScan("s", MakeSpace(1, 100, 100));
    h.runner.SetShare("s", 1000);
    const Time deadline = h.clock.Now() + seconds(3);
    h.Grant(1, "s", IntervalSet{{0, 10'000}}, seconds(3));
    h.RunFor(seconds(30));
    for (const auto& started : h.engine.started()) ASSERT_LT(started.at, deadline);
    EXPECT_TRUE(h.runner.idle());  // what was begun has been reported
    EXPECT_EQ(h.sink.Positions(Token{1}).size(), h.runner.counters().begun);
    EXPECT_LT(h.clock.Now(), deadline + seconds(40));
    // Renewed, it goes on where it was.
    const uint64_t begun = h.runner.counters().begun;
    EXPECT_EQ(h.ProgressOf(1).unprobed, 10'000 - begun);
    h.runner.Renew(Token{1}, kNever);
    h.RunToEnd();
    EXPECT_EQ(h.sink.Positions(Token{1}), (IntervalSet{{0, 10'000}}));
  }
}

TEST(Runner, OpenChunkOfAnExpiredLeaseEndsWithItsLastAnswer) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 1, 100));
  h.Grant(1, "s", IntervalSet{{0, 100}},
          seconds(2));  // first tries end after 1.5 s, retries would start at 2.5 s
  const Time begin = h.clock.Now();
  h.RunFor(milliseconds(2010));
  EXPECT_TRUE(h.runner.idle());
  EXPECT_EQ(h.sink.Count(kChunkClosed), 100u);
  EXPECT_LE(h.clock.Now() - begin, milliseconds(2011));
}

TEST(Runner, ProcessStoppedInTheMiddleOfAStepSendsNothingPastTheLease) {
  FakeClock* clock = nullptr;
  int asked = 0;
  RunnerHarness h([&](const IpAddress&, uint16_t) {
    if (++asked == 20) clock->Advance(std::chrono::hours(1));  // stopped here, and woken
    return FakeAnswer::Closed(milliseconds(1));
  });
  clock = &h.clock;
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.Grant(1, "s", IntervalSet{{0, 10'000}}, seconds(15));
  h.RunFor(seconds(60));
  EXPECT_EQ(h.engine.started().size(), 20u);
  EXPECT_TRUE(h.runner.idle());
  EXPECT_EQ(h.sink.CountState(State::kClosed), 20u);
  EXPECT_LE(h.sink.Count(kChunkClosed), 64u);
  EXPECT_EQ(h.runner.counters().local_failures, 0u);
}

TEST(Runner, RevokedLeaseStartsNothingMoreAndReportsWhatItKnows) {
  RunnerHarness h(Mixed);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunFor(milliseconds(1600));
  const size_t started = h.engine.started().size();
  h.runner.Revoke(Token{1});
  EXPECT_FALSE(h.runner.has_work());
  EXPECT_EQ(h.ProgressOf(1).ranges.size(),
            h.runner.counters().begun);  // it answers for what was begun
  EXPECT_EQ(h.ProgressOf(1).unprobed, 0u);
  EXPECT_FALSE(h.ProgressOf(1).reported);
  h.RunFor(milliseconds(1500));
  EXPECT_TRUE(h.runner.idle());
  EXPECT_TRUE(h.ProgressOf(1).reported);
  EXPECT_EQ(h.engine.started().size(), started);
  EXPECT_EQ(h.sink.Positions(Token{1}).size(), h.runner.counters().begun);
  EXPECT_GT(h.sink.CountState(State::kOpen), 0u);
  h.runner.Forget(Token{1});
  EXPECT_TRUE(h.runner.Progress().empty());
}

TEST(Runner, ForgottenLeaseIsGoneAtOnceAndWhatIsInFlightStillReported) {
  RunnerHarness h(Mixed);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunFor(milliseconds(1600));
  const size_t started = h.engine.started().size();
  h.runner.Forget(Token{1});
  EXPECT_TRUE(h.runner.Progress().empty());
  h.RunFor(milliseconds(1500));
  EXPECT_TRUE(h.runner.idle());
  EXPECT_EQ(h.engine.started().size(), started);
  EXPECT_EQ(h.sink.Positions(Token{1}).size(), h.runner.counters().begun);
}

TEST(Runner, ShrunkLeaseKeepsWhatWasBegun) {
  RunnerHarness h(AllClosed);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunFor(milliseconds(500));
  const uint64_t begun = h.runner.counters().begun;
  h.runner.Shrink(Token{1}, IntervalSet{{100, 200}, {900, 1000}});
  const IntervalSet expected{{0, begun}, {900, 1000}};
  EXPECT_EQ(h.ProgressOf(1).ranges, expected);
  EXPECT_EQ(h.ProgressOf(1).unprobed, 100u);
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{1}), expected);
  EXPECT_TRUE(h.ProgressOf(1).reported);
}

TEST(Runner, DrainingGivesBackWhatWasNotBegunAndFinishesTheRest) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.Grant(2, "s", IntervalSet{{10'000 - 10, 10'000}}, seconds(100));
  h.RunFor(milliseconds(500));
  h.runner.SetDraining(true);
  const uint64_t begun = h.runner.counters().begun;
  EXPECT_EQ(h.ProgressOf(1).ranges, (IntervalSet{{0, begun}}));
  EXPECT_FALSE(h.ProgressOf(1).reported);
  EXPECT_TRUE(h.ProgressOf(2).ranges.empty());
  EXPECT_TRUE(h.ProgressOf(2).reported);
  h.Grant(3, "s", IntervalSet{{5000, 6000}});
  EXPECT_TRUE(h.ProgressOf(3).ranges.empty());
  h.RunToEnd(seconds(20));
  EXPECT_EQ(h.sink.Count(kNoResponse), begun);  // retries included: nothing owed
  EXPECT_TRUE(h.ProgressOf(1).reported);
  h.runner.SetDraining(false);
  h.Grant(4, "s", IntervalSet{{5000, 5010}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{4}).size(), 10u);
}

TEST(Runner, ShareOfZeroHoldsTheLease) {
  RunnerHarness h(AllClosed);
  h.runner.SetShare("s", 0);  // before the context is there
  h.AddScan("s", MakeSpace(1, 10, 10));
  h.Grant(1, "s", IntervalSet{{0, 100}});
  h.RunFor(seconds(100));
  EXPECT_TRUE(h.engine.started().empty());
  EXPECT_EQ(h.ProgressOf(1).unprobed, 100u);
  EXPECT_EQ(h.runner.Step(h.clock.Now(), h.clock.Wall()), kNever);  // asleep
  h.runner.SetShare("s", -1);
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kClosed), 100u);
}

TEST(Runner, GrantSaysWhatIsWrong) {
  RunnerHarness h(AllClosed);
  AgentLease lease;
  lease.token = Token{1};
  lease.scan = "s";
  lease.ranges = IntervalSet{{0, 100}};
  EXPECT_EQ(h.runner.Grant(lease).code(), absl::StatusCode::kNotFound);
  h.AddScan("s", MakeSpace(1, 1, 99));
  EXPECT_EQ(h.runner.Grant(lease).code(), absl::StatusCode::kInvalidArgument);
  lease.ranges = IntervalSet{{0, 99}};
  EXPECT_EQ(h.runner.Grant(lease), absl::OkStatus());
  EXPECT_EQ(h.runner.Grant(lease).code(), absl::StatusCode::kAlreadyExists);
}

TEST(Runner, DroppedScanIsRevokedAndForgotten) {
  RunnerHarness h(AllSilent);
  h.AddScan("a", MakeSpace(1, 100, 100));
  h.AddScan("b", MakeSpace(2, 10, 10));
  h.Grant(1, "a", IntervalSet{{0, 10'000}});
  h.Grant(2, "b", IntervalSet{{0, 100}});
  h.RunFor(milliseconds(1));
  h.runner.DropContext("a");
  h.runner.DropContext("unknown");
  EXPECT_EQ(h.runner.Progress().size(), 1u);
  EXPECT_EQ(h.runner.KnownScans().size(), 1u);
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{2}).size(), 100u);
  EXPECT_GT(h.sink.Positions(Token{1}).size(), 0u);
}

}  // namespace
}  // namespace portolan
