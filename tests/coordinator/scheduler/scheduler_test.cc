// Leases: granted, fenced, given back, expired, revived, shrunk.
#include "coordinator/scheduler/scheduler.h"

#include <gmock/gmock.h>

#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

TEST_F(SchedulerTest, OneAgentFinishesAScan) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(100, 200))).ok());
  TestAgent a("x");
  for (int i = 0; i < 1000 && State("s") == ScanState::kRunning; ++i) {
    Sync(a);
    FinishAll(a);
    Advance(0.5);
    Tick();
  }
  EXPECT_EQ(State("s"), ScanState::kComplete);
  const auto v = s->GetScan("s");
  EXPECT_EQ(v->ledger.closed, 20'000u);
  EXPECT_EQ(v->ledger.Done(), 20'000u);
  EXPECT_TRUE(s->ListLeases("", "").empty());
}

TEST_F(SchedulerTest, ATrillionPositionsArePlannedAtOnce) {
  ScanSpec spec;
  Block block;
  block.addresses = IpSet::Of({{IpAddress::V4(0x0a000000u), IpAddress::V4(0x0affffffu)}});
  block.ports = PortSet::Of({{1, 65535}});
  spec.space = *ScanSpace::Create({block}, 1);
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x");
  EXPECT_EQ(Sync(a).leases.size(), 1u);
}

TEST_F(SchedulerTest, AnAgentAlwaysHasTheNextLeaseBeforeTheFirstEnds) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  a.rate = 100;
  Sync(a);
  ASSERT_EQ(a.held.size(), 1u);
  const auto first = *a.held.begin();
  EXPECT_EQ(first.second.ranges.size(), 500u);  // 5 s of 100/s
  a.unprobed[first.first] = 100;                // 1 s left
  Advance(4);
  const auto d = Sync(a);
  EXPECT_TRUE(d.news);
  EXPECT_EQ(d.leases.size(), 2u);
  Advance(0.1);
  EXPECT_FALSE(Sync(a).news) << "it has enough now";
}

TEST_F(SchedulerTest, RoomLimitsAndDrainingStopsGrants) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  a.room = 70;
  EXPECT_EQ(Sync(a).leases[0].ranges.size(), 70u);
  TestAgent b("y");
  b.room = 0;
  EXPECT_TRUE(Sync(b).leases.empty());
  TestAgent c("z");
  c.draining = true;
  EXPECT_TRUE(Sync(c).leases.empty());
  TestAgent d("w");
  Sync(d);
  ASSERT_TRUE(s->Drain("w", false, now).ok());
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"w"});
  const auto decision = Sync(d);
  EXPECT_TRUE(decision.drain);
  EXPECT_TRUE(decision.news);
  EXPECT_FALSE(Sync(d).news);
  ASSERT_TRUE(s->Drain("w", true, now).ok());
  EXPECT_FALSE(Sync(d).drain);
  EXPECT_EQ(s->Drain("nobody", false, now).code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, ContextsComeWithTheFirstLeaseAndWithANewerOverlay) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  auto d = Sync(a);
  ASSERT_EQ(d.contexts.size(), 1u);
  EXPECT_TRUE(d.contexts[0].with_space);
  EXPECT_TRUE(Sync(a).contexts.empty());
  ASSERT_TRUE(s->Exclude("s", {ScopeRule{{}, {}, "10.0.0.1"}}, now).ok());
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"x"});
  d = Sync(a);
  EXPECT_TRUE(d.news);
  ASSERT_EQ(d.contexts.size(), 1u);
  EXPECT_FALSE(d.contexts[0].with_space);
  d = Sync(a);
  EXPECT_EQ(d.contexts.size(), 1u) << "as long as the agent does not say that it has it";
  EXPECT_FALSE(d.news) << "but it has been told";
  a.known["s"] = 1;
  EXPECT_TRUE(Sync(a).contexts.empty());
}

TEST_F(SchedulerTest, ALostAnswerIsRepeated) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  const auto lost = s->Synchronize(a.Report(), now, Wall());
  const auto d = Sync(a);
  EXPECT_TRUE(d.news);
  ASSERT_EQ(d.leases.size(), lost->leases.size());
  EXPECT_EQ(d.leases[0].token, lost->leases[0].token);
}

