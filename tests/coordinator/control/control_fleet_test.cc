#include <gmock/gmock.h>

#include "tests/coordinator/control/control_fixture.h"

namespace portolan {
namespace {

using ControlFleet = ControlTest;
bool NoneOpen(const ScanSpace::Endpoint&) { return false; }

TEST_F(ControlFleet, ACallWithoutNewsIsParkedAndAnsweredByNews) {
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());  // the first answer comes at once
  auto call = agent.Begin();
  Settle();
  EXPECT_FALSE(call.ready());
  ASSERT_TRUE(Create(Request()).ok());
  auto answer = call.Wait();  // no time has passed
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_FALSE(answer->decision.leases.empty());
  ASSERT_EQ(answer->contexts.size(), 1u);
  EXPECT_TRUE(answer->contexts[0].with_space);
}

TEST_F(ControlFleet, AParkedCallIsAnsweredAfterAThirdOfTheTerm) {
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  auto call = agent.Begin();
  Settle();
  ASSERT_FALSE(call.ready());
  Advance(options_.scheduler.lease_term / 3 + std::chrono::seconds(1));
  EXPECT_TRUE(call.Wait().ok());
}

// Else a slow disk would let the leases of agents expire that work well.
TEST_F(ControlFleet, LeasesAreRenewedWhileAGrantWaitsForItsCommit) {
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(Create(Request("10.0.0.0/16", "1-1000")).ok());
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_FALSE(agent.leases().empty());
  const Token held = agent.leases().back().token;
  const uint64_t revision = agent.call().report.revision_seen;

  disk_->HoldWrites();
  for (HeldLease& lease : agent.call().report.leases) lease.unprobed = 0;  // it wants more
  for (int i = 0; i < 5; ++i) {
    auto call = agent.Begin();
    Settle();
    EXPECT_FALSE(call.ready());
    Advance(options_.scheduler.lease_term / 3 + std::chrono::milliseconds(600));
    auto answer = call.Wait();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->decision.revision, revision);
    ASSERT_EQ(answer->decision.leases.size(), agent.leases().size());
    EXPECT_EQ(answer->decision.leases.back().token, held);
  }
  auto call = agent.Begin();
  Settle();
  disk_->Empty();
  auto answer = call.Wait();  // no time has passed
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_GT(answer->decision.revision, revision);
  ASSERT_FALSE(answer->decision.leases.empty());
  EXPECT_GT(answer->decision.leases.back().token, held);
  EXPECT_EQ(answer->decision.leases.front().token, agent.leases().front().token);  // not expired
}

