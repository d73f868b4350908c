#include <gmock/gmock.h>

#include "tests/coordinator/control/control_fixture.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;
bool NoneOpen(const ScanSpace::Endpoint&) { return false; }

using ControlFullDisk = ControlTest;

TEST_F(ControlFullDisk, NothingIsGrantedThenItGoesOnByItself) {
  FakeAgent agent(*control_, "a1", "lab");
  auto scan = Create(Request("10.0.0.0/24", "1-400"));
  ASSERT_TRUE(scan.ok());
  ASSERT_TRUE(agent.Sync().ok());
  const uint64_t held = agent.held();
  ASSERT_GT(held, 0u);
  ASSERT_LT(held, 102'400u);

  disk_->Fill();
  Advance(std::chrono::seconds(2));
  EXPECT_THAT(Get(scan->id)->message, HasSubstr("full: free space"));
  EXPECT_FALSE(control_->Ready().ok());
  // What the agent sends is taken in, but not acknowledged; its leases are renewed, and nothing is
  // added.
  ASSERT_TRUE(agent.OpenStream());
  for (const GrantedLease& lease : agent.leases()) {
    control_->Report(agent.stream(), agent.NextSeq(), agent.MakeBatch(lease, NoneOpen), 1000);
  }
  Settle();
  EXPECT_EQ(agent.peer().acked(), 0u);
  for (int i = 0; i < 10; ++i) {
    auto call = agent.Begin();
    Advance(options_.scheduler.lease_term / 2);
    auto answer = call.Wait();
    ASSERT_TRUE(answer.ok()) << answer.status();
    for (const GrantedLease& lease : answer->decision.leases) {
      EXPECT_LE(lease.token, agent.leases().back().token) << "granted on a full disk";
    }
  }
  const absl::Status refused = Create(Request()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("free space"));

  disk_->Empty();
  EXPECT_TRUE(agent.peer().WaitAcked(1));
  auto finished = Play(scan->id, {&agent}, NoneOpen);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->state, ScanState::kComplete);
  EXPECT_EQ(finished->ledger.closed, 102'400u);
  EXPECT_TRUE(control_->Ready().ok());
}

TEST_F(ControlFullDisk, AGrantIsNotToldBeforeItsCommit) {
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(Create(Request("10.0.0.0/24", "1-400")).ok());
  // The disk fills between the decision and the commit: nothing tells the scheduler yet.
  disk_->HoldWrites();
  auto call = agent.Begin();
  Settle();
  EXPECT_FALSE(call.ready());
  // The agent gives up and calls again: still nothing of the lease, because a coordinator that
  // started anew could give its token to another.
  auto again = agent.Begin();
  EXPECT_EQ(call.Wait().status().code(), absl::StatusCode::kCancelled);
  Settle();
  EXPECT_FALSE(again.ready());
  disk_->Empty();
  auto answer = again.Wait();
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(answer->decision.leases.empty());
}

TEST_F(ControlFullDisk, AScanHasNotFinishedBeforeItsLastResultsAreCommitted) {
  FakeAgent agent(*control_, "a1", "lab");
  auto scan = Create(Request("10.0.0.1", "80"));
  ASSERT_TRUE(scan.ok());
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_EQ(agent.held(), 1u);
  ASSERT_TRUE(agent.OpenStream());
  disk_->HoldWrites();
  control_->Report(agent.stream(), agent.NextSeq(), agent.MakeBatch(agent.leases()[0], NoneOpen),
                   1000);
  Settle();
  const auto before = Get(scan->id);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(before->ledger.closed, 1u);
  EXPECT_EQ(before->state, ScanState::kRunning);
  disk_->Empty();
  ASSERT_TRUE(agent.peer().WaitAcked(1));
  Settle();
  const auto after = Get(scan->id);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->state, ScanState::kComplete);
}

TEST_F(ControlFullDisk, NobodyIsToldOfAScanThatIsNotStored) {
  disk_->HoldWrites();  // it fills between the look at it and the commit
  Waiter<ScanStatus> created;
  control_->CreateScan(Request(), "", "", created.done());
  Settle();
  EXPECT_FALSE(created.ready());
  disk_->Empty();
  EXPECT_TRUE(created.Wait().ok());
}

TEST_F(ControlFullDisk, ShutdownAnswersWhoWaitsForACommit) {
  disk_->HoldWrites();
  Waiter<ScanStatus> created;
  control_->CreateScan(Request(), "", "", created.done());
  for (int i = 0; i < 100; ++i) Settle();
  control_->BeginShutdown();
  EXPECT_EQ(created.Wait().status().code(), absl::StatusCode::kUnavailable);
  disk_->Empty();
}

TEST_F(ControlFullDisk, TooMuchUncommittedStopsTheReading) {
  options_.max_backlog_bytes = 10'000;
  Restart();
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(Create(Request("10.0.0.0/24", "1-400")).ok());
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_TRUE(agent.OpenStream());
  disk_->HoldWrites();
  EXPECT_TRUE(control_->MayRead());
  control_->Report(agent.stream(), agent.NextSeq(), agent.MakeBatch(agent.leases()[0], NoneOpen),
                   20'000);
  EXPECT_FALSE(control_->MayRead());
  Advance(std::chrono::seconds(2));
  EXPECT_THAT(Get("last")->message, HasSubstr("behind"));
  const int before = agent.peer().resumed();
  disk_->Empty();
  EXPECT_TRUE(agent.peer().WaitAcked(1));
  Settle();
  EXPECT_TRUE(control_->MayRead());
  EXPECT_GT(agent.peer().resumed(), before);
}

}  // namespace
}  // namespace portolan