TEST_F(SchedulerTest, WhatAnAgentDoesNotListIsGivenBackWithoutPrejudice) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  Sync(a);
  const auto [token, lease] = *a.held.begin();
  a.held[token].ranges = {{0, 10}};  // the rest it gives back
  a.draining = true;
  Sync(a);
  auto v = s->GetScan("s")->lanes[0];
  EXPECT_EQ(v.leased, 10u);
  EXPECT_EQ(v.owed, 0u) << "no attempt is counted";
  EXPECT_EQ(Complete(token, "x", {5, 15}).verdict, Verdict::kFenced)
      << "it gave back a part of this";
  EXPECT_EQ(Complete(token, "x", {0, 10}).verdict, Verdict::kAccept);
}

TEST_F(SchedulerTest, ChunksCountOnce) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  Sync(a);
  const Token t = a.held.begin()->first;
  auto v = Complete(t, "x", {0, 100}, {{10, 20}});
  EXPECT_EQ(v.verdict, Verdict::kAccept);
  EXPECT_EQ(v.fresh, (IntervalSet{{0, 10}, {20, 100}}));
  EXPECT_EQ(v.counts.closed, 90u);
  v = Complete(t, "x", {0, 100}, {{10, 20}});
  EXPECT_EQ(v.verdict, Verdict::kDuplicate);
  EXPECT_EQ(s->GetScan("s")->lanes[0].owed, 10u) << "nor is the attempt counted twice";
  v = Complete(t, "x", {90, 110});
  EXPECT_EQ(v.verdict, Verdict::kTrim);
  EXPECT_EQ(v.fresh, (IntervalSet{{100, 110}}));
  EXPECT_EQ(v.counts.closed, 10u);
  EXPECT_EQ(Complete(t, "y", {200, 210}).verdict, Verdict::kFenced) << "not its lease";
  EXPECT_EQ(Complete(Token{99}, "x", {200, 210}).verdict, Verdict::kFenced);
  EXPECT_EQ(Complete(t, "x", {799'990, 800'010}).verdict, Verdict::kFenced) << "beyond the space";
  EXPECT_FALSE(s->AcceptsRow(t, "x", 50));
  EXPECT_TRUE(s->AcceptsRow(t, "x", 300));
  EXPECT_FALSE(s->AcceptsRow(t, "y", 300));
  EXPECT_TRUE(s->IsDone(v.lane, {0, 10}));
  EXPECT_FALSE(s->IsDone(v.lane, {0, 11}));
}

TEST_F(SchedulerTest, ARepeatOfAFinishedLeaseIsADuplicateNotFenced) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  Sync(a);
  const auto [token, lease] = *a.held.begin();
  const IndexRange all = lease.ranges.ToVector()[0];
  EXPECT_EQ(Complete(token, "x", all).verdict, Verdict::kAccept);
  EXPECT_EQ(Complete(token, "x", all).verdict, Verdict::kDuplicate);
}

TEST_F(SchedulerTest, ALateReportOfAnExpiredLeaseCountsUntilItsRangeIsGrantedAnew) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 20))).ok());
  TestAgent a("x");
  a.rate = 0;
  Sync(a);
  const Token old = a.held.begin()->first;
  const uint64_t size = a.held.begin()->second.ranges.size();
  ASSERT_EQ(size, 100u);  // half of what there is
  Advance(11);
  Tick();
  EXPECT_EQ(s->counters().leases_expired, 1u);
  EXPECT_EQ(s->GetScan("s")->lanes[0].owed, 100u);
  EXPECT_TRUE(s->AcceptsRow(old, "x", 3));
  EXPECT_EQ(Complete(old, "x", {0, 30}).verdict, Verdict::kAccept) << "late, but the newest";
  TestAgent b("y");
  Sync(b);
  ASSERT_FALSE(b.held.empty());
  const auto& first = b.held.begin()->second;
  EXPECT_EQ(first.attempt, 2u) << "what expired comes first";
  ASSERT_TRUE(first.ranges.Contains(40));
  EXPECT_EQ(Complete(old, "x", {40, 50}).verdict, Verdict::kFenced);
  EXPECT_FALSE(s->AcceptsRow(old, "x", 45));
  EXPECT_EQ(Complete(first.token, "y", {40, 50}).verdict, Verdict::kAccept);
}