TEST_F(ControlFleet, ANewerCallTakesThePlaceOfTheParkedOne) {
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  auto first = agent.Begin();
  auto second = agent.Begin();
  EXPECT_EQ(first.Wait().status().code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(second.ready());
  agent.CancelCall();
  EXPECT_EQ(second.Wait().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ControlFleet, ANewerProcessOfTheNameTakesOver) {
  FakeAgent old_one(*control_, "a1", "lab", 'a'), new_one(*control_, "a1", "lab", 'b');
  ASSERT_TRUE(Create(Request("10.0.0.0/24", "1-1000")).ok());
  ASSERT_TRUE(old_one.Sync().ok());
  ASSERT_TRUE(old_one.OpenStream());
  auto parked = old_one.Begin();
  // Its machine is gone, so that nobody closes its connection.
  Advance(options_.scheduler.lease_term * 2);
  ASSERT_TRUE(parked.Wait().ok());
  ASSERT_TRUE(new_one.Sync().ok());
  EXPECT_FALSE(new_one.leases().empty());
  EXPECT_EQ(old_one.peer().WaitEnd().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(old_one.Sync().code(), absl::StatusCode::kAborted);
}

TEST_F(ControlFleet, AReportStreamWaitsForItsAgentToRegister) {
  FakeAgent agent(*control_, "a1", "lab");
  auto peer = std::make_shared<FakePeer>();
  control_->OpenReport("a1", agent.call().report.incarnation, peer);
  Settle();
  ASSERT_TRUE(agent.Sync().ok());
  EXPECT_TRUE(peer->WaitAccepted());
}

TEST_F(ControlFleet, ResultsOfARevokedLeaseAreFenced) {
  FakeAgent slow(*control_, "a1", "lab"), other(*control_, "b1", "lab");
  auto scan = Create(Request("10.0.0.0/24", "1-20"));
  ASSERT_TRUE(slow.Sync().ok());
  ASSERT_GT(slow.held(), 0u);
  ASSERT_TRUE(slow.OpenStream());
  // It falls silent past its lease; another takes all of its work and finishes it.
  Advance(options_.scheduler.lease_term * 2);
  auto finished = Play(scan->id, {&other}, NoneOpen);
  ASSERT_TRUE(finished.ok());
  ASSERT_EQ(finished->state, ScanState::kComplete);
  const Token token = slow.leases()[0].token;
  EXPECT_TRUE(slow.ReportAll([](const ScanSpace::Endpoint&) { return true; }));
  EXPECT_THAT(slow.peer().fenced(), ::testing::Contains(token));
  EXPECT_EQ(Get(scan->id)->ledger.open, 0u);
  EXPECT_TRUE(Results(scan->id).empty());
}

TEST_F(ControlFleet, AMalformedBatchEndsTheStreamAfterTheAcksBeforeIt) {
  FakeAgent agent(*control_, "a1", "lab");
  auto scan = Create(Request());
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_TRUE(agent.OpenStream());
  ParsedBatch good = agent.MakeBatch(agent.leases()[0], NoneOpen);
  control_->Report(agent.stream(), 1, std::move(good), 100);
  control_->RejectReport(agent.stream(), 2, absl::InvalidArgumentError("malformed"));
  EXPECT_EQ(agent.peer().WaitEnd().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(agent.peer().acked(), 1u);
  EXPECT_EQ(control_->TakeSnapshot()->ingest.rejected_batches, 1u);
}

TEST_F(ControlFleet, BatchesOutOfOrderAreRefused) {
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_TRUE(agent.OpenStream());
  control_->Report(agent.stream(), 2, ParsedBatch{}, 100);
  EXPECT_EQ(agent.peer().WaitEnd().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ControlFleet, ChunksOutsideOfTheSpaceAreRefusedWhole) {
  FakeAgent agent(*control_, "a1", "lab");
  auto scan = Create(Request());
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_TRUE(agent.OpenStream());
  ParsedBatch batch;
  batch.chunks.push_back(*ParseChunk(
      agent.leases()[0].token, 1'000'000, 2, FromUnixMicros(1), 1,
      EncodeOutcomes(std::vector<Symbol>(2, Symbol{State::kOpen, Reason::kSynAck})), 0));
  control_->Report(agent.stream(), 1, std::move(batch), 100);
  EXPECT_EQ(agent.peer().WaitEnd().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Get(scan->id)->ledger.Done(), 0u);
}

TEST_F(ControlFleet, AgentsAreListedAndDrained) {
  FakeAgent agent(*control_, "a1", "lab");
  agent.call().details.version = "1.2.3";
  ASSERT_TRUE(Create(Request("10.0.0.0/24", "1-1000")).ok());
  ASSERT_TRUE(agent.Sync().ok());
  Waiter<std::vector<AgentStatus>> w;
  control_->ListAgents(w.done());
  auto agents = w.Wait();
  ASSERT_EQ(agents->size(), 1u);
  EXPECT_EQ((*agents)[0].details.version, "1.2.3");
  EXPECT_TRUE((*agents)[0].live);
  EXPECT_GT((*agents)[0].leased_positions, 0u);
  Waiter<std::vector<Control::LeaseStatus>> leases;
  control_->ListLeases("last", "a1", leases.done());
  EXPECT_FALSE(leases.Wait()->empty());

  auto call = agent.Begin();
  Waiter<AgentStatus> drained;
  control_->DrainAgent("a1", false, drained.done());
  EXPECT_TRUE(drained.Wait()->draining);
  auto answer = call.Wait();
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->decision.drain);
  Waiter<AgentStatus> missing;
  control_->DrainAgent("nobody", false, missing.done());
  EXPECT_EQ(missing.Wait().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ControlFleet, ManyAgentsFinishAScanTogether) {
  std::vector<std::unique_ptr<FakeAgent>> agents;
  std::vector<FakeAgent*> pointers;
  for (int i = 0; i < 8; ++i) {
    agents.push_back(std::make_unique<FakeAgent>(*control_, "a" + std::to_string(i),
                                                 i % 2 == 0 ? "dmz" : "lab"));
    pointers.push_back(agents.back().get());
  }
  auto scan = Create(Request("10.0.0.0/22", "1-100"));
  auto finished =
      Play(scan->id, pointers, [](const ScanSpace::Endpoint& e) { return e.port % 10 == 0; });
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->state, ScanState::kComplete);
  EXPECT_EQ(finished->ledger.Done(), 102'400u);
  EXPECT_EQ(finished->ledger.open, 10'240u);
  EXPECT_EQ(Results(scan->id).size(), 10'240u);
}

}  // namespace
}  // namespace portolan
