// Several processes of one name, and agents that leave.
#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

class NamesTest : public SchedulerTest {
 protected:
  // A process that calls, as `Sync` does, and may have to wait or to end.
  absl::StatusOr<SyncDecision> Call(TestAgent& a) {
    auto d = s->Synchronize(a.Report(), now, Wall());
    Check();
    Keep();
    if (d.ok() && d->wait == Duration::zero()) a.Obey(*d);
    return d;
  }
  static TestAgent Process(const std::string& incarnation) {
    TestAgent a("x");
    a.incarnation = incarnation;
    return a;
  }
  std::string Holder() { return s->ListAgents().at(0).incarnation; }
};

TEST_F(NamesTest, TheSecondWaitsHoldingNothingAndWakesTheFirst) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  s->TakeWoken();
  const auto d = Call(b);
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_GT(d->wait, Duration::zero());
  EXPECT_TRUE(d->news);
  EXPECT_TRUE(d->leases.empty());
  EXPECT_EQ(Holder(), "one");
  EXPECT_EQ(s->counters().leases_expired, 0u);
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"x"});
  EXPECT_TRUE(Sync(a).news) << "its parked call is answered, so that it calls again";
}

TEST_F(NamesTest, TheSecondEndsOnceTheFirstHasAnsweredAndTheFirstLosesNothing) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  const auto held = a.held;
  ASSERT_TRUE(Call(b).ok());
  Sync(a);  // answered: it has heard of the new revision
  Sync(a);  // and says so
  EXPECT_EQ(Call(b).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Holder(), "one");
  EXPECT_EQ(s->counters().leases_expired, 0u);
  ASSERT_FALSE(a.held.empty());
  EXPECT_EQ(a.held.begin()->first, held.begin()->first);
}

// Each is started again when it ends: they must not end each other for ever.
TEST_F(NamesTest, TwoThatAreStartedAgainAndAgainDoNotDisturbTheFirst) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a = Process("one");
  Sync(a);
  int ended = 0;
  for (int i = 0; i < 50; ++i) {
    TestAgent b = Process("other" + std::to_string(i));
    for (int call = 0; call < 10; ++call) {
      Sync(a);
      Advance(1);
      Tick();
      if (Call(b).ok()) continue;
      ++ended;
      break;
    }
  }
  EXPECT_EQ(ended, 50);
  EXPECT_EQ(Holder(), "one");
  EXPECT_EQ(s->counters().leases_expired, 0u);
}

TEST_F(NamesTest, AProcessThatWasKilledIsReplacedWhenItsConnectionIsGone) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  s->SetConnected("x", false, now);
  Advance(1);
  const auto d = Call(b);
  ASSERT_TRUE(d.ok());
  EXPECT_EQ(d->wait, Duration::zero());
  EXPECT_FALSE(d->leases.empty());
  EXPECT_EQ(Holder(), "two");
  EXPECT_EQ(s->Synchronize(a.Report(), now, Wall()).status().code(), absl::StatusCode::kAborted);
}

TEST_F(NamesTest, AProcessWhoseMachineDiedIsReplacedWithinTwoTerms) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  double waited = 0;
  for (; waited < 30 && Holder() == "one"; waited += 1) {
    Advance(1);
    Tick();
    ASSERT_TRUE(Call(b).ok());
  }
  EXPECT_EQ(Holder(), "two");
  EXPECT_LE(waited, 2 * ToSeconds(SchedulerOptions().lease_term));
}

// One that has lost its way has no more than a lease term to probe; nobody is heard of twice.
TEST_F(NamesTest, AProcessThatHearsNoAnswerIsReplacedAfterTwoTerms) {
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  int refused = 0;
  double waited = 0;
  for (; waited < 30 && Holder() == "one"; waited += 1) {
    s->Synchronize(a.Report(), now, Wall()).IgnoreError();  // calls, and never takes an answer over
    Advance(1);
    Tick();
    refused += !Call(b).ok();
  }
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(Holder(), "two");
  EXPECT_EQ(waited, 21) << "two terms after its first call";
}