TEST_F(SchedulerTest, AFrozenAgentGetsBackWhatNobodyElseWasGiven) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 20))).ok());
  TestAgent a("x");
  a.rate = 0;
  Sync(a);
  const Token token = a.held.begin()->first;
  Advance(30);
  Tick();
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 0u);
  const auto d = Sync(a);
  EXPECT_TRUE(d.news);
  EXPECT_EQ(d.leases[0].token, token);
  EXPECT_EQ(s->ListLeases("", "x").front().token, token);
}

TEST_F(SchedulerTest, ANewIncarnationLosesWhatTheOldOneHeldAndTheOldOneIsSentAway) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  Sync(a);
  s->SetConnected("x", false, now);
  Advance(1);
  TestAgent b("x");
  b.incarnation = "two";
  b.vantage = "b";
  Sync(b);
  EXPECT_EQ(s->counters().leases_expired, 1u);
  EXPECT_EQ(s->Synchronize(a.Report(), now, Wall()).status().code(), absl::StatusCode::kAborted);
  b.vantage = "c";
  EXPECT_EQ(s->Synchronize(b.Report(), now, Wall()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SchedulerTest, BadReportsChangeNothing) {
  TestAgent a("");
  EXPECT_EQ(s->Synchronize(a.Report(), now, Wall()).status().code(),
            absl::StatusCode::kInvalidArgument);
  TestAgent b("x");
  b.rate = -1;
  EXPECT_EQ(s->Synchronize(b.Report(), now, Wall()).status().code(),
            absl::StatusCode::kInvalidArgument);
  b.rate = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(s->Synchronize(b.Report(), now, Wall()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(s->ListAgents().empty());
}

TEST_F(SchedulerTest, ClaimsBeyondWhatWasGrantedAreIgnored) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x"), thief("t");
  Sync(a);
  Sync(thief);
  const Token mine = a.held.begin()->first;
  const Token other = thief.held.begin()->first;
  const auto before = s->GetScan("s")->lanes[0];
  AgentReport r = thief.Report();
  r.leases.push_back({mine, {{0, 800'000}}, 800'000});
  r.leases.push_back({Token{12345}, {{0, UINT64_MAX}}, UINT64_MAX});
  r.leases[0].ranges.Add({0, 800'000});
  r.leases[0].unprobed = UINT64_MAX;
  r.revision_seen = UINT64_MAX;
  const auto d = s->Synchronize(r, now, Wall());
  ASSERT_TRUE(d.ok());
  Check();
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, before.leased);
  for (const auto& l : d->leases) EXPECT_EQ(l.token, other);
}

TEST_F(SchedulerTest, AnIdleAgentTakesOverTheTailOfAStraggler) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 200))).ok());
  TestAgent slow("slow"), fast("fast");
  slow.rate = 0;
  Sync(slow);
  ASSERT_EQ(s->GetScan("s")->lanes[0].leased, 1000u);
  fast.rate = 1000;
  for (int i = 0; i < 20 && s->GetScan("s")->lanes[0].pending > 0; ++i) {
    Sync(fast);
    FinishAll(fast);
  }
  slow.rate = 10;
  slow.unprobed[slow.held.begin()->first] = 900;
  Sync(slow);
  Sync(fast);
  Advance(0.5);
  Tick();
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"slow"});
  const Token token = slow.held.begin()->first;
  AgentReport before = slow.Report();
  const auto d = s->Synchronize(before, now, Wall());
  ASSERT_EQ(d->leases.size(), 1u);
  EXPECT_LT(d->leases[0].ranges.size(), 120u) << "its part of the rest at a hundredth of the speed";
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 1000u) << "until it confirms";
  slow.Obey(*d);
  // it had begun a little more
  slow.held[token].ranges.Add({slow.held[token].ranges.ToVector().back().end, 130});
  slow.unprobed[token] = 5;
  s->TakeWoken();
  Sync(slow);
  EXPECT_TRUE(slow.held[token].ranges.Contains(129)) << "its word is final";
  EXPECT_THAT(s->TakeWoken(), ::testing::Contains("fast"));
  for (int i = 0; i < 8; ++i) {
    Sync(fast);
    FinishAll(fast);
  }
  EXPECT_EQ(s->counters().leases_shrunk, 1u);
  const auto left = s->GetScan("s")->lanes[0];
  EXPECT_LT(left.planned - left.ledger.Done(), 160u) << "of 900 that were the straggler's";
}

