#include <thread>

#include "tests/grpc/server/server_fixture.h"

namespace portolan {
namespace {

using FleetCalls = ServerTest;
bool NoneOpen(const ScanSpace::Endpoint&) { return false; }

TEST_F(FleetCalls, AParkedCallIsWokenByAScan) {
  // so that only the wake-up can answer in time
  options_.scheduler.lease_term = std::chrono::hours(1);
  StartServer();
  WireAgent agent(channel_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  std::thread parked([&] { EXPECT_TRUE(agent.Sync().ok()); });
  Create(Request());
  parked.join();
  EXPECT_GT(agent.request().leases_size(), 0);
}

TEST_F(FleetCalls, MalformedRequestsAreRefusedNamingTheField) {
  StartServer();
  const auto refused = [&](const std::function<void(v1::SynchronizeRequest&)>& change) {
    WireAgent agent(channel_, "a1", "lab");
    change(agent.request());
    const absl::Status s = agent.Sync();
    EXPECT_EQ(s.code(), absl::StatusCode::kInvalidArgument) << s;
    return std::string(s.message());
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(refused([](auto& r) { r.mutable_agent()->set_name("a b"); }),
              HasSubstr("agent.name"));
  EXPECT_THAT(refused([](auto& r) { r.mutable_agent()->set_vantage(""); }),
              HasSubstr("agent.vantage"));
  EXPECT_THAT(refused([](auto& r) { r.mutable_agent()->set_incarnation("short"); }),
              HasSubstr("agent.incarnation"));
  EXPECT_THAT(refused([](auto& r) { r.mutable_agent()->set_permutation_version(0); }),
              HasSubstr("permutation_version"));
  EXPECT_THAT(refused([](auto& r) { r.set_measured_rate(-1); }), HasSubstr("measured_rate"));
  EXPECT_THAT(refused([](auto& r) { r.set_sent_rate(-1); }), HasSubstr("sent_rate"));
  EXPECT_THAT(refused([](auto& r) {
                auto* l = r.add_leases();
                l->set_token(1);
                auto* range = l->add_ranges();
                range->set_begin(5);
                range->set_end(5);
              }),
              HasSubstr("leases[token 1]"));
}

TEST_F(FleetCalls, AReportStreamBeginsWithHello) {
  StartServer();
  WireAgent agent(channel_, "a1", "lab");
  grpc::ClientContext context;
  auto stream = agent.stub().Report(&context);
  v1::ReportRequest batch;
  batch.mutable_batch()->set_seq(1);
  stream->Write(batch);
  v1::ReportResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(FleetCalls, AMalformedChunkEndsTheStreamAfterTheAcksBeforeIt) {
  StartServer();
  const v1::Scan scan = Create(Request());
  WireAgent agent(channel_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_GT(agent.request().leases_size(), 0);
  grpc::ClientContext context;
  auto stream = agent.stub().Report(&context);
  v1::ReportRequest request;
  request.mutable_hello()->set_agent("a1");
  request.mutable_hello()->set_incarnation(std::string(16, 'i'));
  stream->Write(request);
  request.Clear();
  agent.Fill(agent.request().leases(0), NoneOpen, request.mutable_batch());
  request.mutable_batch()->set_seq(1);
  stream->Write(request);
  request.mutable_batch()->set_seq(2);
  request.mutable_batch()->mutable_chunks(0)->set_outcomes("garbage");
  stream->Write(request);
  v1::ReportResponse response;
  uint64_t acked = 0;
  while (stream->Read(&response)) acked = response.acked_seq();
  EXPECT_EQ(acked, 1u);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_GT(Get(scan.id()).ledger().closed(), 0u);
}

TEST_F(FleetCalls, AStreamThatIsCutBecomesFreeForTheNext) {
  StartServer();
  Create(Request("10.0.0.0/24"));
  WireAgent agent(channel_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    auto stream = agent.stub().Report(&context);
    v1::ReportRequest hello;
    hello.mutable_hello()->set_agent("a1");
    hello.mutable_hello()->set_incarnation(std::string(16, 'i'));
    stream->Write(hello);
    if (i % 2 == 0) context.TryCancel();
  }
  EXPECT_TRUE(agent.ReportAll(NoneOpen).ok());
}

TEST_F(FleetCalls, CancelledAndAbandonedCallsLeaveNothingBehind) {
  StartServer();
  WireAgent agent(channel_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(i % 5));
        v1::SynchronizeResponse response;
        (void)agent.stub().Synchronize(&context, agent.request(), &response);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_TRUE(agent.Sync().ok());
}

TEST_F(FleetCalls, ALargeContextTravelsWhole) {
  options_.scope = Scope::Default();
  StartServer();
  v1::CreateScanRequest request;
  std::string targets;
  for (int i = 0; i < 30'000; ++i)
    targets += "10." + std::to_string(i / 10'000) + "." + std::to_string(i % 250) + "." +
               std::to_string(2 * (i / 250 % 40)) + "\n";
  request.mutable_spec()->add_targets(targets);
  request.mutable_spec()->set_ports("80");
  const v1::Scan scan = Create(request);
  WireAgent agent(channel_, "a1", "lab");
  const v1::Scan finished = Play(scan.id(), agent, NoneOpen);
  EXPECT_EQ(finished.state(), v1::SCAN_STATE_COMPLETE);
  EXPECT_EQ(finished.ledger().closed(), finished.ledger().planned());
}

}  // namespace
}  // namespace portolan
