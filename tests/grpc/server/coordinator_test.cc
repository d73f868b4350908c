#include <grpcpp/grpcpp.h>
#include <httplib.h>

#include <thread>

#include "tests/fakes/certificates.h"
#include "tests/grpc/server/server_fixture.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

using CoordinatorStart = ServerTest;

TEST_F(CoordinatorStart, BeyondLoopbackItWantsTls) {
  options_.listen = "0.0.0.0:0";
  const auto refused = Coordinator::Start(options_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()),
              ::testing::AllOf(HasSubstr("--tls-cert"), HasSubstr("--insecure")));
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/portolan.db"))
      << "nothing is written before the options are checked";
}

TEST_F(CoordinatorStart, AnAddressInUseIsNamed) {
  options_.listen = "127.0.0.1:0";
  StartServer();
  CoordinatorOptions second = options_;
  TempDirectory other;
  second.data_directory = other.path();
  second.listen = "127.0.0.1:" + std::to_string(coordinator_->grpc_port());
  const auto refused = Coordinator::Start(second);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.status().message()),
              ::testing::AllOf(HasSubstr(second.listen), HasSubstr("in use")));
}

TEST_F(CoordinatorStart, ADirectoryBelongsToOne) {
  StartServer();
  const auto refused = Coordinator::Start(options_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
}

TEST_F(CoordinatorStart, MetricsAndHealthAreServed) {
  options_.http = "127.0.0.1:0";
  StartServer();
  httplib::Client client("127.0.0.1", coordinator_->http_port());
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  EXPECT_EQ(client.Get("/livez")->status, 200);
  WireAgent agent(channel_, "a1", "lab");
  agent.request().mutable_agent()->set_max_rate(5000);
  agent.request().mutable_agent()->set_window(512);
  v1::AgentStats* stats = agent.request().mutable_stats();
  stats->set_probes_sent(1700);
  stats->set_retries(100);
  stats->set_owed(7);
  stats->set_limited_by("file limit 1024");
  ASSERT_TRUE(agent.Sync().ok());
  const v1::Scan scan = Create(Request());
  Play(scan.id(), agent, [](const ScanSpace::Endpoint& e) { return e.port == 80; });
  Create(Request("10.0.1.0/24"));
  const std::string body = client.Get("/metrics")->body;
  for (const char* line :
       {"portolan_probes_total{state=\"open\"} 16\n",
        "portolan_probes_total{state=\"closed\"} 1584\n",
        "portolan_leases_total{event=\"granted\"}",
        "portolan_leases ",
        "portolan_agents{vantage=\"lab\",live=\"true\"} 1\n",
        "portolan_agents{vantage=\"lab\",live=\"false\"} 0\n",
        "portolan_scans{state=\"running\"} 1\n",
        "portolan_chunks_total{verdict=\"fenced\"} 0\n",
        "portolan_queue_depth{queue=\"control\"}",
        "portolan_store_commit_seconds_bucket{le=\"+Inf\"}",
        "portolan_store_healthy 1\n",
        "portolan_rpc_parked ",
        "portolan_ingest_rejected_batches_total 0\n",
        "portolan_scan_progress_ratio{scan=\"",
        "process_open_fds ",
        "portolan_build_info{program=\"portolan-coordinator\"",
        "portolan_names_total{result=\"found\"} 0\n",
        "portolan_names_total{result=\"could-not-ask\"} 0\n",
        "portolan_names_under_way 0\n",
        "portolan_name_list_seconds_count 0\n",
        "portolan_fleet_probes_sent_total{agent=\"a1\",vantage=\"lab\"} 1700\n",
        "portolan_fleet_retries_total{agent=\"a1\",vantage=\"lab\"} 100\n",
        "portolan_fleet_outcomes_total{agent=\"a1\",vantage=\"lab\",state=\"owed\"} 7\n",
        "portolan_fleet_max_rate{agent=\"a1\",vantage=\"lab\"} 5000\n",
        "portolan_fleet_window{agent=\"a1\",vantage=\"lab\"} 512\n",
        "portolan_fleet_limited{agent=\"a1\",vantage=\"lab\"} 1\n",
        "portolan_fleet_leased_positions{agent=\"a1\",vantage=\"lab\"}",
        "portolan_fleet_last_seen_timestamp_seconds{agent=\"a1\",vantage=\"lab\"}"}) {
    EXPECT_THAT(body, HasSubstr(line));
  }
}

TEST_F(CoordinatorStart, EachRoleMayCallItsServiceOnly) {
  CertificateMaker ca("coordinator");
  options_.listen = "127.0.0.1:0";
  options_.tls =
      ca.Issue("coordinator", {"IP:127.0.0.1", "URI:spiffe://test/portolan/coordinator"});
  StartServer();
  const std::string target = "127.0.0.1:" + std::to_string(coordinator_->grpc_port());
  const auto channel = [&](const char* name, const std::string& uri) {
    return *Dial(target, ca.Issue(name, {"URI:" + uri}));
  };
  const auto ask = [](const std::shared_ptr<grpc::Channel>& c) {
    grpc::ClientContext context;
    v1::ServerInfo info;
    return v1::ScanService::NewStub(c)->GetServerInfo(&context, {}, &info).error_code();
  };
  const auto as_operator = channel("op", "spiffe://test/portolan/operator");
  const auto as_agent = channel("ag", "spiffe://test/portolan/agent/a1");
  const auto as_other = channel("ot", "spiffe://test/other");
  EXPECT_EQ(ask(as_operator), grpc::StatusCode::OK);
  EXPECT_EQ(ask(as_agent), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ask(as_other), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(WireAgent(as_agent, "a1", "lab").Sync().ok());
  EXPECT_EQ(WireAgent(as_agent, "a2", "lab").Sync().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(WireAgent(as_operator, "a1", "lab").Sync().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(WireAgent(as_other, "a1", "lab").Sync().code(), absl::StatusCode::kPermissionDenied);
  WireAgent wrong_name(as_agent, "a2", "lab");
  EXPECT_EQ(wrong_name.ReportAll([](const ScanSpace::Endpoint&) { return false; }).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(CoordinatorStart, ShutdownAnswersWhatWaits) {
  options_.listen = "127.0.0.1:0";
  StartServer();
  auto channel = *Dial("127.0.0.1:" + std::to_string(coordinator_->grpc_port()), TlsFiles{});
  const v1::Scan scan = Create(Request());
  WireAgent busy(channel, "a1", "lab");
  ASSERT_TRUE(busy.Sync().ok());
  WireAgent idle(channel, "a2", "dmz");
  ASSERT_TRUE(idle.Sync().ok());
  // UNAVAILABLE is our answer; a call that reaches the server while it closes is cancelled by gRPC
  // before it reaches us.
  const auto ended_by_shutdown = [](int code) {
    return code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::CANCELLED;
  };
  std::thread parked([&] { EXPECT_TRUE(ended_by_shutdown(static_cast<int>(idle.Sync().code()))); });
  std::thread watching([&] {
    grpc::ClientContext context;
    v1::WatchScanRequest request;
    request.set_scan_id(scan.id());
    auto stub = v1::ScanService::NewStub(channel);
    auto reader = stub->WatchScan(&context, request);
    v1::Scan update;
    while (reader->Read(&update)) {
    }
    EXPECT_TRUE(ended_by_shutdown(reader->Finish().error_code()));
  });
  std::thread reporting([&] {
    grpc::ClientContext context;
    auto stream = busy.stub().Report(&context);
    v1::ReportRequest hello;
    hello.mutable_hello()->set_agent("a1");
    hello.mutable_hello()->set_incarnation(std::string(16, 'i'));
    stream->Write(hello);
    v1::ReportResponse response;
    while (stream->Read(&response)) {
    }
    EXPECT_TRUE(ended_by_shutdown(stream->Finish().error_code()));
  });
  coordinator_->Shutdown(std::chrono::seconds(20));
  parked.join();
  watching.join();
  reporting.join();
  coordinator_->Shutdown(std::chrono::seconds(20));
}

}  // namespace
}  // namespace portolan
