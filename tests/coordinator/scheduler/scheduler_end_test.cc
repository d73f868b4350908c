// How positions, lanes and scans end: attempts, refusals, no agent, pause, cancel.
#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

TEST_F(SchedulerTest, OwedPositionsComeBackLaterAndEndAfterTheLastAttempt) {
  ScanSpec spec = MakeSpec(10, 2);
  spec.max_attempts = 3;
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x");
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_EQ(State("s"), ScanState::kRunning);
    Sync(a);
    ASSERT_EQ(a.held.size(), 1u) << attempt;
    const GrantedLease lease = a.held.begin()->second;
    EXPECT_EQ(lease.attempt, attempt);
    EXPECT_EQ(lease.ranges.size(), attempt == 1 ? 20u : 2u);
    for (const IndexRange& r : lease.ranges.ToVector()) {
      IntervalSet owed;
      if (r.begin <= 3 && 3 < r.end) owed.Add({3, 4});
      if (r.begin <= 7 && 7 < r.end) owed.Add({7, 8});
      Complete(lease.token, "x", r, owed);
    }
    a.held.clear();
    if (attempt == 3) break;
    Sync(a);
    EXPECT_TRUE(a.held.empty()) << "not due yet";
    Advance(2.0 * attempt + 0.3);
    Tick();
    EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"x"});
  }
  EXPECT_EQ(State("s"), ScanState::kPartial);
  const auto v = s->GetScan("s");
  EXPECT_EQ(v->ledger.not_probed[3], 2u);
  EXPECT_EQ(v->ledger.closed, 18u);
  ASSERT_EQ(v->lanes[0].gaps.size(), 2u);
  EXPECT_EQ(v->lanes[0].gaps[0].cause, Reason::kAttempts);
}

TEST_F(SchedulerTest, WhatOneAgentMayNotProbeIsOfferedToTheOthers) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 2))).ok());
  TestAgent a("x"), b("y");
  Sync(a);
  Sync(b);
  ASSERT_EQ(a.held.size(), 1u);
  const Token t = a.held.begin()->first;
  ASSERT_EQ(a.held.begin()->second.ranges, (IntervalSet{{0, 20}}));
  EXPECT_EQ(Complete(t, "x", {0, 20}, {{0, 5}}, {{0, 5}}).verdict, Verdict::kAccept);
  a.held.clear();
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"y"});
  Sync(a);
  EXPECT_TRUE(a.held.empty());
  Sync(b);
  ASSERT_EQ(b.held.size(), 1u);
  EXPECT_EQ(b.held.begin()->second.ranges, (IntervalSet{{0, 5}}));
  EXPECT_EQ(b.held.begin()->second.attempt, 1u) << "not an attempt";
  Complete(b.held.begin()->first, "y", {0, 5}, {{2, 5}}, {{2, 5}});
  EXPECT_EQ(State("s"), ScanState::kPartial);
  EXPECT_EQ(s->GetScan("s")->ledger.not_probed[1], 3u);
}

TEST_F(SchedulerTest, RefusedByAllWhoAreLeftWhenAnAgentDies) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 2))).ok());
  TestAgent a("x"), b("y");
  Sync(a);
  Sync(b);
  Complete(a.held.begin()->first, "x", {0, 20}, {{0, 5}}, {{0, 5}});
  a.held.clear();
  for (int i = 0; i < 4; ++i) {
    Advance(4);
    Sync(a);
    Tick();
  }
  EXPECT_EQ(State("s"), ScanState::kPartial) << "y fell silent";
  EXPECT_EQ(s->GetScan("s")->ledger.not_probed[1], 5u);
}

TEST_F(SchedulerTest, ALaneWithoutAnAgentEndsPartial) {
  ScanSpec spec = MakeSpec(10, 2);
  spec.mode = ScanMode::kEachVantage;
  spec.vantages = {"a", "b"};
  spec.lane_timeout = std::chrono::seconds(30);
  ASSERT_TRUE(Submit(MakeScan("s", spec, {"a", "b"})).ok());
  TestAgent a("x");
  for (int i = 0; i < 29; ++i) {
    Sync(a);
    FinishAll(a);
    Tick();
    Advance(1);
  }
  EXPECT_EQ(State("s"), ScanState::kRunning);
  EXPECT_NE(s->GetScan("s")->lanes[1].without_agent_since, kNever);
  Advance(2);
  Tick();
  EXPECT_EQ(State("s"), ScanState::kPartial);
  EXPECT_EQ(s->GetScan("s")->lanes[0].ledger.closed, 20u);
  EXPECT_EQ(s->GetScan("s")->lanes[1].ledger.not_probed[2], 20u);
}

TEST_F(SchedulerTest, ADrainingAgentDoesNotKeepALaneWaiting) {
  ScanSpec spec = MakeSpec(10, 2);
  spec.lane_timeout = std::chrono::seconds(30);
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x");
  a.draining = true;
  for (int i = 0; i < 40; ++i) {
    Sync(a);
    Tick();
    Advance(1);
  }
  EXPECT_EQ(State("s"), ScanState::kPartial);
}

