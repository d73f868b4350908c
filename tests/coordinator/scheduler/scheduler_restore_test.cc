// A coordinator that takes over what another left.
#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

// What the changes say, in the form of a record. No chunks.
ScanRecord Replay(ScanRecord r, const std::vector<Change>& changes) {
  std::map<Token, LeaseRecord> leases;
  for (const Change& c : changes) {
    if (const auto* put = std::get_if<PutLease>(&c)) leases[put->lease.token] = put->lease;
    if (const auto* drop = std::get_if<DropLease>(&c)) leases.erase(drop->token);
    if (const auto* state = std::get_if<PutScanState>(&c))
      r.state = state->state, r.started = state->started;
    if (const auto* attempts = std::get_if<PutAttempts>(&c))
      r.lanes[0].attempts = attempts->attempts;
    if (const auto* gaps = std::get_if<PutGaps>(&c)) {
      for (const Gap& g : gaps->gaps) {
        r.lanes[0].gaps.push_back(g);
        r.lanes[0].done.Add(g.range);
        r.lanes[0].ledger.Count({State::kNotProbed, g.cause}, g.range.size());
      }
    }
  }
  for (const auto& entry : leases) r.leases.push_back(entry.second);
  return r;
}

class RestoreTest : public SchedulerTest {
 protected:
  // Half of the scan to a lease, so that there is something left.
  static SchedulerOptions Options() {
    SchedulerOptions options;
    options.max_lease = 1000;
    return options;
  }
  RestoreTest() { Make(Options()); }

  // The coordinator dies, and another starts with what was stored.
  void Restart() {
    Keep();
    ScanRecord r = Replay(record, changes);
    r.lanes[0].done.Add(done);
    r.lanes[0].ledger.closed += done.size();
    const Token next = s->next_token();
    s = std::make_unique<Scheduler>(Options(), next);
    s->Restore(r, now);
    Check();
    for (TestAgent* a : agents) a->seen = 0;
  }
  void Count(Token t, const std::string& agent, IndexRange range, IntervalSet owed = {}) {
    done.Add(Complete(t, agent, range, std::move(owed)).fresh);
  }
  ScanRecord record = MakeScan("s", MakeSpec(10, 200));
  IntervalSet done;
  std::vector<TestAgent*> agents;
};

TEST_F(RestoreTest, LeasesGoOnAndNothingDoneIsRepeated) {
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a("x");
  agents = {&a};
  Sync(a);
  const Token token = a.held.begin()->first;
  Count(token, "x", {0, 100});
  Restart();
  EXPECT_EQ(State("s"), ScanState::kRunning);
  auto v = s->GetScan("s");
  EXPECT_EQ(v->ledger.closed, 100u);
  EXPECT_EQ(v->lanes[0].leased, 900u);
  EXPECT_NE(v->started, WallTime());
  const auto d = Sync(a);
  EXPECT_TRUE(d.news);
  EXPECT_EQ(d.leases[0].token, token);
  EXPECT_EQ(Complete(token, "x", {0, 100}).verdict, Verdict::kDuplicate);
  EXPECT_EQ(Complete(token, "x", {100, 200}).verdict, Verdict::kAccept);
}

TEST_F(RestoreTest, WhatTheAgentDoesNotHoldAnyMoreGoesBackWithoutAnAttempt) {
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a("x");
  agents = {&a};
  Sync(a);
  Restart();
  a.held.begin()->second.ranges = IntervalSet{{0, 10}};
  const auto d = Sync(a);
  ASSERT_GE(d.leases.size(), 2u) << "what it listed, and what went back and is granted anew";
  for (const auto& l : d.leases) EXPECT_EQ(l.attempt, 1u);
}

TEST_F(RestoreTest, ARestoredLeaseWhoseAgentNeverCallsExpires) {
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a("x");
  Sync(a);
  Restart();
  Advance(9.9);
  Tick();
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 1000u);
  Advance(0.2);
  Tick();
  EXPECT_EQ(s->GetScan("s")->lanes[0].leased, 0u);
  EXPECT_EQ(s->GetScan("s")->lanes[0].owed, 1000u);
}

TEST_F(RestoreTest, ExpiredLeasesAreStillTheNewestAndTheirAttemptIsRemembered) {
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a("x");
  agents = {&a};
  Sync(a);
  const Token token = a.held.begin()->first;
  Advance(11);
  Tick();
  Restart();
  EXPECT_EQ(s->GetScan("s")->lanes[0].owed, 1000u);
  Count(token, "x", {0, 10});
  EXPECT_EQ(s->GetScan("s")->ledger.closed, 10u);
  TestAgent b("y");
  EXPECT_EQ(Sync(b).leases[0].attempt, 2u);
}

TEST_F(RestoreTest, AttemptsOfOwedPositionsAreRemembered) {
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a("x");
  agents = {&a};
  Sync(a);
  const auto [token, lease] = *a.held.begin();
  for (const IndexRange& r : lease.ranges.ToVector()) Count(token, "x", r, {{5, 6}, {8, 9}});
  a.held.clear();
  Tick();
  Restart();
  EXPECT_EQ(s->GetScan("s")->lanes[0].owed, 2u);
}

TEST_F(RestoreTest, TokensGoOnRising) {
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a("x"), b("y");
  agents = {&a, &b};
  Sync(a);
  const Token last = a.held.rbegin()->first;
  Restart();
  Sync(b);
  EXPECT_GT(b.held.begin()->first, last);
}

TEST_F(RestoreTest, RatesWaitUntilFormerHoldersHaveCalled) {
  ScanSpec spec = *record.spec;
  spec.max_rate = 100;
  record.spec = std::make_shared<const ScanSpec>(spec);
  ASSERT_TRUE(Submit(record).ok());
  TestAgent a("x"), b("y");
  agents = {&a};
  Sync(a);
  EXPECT_DOUBLE_EQ(a.shares["s"], 100);
  Restart();
  EXPECT_TRUE(Sync(b).leases.empty()) << "x may be using all of it";
  Sync(a);
  Tick();
  Sync(a);
  Sync(a);
  EXPECT_DOUBLE_EQ(a.shares["s"], 50);
  Sync(b);
  EXPECT_DOUBLE_EQ(b.shares["s"], 50);
}

TEST_F(RestoreTest, ACancellingScanWithoutLeasesEndsAtOnce) {
  record.state = ScanState::kCancelling;
  s->Restore(record, now);
  Check();
  EXPECT_EQ(State("s"), ScanState::kCancelled);
  EXPECT_FALSE(s->TakeChanges().empty());
}

TEST_F(RestoreTest, TheNewerTokenWinsShouldTwoClaimAPosition) {
  record.leases.push_back({Token{3}, record.lanes[0].id, "x", {{0, 100}}, 1, true});
  record.leases.push_back({Token{7}, record.lanes[0].id, "y", {{50, 200}}, 2, true});
  s->Restore(record, now);
  Check();
  EXPECT_TRUE(s->AcceptsRow(Token{3}, "x", 49));
  EXPECT_FALSE(s->AcceptsRow(Token{3}, "x", 50));
  EXPECT_TRUE(s->AcceptsRow(Token{7}, "y", 50));
  EXPECT_EQ(s->next_token(), Token{8});
}

}  // namespace
}  // namespace portolan
