#include "tests/grpc/server/server_fixture.h"

namespace portolan {
namespace {

using ScanCalls = ServerTest;
bool OpenOn80(const ScanSpace::Endpoint& e) { return e.port == 80; }

TEST_F(ScanCalls, FromCreationToResultsOverTheWire) {
  StartServer();
  v1::CreateScanRequest request = Request();
  request.mutable_spec()->set_name("first");
  const v1::Scan created = Create(request);
  EXPECT_EQ(created.spec().name(), "first");
  EXPECT_EQ(created.ledger().planned(), 1600u);
  EXPECT_EQ(created.addresses(), 16u);
  WireAgent agent(channel_, "a1", "lab");
  const v1::Scan finished = Play(created.id(), agent, OpenOn80);
  EXPECT_EQ(finished.state(), v1::SCAN_STATE_COMPLETE);
  EXPECT_EQ(finished.ledger().open(), 16u);

  v1::ListObservationsRequest list;
  list.set_scan_id("last");
  list.set_page_size(10);
  v1::ListObservationsResponse page;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ListObservations, list, &page).ok());
  ASSERT_EQ(page.observations_size(), 10);
  const v1::Observation& first = page.observations(0);
  EXPECT_EQ(IpAddress::FromBytes(first.address())->ToString(), "10.0.0.0");
  EXPECT_EQ(first.port(), 80u);
  EXPECT_EQ(first.state(), v1::PORT_STATE_OPEN);
  EXPECT_EQ(first.reason(), "syn-ack");
  EXPECT_EQ(first.rtt_us(), 123u);
  EXPECT_EQ(first.agent(), "a1");
  list.set_page_token(page.next_page_token());
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ListObservations, list, &page).ok());
  EXPECT_EQ(page.observations_size(), 6);

  v1::ListObservationsRequest all;
  all.set_scan_id(created.id());
  for (const auto s : {v1::PORT_STATE_OPEN, v1::PORT_STATE_CLOSED}) all.add_states(s);
  grpc::ClientContext context;
  auto reader = scans_->StreamObservations(&context, all);
  int seen = 0;
  while (reader->Read(&page)) seen += page.observations_size();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(seen, 1600);
}