TEST_F(NamesTest, AfterARestartTheNameIsHeldForWhoeverListsItsLeases) {
  const ScanRecord record = MakeScan("s", MakeSpec(4000, 200));
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  ScanRecord stored = record;
  for (const auto& [token, l] : a.held)
    stored.leases.push_back({token, l.lane, "x", l.ranges.ToVector(), 1, true});
  const auto restart = [&](bool may_return) {
    SchedulerOptions options;
    options.restored_agents_may_return = may_return;
    s = std::make_unique<Scheduler>(options, Token{1000});
    s->Restore(stored, now);
    a.seen = 0;
  };
  restart(true);
  EXPECT_GT(Call(b)->wait, Duration::zero());
  Sync(a);
  EXPECT_FALSE(a.held.empty());
  Sync(a);
  EXPECT_EQ(Call(b).status().code(), absl::StatusCode::kAlreadyExists);

  restart(true);  // it was killed in the meantime
  TestAgent c = Process("three");
  EXPECT_GT(Call(c)->wait, Duration::zero());
  Advance(10);
  Tick();
  EXPECT_EQ(Call(c)->wait, Duration::zero());

  restart(false);
  TestAgent d = Process("four");
  EXPECT_EQ(Call(d)->wait, Duration::zero());
}

TEST_F(NamesTest, AnAgentThatDrainedAndEndsIsNoLongerPartOfTheFleet) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 20))).ok());
  TestAgent a = Process("one");
  Sync(a);
  a.draining = a.leaving = true;
  EXPECT_FALSE(Sync(a).left) << "it still holds a lease";
  ASSERT_EQ(s->ListAgents().size(), 1u);
  a.held.clear();  // given back, or done
  const SyncDecision d = Sync(a);
  EXPECT_TRUE(d.left);
  EXPECT_TRUE(d.news) << "it does not wait";
  EXPECT_TRUE(s->ListAgents().empty());
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 0u);
  // Its farewell, delivered twice.
  EXPECT_TRUE(Sync(a).left);
  EXPECT_TRUE(s->ListAgents().empty());
  // Another takes over what it left.
  TestAgent b("y");
  EXPECT_FALSE(Sync(b).leases.empty());
}

TEST_F(NamesTest, WhatAnAgentHasNotHeardOfGoesBackWhenItLeaves) {
  TestAgent a = Process("one");
  Sync(a);
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(10, 20))).ok());
  s->Synchronize(a.Report(), now, Wall()).IgnoreError();  // a grant whose answer is lost
  ASSERT_GT(s->GetScan("s")->lanes[0].leased, 0u);
  a.draining = a.leaving = true;
  EXPECT_TRUE(Sync(a).left);
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 0u);
  EXPECT_TRUE(s->ListLeases("", "").empty());
}

TEST_F(NamesTest, OneThatAnOperatorDrainedStaysInTheListAndItsNextProcessIsDrained) {
  TestAgent a = Process("one");
  Sync(a);
  ASSERT_TRUE(s->Drain("x", false, now).ok());
  Sync(a);
  a.draining = a.leaving = true;
  EXPECT_TRUE(Sync(a).left);
  ASSERT_EQ(s->ListAgents().size(), 1u);
  EXPECT_TRUE(s->ListAgents()[0].left);
  EXPECT_FALSE(s->ListAgents()[0].live);
  TestAgent b = Process("two");
  EXPECT_TRUE(Sync(b).drain);
  EXPECT_FALSE(s->ListAgents()[0].left);
}

TEST_F(NamesTest, ASecondThatLeavesDoesNotTouchTheFirst) {
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  b.draining = b.leaving = true;
  EXPECT_TRUE(Call(b)->left);
  EXPECT_EQ(Holder(), "one");
}

// A process that is stopped, and the next one that is started before the first has ended.
TEST_F(NamesTest, WhoIsReplacedWhileItDrainsIsWaitedFor) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a = Process("one"), b = Process("two");
  Sync(a);
  a.draining = a.leaving = true;
  for (int i = 0; i < 40; ++i) {
    Sync(a);
    Advance(1);
    const auto d = Call(b);
    ASSERT_TRUE(d.ok()) << d.status();
    ASSERT_GT(d->wait, Duration::zero());
  }
  a.held.clear();
  Sync(a);
  EXPECT_EQ(Call(b)->wait, Duration::zero());
  EXPECT_EQ(Holder(), "two");
}

}  // namespace
}  // namespace portolan