TEST_F(SchedulerTest, APausedScanRevokesGrantsNothingAndCountsLateChunks) {
  ScanSpec spec = MakeSpec(10, 200);
  spec.lane_timeout = std::chrono::seconds(20);
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x");
  Sync(a);
  const auto [token, lease] = *a.held.begin();
  ASSERT_TRUE(s->Pause("s", now, Wall()).ok());
  ASSERT_TRUE(s->Pause("s", now, Wall()).ok());
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"x"});
  const auto d = s->Synchronize(a.Report(), now, Wall());
  EXPECT_TRUE(d->leases.empty());
  EXPECT_TRUE(d->news);
  EXPECT_EQ(Complete(token, "x", {0, 10}).verdict, Verdict::kAccept);
  a.seen = d->revision;
  a.held.clear();
  EXPECT_TRUE(Sync(a).leases.empty());
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 0u);
  Advance(100);
  Tick();
  EXPECT_EQ(State("s"), ScanState::kPaused) << "nor does its time without an agent run";
  ASSERT_TRUE(s->Resume("s", now, Wall()).ok());
  EXPECT_EQ(State("s"), ScanState::kRunning);
  const auto again = Sync(a);
  ASSERT_EQ(again.leases.size(), 1u);
  EXPECT_GT(again.leases[0].token, token);
  EXPECT_EQ(again.leases[0].attempt, 1u);
}

TEST_F(SchedulerTest, ACancelledScanEndsWhenItsLeasesAreBack) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 200))).ok());
  TestAgent a("x");
  Sync(a);
  const Token token = a.held.begin()->first;
  ASSERT_TRUE(s->Cancel("s", now, Wall()).ok());
  EXPECT_EQ(State("s"), ScanState::kCancelling);
  EXPECT_EQ(s->Resume("s", now, Wall()).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(s->Remove("s").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Sync(a).leases.empty());
  EXPECT_EQ(Complete(token, "x", {0, 10}).verdict, Verdict::kAccept) << "what is known counts";
  Sync(a);
  EXPECT_EQ(State("s"), ScanState::kCancelled);
  const auto v = s->GetScan("s");
  EXPECT_EQ(v->ledger.not_probed[4], 1990u);
  EXPECT_EQ(v->lanes[0].gaps.size(), 1u);
  ASSERT_TRUE(s->Cancel("s", now, Wall()).ok());
  ASSERT_TRUE(s->Remove("s").ok());
  EXPECT_FALSE(s->GetScan("s"));
  EXPECT_EQ(s->Remove("s").code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, ACancelledScanOfADeadAgentEndsWithItsLease) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 200))).ok());
  TestAgent a("x");
  Sync(a);
  ASSERT_TRUE(s->Cancel("s", now, Wall()).ok());
  Advance(10.1);
  Tick();
  EXPECT_EQ(State("s"), ScanState::kCancelled);
}

TEST_F(SchedulerTest, ARevokedLeaseThatIsListedForEverIsTakenAway) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 200))).ok());
  TestAgent a("x");
  Sync(a);
  ASSERT_TRUE(s->Cancel("s", now, Wall()).ok());
  AgentReport r = a.Report();
  for (int i = 0; i < 35; ++i) {
    const auto d = s->Synchronize(r, now, Wall());
    r.revision_seen = d->revision;
    Advance(1);
  }
  EXPECT_EQ(State("s"), ScanState::kCancelled);
}

TEST_F(SchedulerTest, ExcludedPositionsDoNotMakeAScanPartial) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 2))).ok());
  TestAgent a("x");
  Sync(a);
  ChunkClaim c;
  c.token = a.held.begin()->first;
  c.agent = "x";
  c.range = {0, 20};
  c.counts.open = 15;
  c.counts.not_probed[0] = 5;
  EXPECT_EQ(s->Complete(c, now, Wall()).verdict, Verdict::kAccept);
  Check();
  EXPECT_EQ(State("s"), ScanState::kComplete);
  EXPECT_EQ(s->Exclude("s", {}, now).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(s->Pause("t", now, Wall()).code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, TooManyFragmentsAreOwedAsAWhole) {
  SchedulerOptions o;
  o.max_fragments = 3;
  Make(o);
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 20))).ok());
  TestAgent a("x");
  Sync(a);
  const Token t = a.held.begin()->first;
  EXPECT_EQ(Complete(t, "x", {0, 40}, {{1, 2}, {5, 6}}).verdict, Verdict::kAccept);
  const auto v = Complete(t, "x", {40, 80}, {{41, 42}, {45, 46}});
  EXPECT_EQ(v.verdict, Verdict::kDuplicate) << "acknowledged, nothing to store";
  EXPECT_EQ(s->GetScan("s")->lanes[0].owed, 42u);
}

}  // namespace
}  // namespace portolan
