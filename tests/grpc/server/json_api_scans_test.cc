// What the HTTP API tells of scans, and of the whole coordinator.
#include <gmock/gmock.h>

#include "tests/coordinator/control/control_fixture.h"
#include "tests/fakes/waiter.h"
#include "tests/grpc/server/json_api_fixture.h"
#include "tests/grpc/server/server_fixture.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(JsonApiTest, AScanWithTheNamesThatItLeftOut) {
  names_.Set("a.test", {"198.18.0.1"});
  names_.Set("empty.test", {});
  names_.SetProblem("lost.test", LookupProblem::kCouldNotAsk);
  ScanRequest request;
  request.name = "weekly";
  request.targets = {"a.test", "gone.test", "empty.test", "lost.test"};
  request.ports = "1-10";
  request.skip_unresolved = true;
  Waiter<ScanStatus> made;
  control_->CreateScan(request, "", "", made.done());
  const auto scan = made.Wait();
  ASSERT_TRUE(scan.ok()) << scan.status();
  for (const std::string& ref : {scan->id, std::string("weekly"), std::string("last")}) {
    const Json json = Get("/api/v1/scans/" + ref);
    EXPECT_EQ(json.at("id"), scan->id);
    EXPECT_EQ(json.at("name"), "weekly");
    EXPECT_EQ(json.at("monitor"), nullptr);
    EXPECT_EQ(json.at("state"), "running");
    EXPECT_EQ(json.at("finished"), nullptr);
    EXPECT_EQ(json.at("target_names"), 1);
    EXPECT_EQ(json.at("names_skipped"), 3);
    const Json& skipped = json.at("skipped_names");
    ASSERT_EQ(skipped.size(), 3u) << skipped;
    EXPECT_EQ(skipped[0], Json({{"name", "gone.test"}, {"problem", "no-such-name"}}));
    EXPECT_EQ(skipped[1], Json({{"name", "empty.test"}, {"problem", "no-address"}}));
    EXPECT_EQ(skipped[2], Json({{"name", "lost.test"}, {"problem", "could-not-ask"}}));
    EXPECT_EQ(json.at("ledger").at("planned"), 10);
    EXPECT_EQ(json.at("ledger").at("not_probed").at("cancelled"), 0);
    ASSERT_EQ(json.at("lanes").size(), 1u);
    EXPECT_EQ(json.at("lanes")[0].at("vantage"), nullptr);
  }
  // Finished, and read from the store.
  Waiter<ScanStatus> cancelled;
  control_->ChangeScan("last", Control::Verb::kCancel, cancelled.done());
  ASSERT_TRUE(cancelled.Wait().ok());
  const auto state = [&] { return Get("/api/v1/scans/last").at("state").get<std::string>(); };
  while (state() != "cancelled") std::this_thread::yield();
  const Json json = Get("/api/v1/scans/last");
  EXPECT_EQ(json.at("names_skipped"), 3);
  EXPECT_EQ(json.at("skipped_names").size(), 3u);
  EXPECT_EQ(json.at("ledger").at("not_probed").at("cancelled"), 10);
  EXPECT_TRUE(json.at("finished").is_string());
  EXPECT_THAT(Refusal("/api/v1/scans/nosuchscan", 404), HasSubstr("nosuchscan"));
  EXPECT_THAT(Refusal("/api/v1/scans/last?limit=3"), HasSubstr("limit"));
}