TEST_F(SchedulerTest, AnAgentThatNeverSeesAnAnswerLosesItsLeases) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 20))).ok());
  TestAgent a("x");
  Sync(a);
  const AgentReport same = a.Report();
  ASSERT_TRUE(s->Exclude("s", {ScopeRule{{}, {}, "r"}}, now).ok());
  for (int i = 0; i < 40; ++i) {
    Advance(1);
    ASSERT_TRUE(s->Synchronize(same, now, Wall()).ok());
    Check();
  }
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 0u);
}

TEST_F(SchedulerTest, OnlyThoseWithNewsAreWoken) {
  TestAgent a("x"), b("y"), c("z", "elsewhere");
  Sync(a);
  Sync(b);
  Sync(c);
  EXPECT_TRUE(s->TakeWoken().empty());
  ScanSpec spec = MakeSpec(4000, 200);
  spec.vantages = {"a"};
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  EXPECT_EQ(s->TakeWoken(), (std::vector<std::string>{"x", "y"}));
  Sync(a);
  EXPECT_TRUE(s->TakeWoken().empty());
}

TEST_F(SchedulerTest, AnAgentToAvoidGetsWorkOnlyWhileItIsAlone) {
  TestAgent a("x"), b("y"), other("z", "elsewhere");
  Sync(a);
  Sync(other);
  ScanSpec spec = MakeSpec(100, 200);
  spec.avoid_agents = {"x"};
  ASSERT_TRUE(Submit(MakeScan("alone", spec, {"a"})).ok());
  EXPECT_FALSE(Sync(a).leases.empty()) << "who is elsewhere cannot help";
  FinishAll(a);
  for (int i = 0; i < 1000 && State("alone") == ScanState::kRunning; ++i) {
    Sync(a);
    FinishAll(a);
    Advance(0.5);
    Tick();
  }
  Sync(b);
  ASSERT_TRUE(Submit(MakeScan("two", spec, {"a"})).ok());
  EXPECT_TRUE(Sync(a).leases.empty());
  EXPECT_FALSE(Sync(b).leases.empty());
  // The other one goes: then rather this one than nobody.
  Advance(5);
  Sync(a);
  Advance(6);
  Tick();
  EXPECT_FALSE(Sync(a).leases.empty());
}

TEST_F(SchedulerTest, TooManyAgentsAndScansAreRefused) {
  SchedulerOptions o;
  o.max_agents = 2;
  o.max_running_scans = 1;
  Make(o);
  TestAgent a("x"), b("y"), c("z");
  Sync(a);
  Sync(b);
  EXPECT_EQ(s->Synchronize(c.Report(), now, Wall()).status().code(),
            absl::StatusCode::kResourceExhausted);
  Advance(11);
  Tick();
  Sync(b);
  EXPECT_TRUE(s->Synchronize(c.Report(), now, Wall()).ok()) << "x has been silent";
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 20))).ok());
  EXPECT_EQ(s->Submit(MakeScan("t", MakeSpec(10, 20)), now, Wall()).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(SchedulerTest, ASilentAgentIsForgottenAfterTenMinutes) {
  TestAgent a("x");
  Sync(a);
  Advance(11);
  Tick();
  ASSERT_EQ(s->ListAgents().size(), 1u);
  EXPECT_FALSE(s->ListAgents()[0].live);
  EXPECT_TRUE(s->LiveVantages().empty());
  Advance(600);
  Tick();
  EXPECT_TRUE(s->ListAgents().empty());
}

}  // namespace
}  // namespace portolan