TEST_F(ScanCalls, CreateIsIdempotentAcrossARestart) {
  StartServer();
  v1::CreateScanRequest request = Request();
  request.set_request_id("once");
  const v1::Scan first = Create(request);
  EXPECT_EQ(Create(request).id(), first.id());
  scans_.reset();
  channel_.reset();
  coordinator_.reset();
  StartServer();
  EXPECT_EQ(Create(request).id(), first.id());
  request.mutable_spec()->set_ports("1-99");
  v1::Scan other;
  EXPECT_EQ(Call(&v1::ScanService::Stub::CreateScan, request, &other).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ScanCalls, RefusalsNameWhatAndWhy) {
  StartServer();
  v1::Scan scan;
  grpc::Status s = Call(&v1::ScanService::Stub::CreateScan, Request("8.8.8.8"), &scan);
  EXPECT_EQ(s.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(s.error_message(), ::testing::HasSubstr("8.8.8.8"));
  s = Call(&v1::ScanService::Stub::CreateScan, Request("10.0.0.0/28", "90-80"), &scan);
  EXPECT_EQ(s.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(s.error_message(), ::testing::HasSubstr("90-80"));
  v1::CreateScanRequest request = Request();
  request.set_request_id(std::string(65, 'x'));
  EXPECT_EQ(Call(&v1::ScanService::Stub::CreateScan, request, &scan).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request = Request();
  request.mutable_spec()->set_mode(static_cast<v1::ScanMode>(17));
  EXPECT_EQ(Call(&v1::ScanService::Stub::CreateScan, request, &scan).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_spec()->set_mode(v1::SCAN_MODE_EACH_VANTAGE);
  EXPECT_EQ(Call(&v1::ScanService::Stub::CreateScan, request, &scan).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::GetScanRequest get;
  EXPECT_EQ(Call(&v1::ScanService::Stub::GetScan, get, &scan).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  get.set_scan_id("aaaaaaaaaa");
  EXPECT_EQ(Call(&v1::ScanService::Stub::GetScan, get, &scan).error_code(),
            grpc::StatusCode::NOT_FOUND);
  v1::ListScansRequest list;
  v1::ListScansResponse listed;
  list.set_page_size(1001);
  EXPECT_EQ(Call(&v1::ScanService::Stub::ListScans, list, &listed).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ScanCalls, ScansArePausedResumedCancelledAndDeleted) {
  StartServer();
  const v1::Scan created = Create(Request());
  v1::PauseScanRequest pause;
  pause.set_scan_id(created.id());
  v1::Scan scan;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::PauseScan, pause, &scan).ok());
  EXPECT_EQ(scan.state(), v1::SCAN_STATE_PAUSED);
  v1::ResumeScanRequest resume;
  resume.set_scan_id("last");
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ResumeScan, resume, &scan).ok());
  EXPECT_EQ(scan.state(), v1::SCAN_STATE_RUNNING);
  v1::ExcludeFromScanRequest exclude;
  exclude.set_scan_id(created.id());
  v1::DeleteScanRequest remove;
  remove.set_scan_id(created.id());
  v1::DeleteScanResponse removed;
  EXPECT_EQ(Call(&v1::ScanService::Stub::ExcludeFromScan, exclude, &scan).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  exclude.add_rules("10.0.0.1 22");
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ExcludeFromScan, exclude, &scan).ok());
  EXPECT_EQ(scan.overlay_version(), 1u);
  ASSERT_EQ(scan.overlay_size(), 1);
  EXPECT_EQ(scan.overlay(0), "10.0.0.1 22");
  EXPECT_EQ(Call(&v1::ScanService::Stub::DeleteScan, remove, &removed).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::CancelScanRequest cancel;
  cancel.set_scan_id(created.id());
  ASSERT_TRUE(Call(&v1::ScanService::Stub::CancelScan, cancel, &scan).ok());
  EXPECT_EQ(scan.state(), v1::SCAN_STATE_CANCELLED);
  EXPECT_EQ(scan.ledger().not_probed_cancelled(), 1600u);
  EXPECT_EQ(Call(&v1::ScanService::Stub::PauseScan, pause, &scan).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Call(&v1::ScanService::Stub::DeleteScan, remove, &removed).ok());
  v1::ListScansResponse listed;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ListScans, v1::ListScansRequest(), &listed).ok());
  EXPECT_EQ(listed.scans_size(), 0);
}

TEST_F(ScanCalls, AWatchEndsWithTheScan) {
  StartServer();
  const v1::Scan created = Create(Request());
  grpc::ClientContext context;
  v1::WatchScanRequest request;
  request.set_scan_id(created.id());
  auto reader = scans_->WatchScan(&context, request);
  v1::Scan update;
  ASSERT_TRUE(reader->Read(&update));
  EXPECT_EQ(update.state(), v1::SCAN_STATE_RUNNING);
  WireAgent agent(channel_, "a1", "lab");
  Play(created.id(), agent, OpenOn80);
  while (reader->Read(&update)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(update.state(), v1::SCAN_STATE_COMPLETE);
  EXPECT_EQ(update.ledger().open(), 16u);
  // And at once when it has finished already.
  grpc::ClientContext again;
  reader = scans_->WatchScan(&again, request);
  EXPECT_TRUE(reader->Read(&update));
  EXPECT_FALSE(reader->Read(&update));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ScanCalls, AbandonedStreamsLeaveNothingBehind) {
  StartServer();
  const v1::Scan created = Create(Request());
  for (int i = 0; i < 100; ++i) {
    grpc::ClientContext context;
    v1::WatchScanRequest request;
    request.set_scan_id(i % 2 == 0 ? "last" : created.id());
    auto reader = scans_->WatchScan(&context, request);
    v1::Scan update;
    if (i % 3 != 0) reader->Read(&update);
    context.TryCancel();
    while (reader->Read(&update)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    grpc::ClientContext other;
    v1::ListObservationsRequest list;
    list.set_scan_id("last");
    auto results = scans_->StreamObservations(&other, list);
    other.TryCancel();
    v1::ListObservationsResponse page;
    while (results->Read(&page)) {
    }
    (void)results->Finish();
  }
}

TEST_F(ScanCalls, TheFleetIsListed) {
  StartServer();
  const v1::Scan created = Create(Request("10.0.0.0/24", "1-1000"));
  WireAgent agent(channel_, "a1", "lab");
  agent.request().mutable_stats()->set_limited_by("file limit");
  agent.request().mutable_agent()->add_scope("allow 10.0.0.0/8");
  ASSERT_TRUE(agent.Sync().ok());
  v1::ListAgentsResponse agents;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ListAgents, v1::ListAgentsRequest(), &agents).ok());
  ASSERT_EQ(agents.agents_size(), 1);
  EXPECT_EQ(agents.agents(0).name(), "a1");
  EXPECT_TRUE(agents.agents(0).live());
  EXPECT_EQ(agents.agents(0).limited_by(), "file limit");
  EXPECT_EQ(agents.agents(0).scope_size(), 1);
  EXPECT_GT(agents.agents(0).leases(), 0u);
  EXPECT_NE(agents.agents(0).peer(), "");
  v1::ListLeasesResponse leases;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ListLeases, v1::ListLeasesRequest(), &leases).ok());
  ASSERT_GT(leases.leases_size(), 0);
  EXPECT_EQ(leases.leases(0).scan_id(), created.id());
  EXPECT_GT(leases.leases(0).expires_in_s(), 0);
  v1::ListLanesRequest lanes_request;
  lanes_request.set_scan_id("last");
  v1::ListLanesResponse lanes;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::ListLanes, lanes_request, &lanes).ok());
  ASSERT_EQ(lanes.lanes_size(), 1);
  EXPECT_EQ(lanes.lanes(0).leased() + lanes.lanes(0).pending(), 256'000u);
  v1::DrainAgentRequest drain;
  drain.set_name("a1");
  v1::Agent drained;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::DrainAgent, drain, &drained).ok());
  EXPECT_TRUE(drained.draining());
  v1::ServerInfo info;
  ASSERT_TRUE(Call(&v1::ScanService::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_GT(info.epoch(), 0u);
  EXPECT_NE(info.version(), "");
}

}  // namespace
}  // namespace portolan