TEST_F(JsonApiTest, FindingsAboutHostsSayWhenTheirTimeIsThatOfReceipt) {
  ScanRequest request;
  request.targets = {"10.0.0.0/30"};
  request.ports = "1-3";
  Waiter<ScanStatus> made;
  control_->CreateScan(request, "", "", made.done());
  ASSERT_TRUE(made.Wait().ok());
  FakeAgent agent(*control_, "a1", "lab");
  const WallTime now = SystemClock().Wall();
  agent.call().received = now;
  agent.call().sent = now + std::chrono::hours(2);
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_FALSE(agent.leases().empty());
  ASSERT_TRUE(agent.OpenStream());
  ParsedBatch batch;
  ParsedFinding& found = batch.findings.emplace_back();
  found.token = agent.leases()[0].token;
  found.finding.kind = HostFindingKind::kStoppedAnswering;
  found.finding.address = *IpAddress::Parse("10.0.0.1");
  found.finding.when = found.finding.since = now + std::chrono::hours(2);
  found.finding.sentinel = 3;
  const uint64_t seq = agent.NextSeq();
  control_->Report(agent.stream(), seq, std::move(batch), 100);
  ASSERT_TRUE(agent.peer().WaitAcked(seq));
  const Json json = Get("/api/v1/scans/last/host-findings");
  ASSERT_EQ(json.at("host_findings").size(), 1u) << json;
  const Json& row = json.at("host_findings")[0];
  EXPECT_EQ(row.at("address"), "10.0.0.1");
  EXPECT_EQ(row.at("kind"), "stopped-answering");
  EXPECT_EQ(row.at("sentinel_port"), 3);
  EXPECT_EQ(row.at("time_of_receipt"), true);
  EXPECT_LT(row.at("time").get<std::string>(), FormatRfc3339(now + std::chrono::hours(1)));
  EXPECT_EQ(json.at("total"), 1);
  EXPECT_THAT(Refusal("/api/v1/scans/last/host-findings?state=open"), HasSubstr("state"));
}

// ---- in the whole coordinator ----

using CoordinatorApi = ServerTest;

std::string Encoded(const std::string& text) {
  std::string out;
  for (const char c : text) out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return out;
}

TEST_F(CoordinatorApi, ResultsOfAScanPageByPage) {
  options_.http = "127.0.0.1:0";
  StartServer();
  WireAgent agent(channel_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  const v1::Scan scan = Create(Request());
  Play(scan.id(), agent, [](const ScanSpace::Endpoint& e) { return e.port == 80; });
  httplib::Client client("127.0.0.1", coordinator_->http_port());
  const auto get = [&](const std::string& query) {
    auto r = client.Get("/api/v1/scans/" + scan.id() + "/results" + query);
    EXPECT_EQ(r->status, 200) << r->body;
    return Json::parse(r->body, nullptr, false);
  };
  std::set<std::string> seen;
  std::string token;
  for (int page = 0; page < 20; ++page) {
    const Json json = get("?limit=5&page_token=" + Encoded(token));
    EXPECT_EQ(json.at("scan"), scan.id());
    EXPECT_LE(json.at("observations").size(), 5u);
    for (const Json& o : json.at("observations")) {
      EXPECT_EQ(o.at("port"), 80);
      EXPECT_EQ(o.at("state"), "open");
      EXPECT_EQ(o.at("vantage"), "lab");
      EXPECT_EQ(o.at("rtt_us"), 123);
      EXPECT_TRUE(seen.insert(o.at("address")).second);
    }
    token = json.at("next_page_token");
    if (token.empty()) break;
  }
  EXPECT_EQ(seen.size(), 16u);
  EXPECT_EQ(get("?state=closed&target=10.0.0.3&ports=1-10").at("observations").size(), 10u);
  EXPECT_EQ(client.Get("/api/v1/scans/last/results")->status, 200);
  EXPECT_EQ(client.Get("/api/v1/scans/nosuchscan/results")->status, 404);
  EXPECT_EQ(client.Get("/api/v1/scans/last/results?ports=99999")->status, 400);
  EXPECT_EQ(client.Get("/api/v1/scans/last/results?page_token=zz")->status, 400);
  EXPECT_EQ(client.Get("/api/v1/scans/last/results", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(client.Get("/api/v1/monitors")->status, 200);
}

TEST_F(CoordinatorApi, BeyondLoopbackOnlyMetricsAndHealthAreServed) {
  options_.http = "0.0.0.0:0";
  StartServer();
  httplib::Client client("127.0.0.1", coordinator_->http_port());
  auto r = client.Get("/api/v1/monitors");
  EXPECT_EQ(r->status, 403);
  EXPECT_THAT(r->body, HasSubstr("127.0.0.1:PORT"));
  EXPECT_EQ(client.Get("/metrics")->status, 200);
  EXPECT_EQ(client.Get("/livez")->status, 200);
}

}  // namespace
}  // namespace portolan
