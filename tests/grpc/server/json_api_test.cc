#include "coordinator/server/json_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/status.h"
#include "coordinator/control/control.h"
#include "coordinator/store/store.h"
#include "tests/coordinator/control/control_fixture.h"
#include "tests/fakes/fake_name_lookup.h"
#include "tests/fakes/sample_monitoring.h"
#include "tests/fakes/temp_directory.h"
#include "tests/fakes/waiter.h"
#include "tests/grpc/server/server_fixture.h"

namespace portolan {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};

ExposureRow SampleRow() {
  ExposureRow row;
  row.monitor = "web";
  row.subject = {TargetKey::OfName("www.example.org"), 3306};
  row.comparison = {ExposureClass::kOpenOnlyInside, ExposureBarrier::kNetwork, 1, 1, 1};
  VantageSight office;
  office.vantage = "office";
  office.outcome = SubjectOutcome{kOpen, *IpAddress::Parse("192.0.2.7"), 812, kSampleTime, "a1"};
  office.since = kSampleTime - std::chrono::hours(24);
  office.last_seen = kSampleTime;
  office.expected = Expected::kNo;
  office.rule = "no-databases";
  VantageSight cloud;
  cloud.vantage = "cloud";
  cloud.side = VantageRole::kOutside;
  cloud.outcome = SubjectOutcome{kSilent, *IpAddress::Parse("2001:db8::7"), 0, kSampleTime, ""};
  VantageSight blind;
  blind.vantage = "blind";
  row.sights = {blind, cloud, office};
  return row;
}

StoredEvent SampleEvent() {
  StoredEvent e;
  e.sequence = 41;
  e.event.id = "00112233445566778899aabbccddeeff";
  e.event.time = kSampleTime;
  e.event.monitor = "web";
  e.event.vantage = "cloud";
  e.event.subject = {TargetKey::Of(*IpAddress::Parse("192.0.2.7")), 23};
  e.event.address = *IpAddress::Parse("192.0.2.7");
  e.event.kind = ChangeKind::kOpened;
  e.event.to = kOpen;
  TrailStep step;
  step.what = TrailStep::What::kProbe;
  step.when = kSampleTime;
  step.vantage = "cloud";
  step.agent = "a\xff";
  step.symbol = kOpen;
  step.rtt_us = 5;
  e.event.trail = {step};
  return e;
}

class JsonApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SqliteOptions sqlite;
    sqlite.directory = directory_.path();
    sqlite.sync_full = false;
    auto store = OpenSqliteStore(sqlite);
    ASSERT_TRUE(store.ok()) << store.status();
    ControlOptions options;
    options.names = &names_;
    auto control = Control::Start(std::move(options), *std::move(store), SystemClock());
    ASSERT_TRUE(control.ok()) << control.status();
    control_ = *std::move(control);
    Serve(&monitoring_);
  }
  void Serve(Monitoring* monitoring) {
    HttpEndpointOptions options;
    options.listen = "127.0.0.1:0";
    options.routes = JsonApi(*control_, monitoring);
    auto endpoint = HttpEndpoint::Start(std::move(options), {});
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
  }
  Json Get(const std::string& path, int status = 200) {
    httplib::Client client("127.0.0.1", endpoint_->port());
    auto r = client.Get(path);
    if (!r) {
      ADD_FAILURE() << path << ": no answer";
      return {};
    }
    EXPECT_EQ(r->status, status) << path << ": " << r->body;
    return Json::parse(r->body, nullptr, false);
  }
  std::string Refusal(const std::string& path, int status = 400) {
    const Json json = Get(path, status);
    return json.at("error").at("message").get<std::string>();
  }

  TempDirectory directory_;
  FakeNameLookup names_;
  ReadOnlyMonitoring monitoring_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<HttpEndpoint> endpoint_;
};

TEST_F(JsonApiTest, Monitors) {
  MonitorStatus m;
  m.spec.name = "web";
  m.spec.owner = "team";
  m.spec.labels = {{"env", "prod"}};
  m.yaml = "kind: Monitor\n";
  m.paused = true;
  m.plan.missed = 2;
  RunRecord run;
  run.number = 7;
  run.trigger = RunTrigger::kCatchUp;
  run.state = RunState::kPartial;
  run.started = kSampleTime;
  run.scan = "abcdefghij";
  m.runs = {run};
  VantageStatus v;
  v.vantage = "cloud";
  v.side = VantageRole::kOutside;
  v.canaries = CanaryState::kQuarantined;
  v.chosen = {{{TargetKey::OfName("www"), 443}, *IpAddress::Parse("192.0.2.7"), true, true}};
  m.vantages = {v};
  monitoring_.monitors = {m};
  const Json list = Get("/api/v1/monitors").at("monitors");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].count("yaml"), 0u);
  const Json one = Get("/api/v1/monitors/web");
  EXPECT_EQ(one.at("name"), "web");
  EXPECT_EQ(one.at("labels").at("env"), "prod");
  EXPECT_EQ(one.at("yaml"), "kind: Monitor\n");
  EXPECT_EQ(one.at("next_due"), nullptr);
  EXPECT_EQ(one.at("missed_runs"), 2);
  EXPECT_EQ(one.at("runs")[0].at("trigger"), "catch-up");
  EXPECT_EQ(one.at("runs")[0].at("state"), "partial");
  EXPECT_EQ(one.at("runs")[0].at("started"), FormatRfc3339(kSampleTime));
  EXPECT_EQ(one.at("runs")[0].at("finished"), nullptr);
  EXPECT_EQ(one.at("vantages")[0].at("side"), "outside");
  EXPECT_EQ(one.at("vantages")[0].at("canaries"), "quarantined");
  EXPECT_EQ(one.at("vantages")[0].at("chosen")[0].at("port"), 443);
  EXPECT_THAT(Refusal("/api/v1/monitors/other", 404), HasSubstr("\"other\""));
}

TEST_F(JsonApiTest, Exposure) {
  monitoring_.exposure.rows = {SampleRow()};
  monitoring_.exposure.next_page_token = "next";
  const Json page =
      Get("/api/v1/exposure?monitor=web&target=192.0.2.0/24&target=www.example.org&ports=1-100&"
          "class=open-only-inside&class=not-open&expected=no&limit=7&page_token=abc");
  const ExposureQuery& q = monitoring_.exposure_query;
  EXPECT_EQ(q.monitor, "web");
  EXPECT_THAT(q.targets, ElementsAre("192.0.2.0/24", "www.example.org"));
  EXPECT_EQ(q.ports, "1-100");
  EXPECT_THAT(q.classes, ElementsAre(ExposureClass::kOpenOnlyInside, ExposureClass::kNotOpen));
  EXPECT_EQ(q.expected, Expected::kNo);
  EXPECT_EQ(q.limit, 7u);
  EXPECT_EQ(q.page_token, "abc");
  EXPECT_EQ(page.at("next_page_token"), "next");
  const Json& row = page.at("rows").at(0);
  EXPECT_EQ(row.at("target"), "www.example.org");
  EXPECT_EQ(row.at("service"), "mysql");
  EXPECT_EQ(row.at("class"), "open-only-inside");
  EXPECT_EQ(row.at("barrier"), "network");
  const Json& sights = row.at("vantages");
  EXPECT_EQ(sights[0].at("state"), nullptr) << "nothing is known from there";
  EXPECT_EQ(sights[0].at("address"), nullptr);
  EXPECT_EQ(sights[0].at("expected"), "unspecified");
  EXPECT_EQ(sights[1].at("state"), "filtered");
  EXPECT_EQ(sights[1].at("reason"), "no-response");
  EXPECT_EQ(sights[1].at("rtt_us"), nullptr);
  EXPECT_EQ(sights[1].at("address"), "2001:db8::7");
  EXPECT_EQ(sights[2].at("rtt_us"), 812);
  EXPECT_EQ(sights[2].at("expected"), "no");
  EXPECT_EQ(sights[2].at("rule"), "no-databases");
  EXPECT_EQ(sights[2].at("last_seen"), FormatRfc3339(kSampleTime));
}

TEST_F(JsonApiTest, Events) {
  monitoring_.events.events = {SampleEvent()};
  monitoring_.events.more = true;
  const Json page =
      Get("/api/v1/events?monitor=web&vantage=cloud&after=40&limit=1&newest_first=true"
          "&since=2026-01-02T03:04:05Z");
  EXPECT_EQ(monitoring_.event_query.after, 40u);
  EXPECT_EQ(monitoring_.event_query.vantage, "cloud");
  EXPECT_TRUE(monitoring_.event_query.newest_first);
  EXPECT_EQ(ToUnixMicros(monitoring_.event_query.since), 1'767'323'045'000'000);
  EXPECT_TRUE(page.at("more"));
  const Json& e = page.at("events").at(0);
  EXPECT_EQ(e.at("sequence"), 41);
  EXPECT_EQ(e.at("change"), "opened");
  EXPECT_EQ(e.at("service"), "telnet");
  EXPECT_EQ(e.at("from").at("state"), nullptr);
  EXPECT_EQ(e.at("to").at("reason"), "syn-ack");
  EXPECT_EQ(e.at("trail").at(0).at("what"), "probe");
  EXPECT_EQ(e.at("trail").at(0).at("agent"), "a\xEF\xBF\xBD") << "bytes that are no UTF-8";
  Get("/api/v1/events?since=1767323045");
  EXPECT_EQ(ToUnixMicros(monitoring_.event_query.since), 1'767'323'045'000'000);
}

TEST_F(JsonApiTest, Findings) {
  MonitorFinding f;
  f.monitor = "web";
  f.finding.key = {FindingKind::kMustNotBeOpen, "no-telnet", "cloud",
                   TargetKey::Of(*IpAddress::Parse("192.0.2.7")), uint16_t{23}};
  f.finding.severity = Severity::kHigh;
  f.finding.found = kSampleTime;
  f.finding.remedy = "close it";
  MonitorFinding vantage = f;
  vantage.finding.key = {FindingKind::kQuarantined, "vantage-quarantined", "cloud", {}, {}};
  monitoring_.findings.findings = {f, vantage};
  monitoring_.findings.totals[{"web", "no-telnet"}] = 1234;
  const Json list = Get("/api/v1/findings?monitor=web&min_severity=high&resolved=true&limit=10");
  EXPECT_EQ(monitoring_.finding_query.min_severity, Severity::kHigh);
  EXPECT_TRUE(monitoring_.finding_query.resolved);
  const Json& first = list.at("findings").at(0);
  EXPECT_EQ(first.at("severity"), "high");
  EXPECT_EQ(first.at("kind"), "must-not-be-open");
  EXPECT_EQ(first.at("port"), 23);
  EXPECT_EQ(first.at("resolved"), nullptr);
  EXPECT_EQ(list.at("findings").at(1).at("port"), nullptr);
  EXPECT_EQ(list.at("findings").at(1).at("target"), nullptr);
  EXPECT_EQ(list.at("totals").at(0).at("total"), 1234);
}

TEST_F(JsonApiTest, Explain) {
  monitoring_.explanation.subject = SampleRow().subject;
  monitoring_.explanation.rows = {SampleRow()};
  monitoring_.explanation.uncovered_by = {"dmz"};
  monitoring_.explanation.events = {SampleEvent()};
  const Json e = Get("/api/v1/explain?target=www.example.org&port=3306&monitor=web");
  EXPECT_EQ(monitoring_.explained, "web www.example.org 3306");
  EXPECT_EQ(e.at("service").at("class"), "database");
  EXPECT_EQ(e.at("rows").size(), 1u);
  EXPECT_EQ(e.at("uncovered_by").at(0), "dmz");
  EXPECT_EQ(e.at("events").size(), 1u);
}

TEST_F(JsonApiTest, WhatIsWrongIsNamedWithTheRemedy) {
  EXPECT_THAT(Refusal("/api/v1/exposure?monitr=web"),
              ::testing::AllOf(HasSubstr("\"monitr\""), HasSubstr("page_token")));
  EXPECT_THAT(Refusal("/api/v1/exposure?class=open"), HasSubstr("open-everywhere"));
  EXPECT_THAT(Refusal("/api/v1/exposure?expected=maybe"), HasSubstr("unspecified"));
  EXPECT_THAT(Refusal("/api/v1/exposure?limit=0"), HasSubstr("1 to 2000"));
  EXPECT_THAT(Refusal("/api/v1/exposure?limit=-1"), HasSubstr("1 to 2000"));
  EXPECT_THAT(Refusal("/api/v1/exposure?limit=99999999999999999999"), HasSubstr("1 to 2000"));
  EXPECT_THAT(Refusal("/api/v1/events?since=yesterday"), HasSubstr("2026-01-02T03:04:05Z"));
  EXPECT_THAT(Refusal("/api/v1/events?since=99999999999999"), HasSubstr("seconds since 1970"));
  EXPECT_THAT(Refusal("/api/v1/events?newest_first=1"), HasSubstr("true or false"));
  EXPECT_THAT(Refusal("/api/v1/findings?min_severity=bad"), HasSubstr("critical"));
  EXPECT_THAT(Refusal("/api/v1/explain?port=1"), HasSubstr("target"));
  EXPECT_THAT(Refusal("/api/v1/explain?target=a"), HasSubstr("port"));
  EXPECT_THAT(Refusal("/api/v1/explain?target=a&port=65536"), HasSubstr("65535"));
  EXPECT_THAT(Refusal("/api/v1/monitors?x=1"), HasSubstr("there is none"));
  EXPECT_THAT(Refusal("/api/v1/scans/last/results?state=ajar"), HasSubstr("not-probed"));
}

TEST_F(JsonApiTest, ErrorsOfTheMonitoringArePassedOn) {
  monitoring_.error = Unavailable("stopping");
  for (const char* path : {"/api/v1/monitors", "/api/v1/exposure", "/api/v1/events",
                           "/api/v1/findings", "/api/v1/explain?target=a&port=1"}) {
    EXPECT_EQ(Refusal(path, 503), "stopping");
  }
}

TEST_F(JsonApiTest, AnswersMayComeFromAnotherThread) {
  std::vector<std::thread> threads;
  monitoring_.answer = [&](std::function<void()> f) { threads.emplace_back(std::move(f)); };
  EXPECT_EQ(Get("/api/v1/events").at("more"), false);
  for (std::thread& t : threads) t.join();
}

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

TEST_F(JsonApiTest, WithoutMonitorsThereIsNothingToTell) {
  Serve(nullptr);
  EXPECT_THAT(Refusal("/api/v1/monitors", 404), HasSubstr("runs no monitors"));
  EXPECT_THAT(Refusal("/api/v1/scans/aaaaaaaaaa/results", 404), HasSubstr("aaaaaaaaaa"));
}

TEST(JsonApiGuard, OnlyLoopbackMayAsk) {
  HttpRequest r;
  for (const char* host : {"127.0.0.1", "localhost", "::1", "127.9.9.9"}) {
    r.host = host;
    EXPECT_TRUE(MayReadApi(true, "127.0.0.1:7412", r).ok()) << host;
    const absl::Status s = MayReadApi(false, "0.0.0.0:7412", r);
    EXPECT_EQ(s.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(std::string(Message(s)), HasSubstr("0.0.0.0:7412"));
  }
  for (const char* host :
       {"evil.example", "", "192.0.2.1", "127.0.0.1.evil.example", "localhost."}) {
    r.host = host;
    EXPECT_EQ(MayReadApi(true, "127.0.0.1:7412", r).code(), absl::StatusCode::kPermissionDenied)
        << host;
  }
}

TEST(JsonApiGuard, OverTlsAnOperatorMayAskFromAnywhere) {
  HttpRequest r;
  r.host = "coordinator.example";
  r.tls = true;
  for (const bool loopback : {true, false}) {
    for (Role role : {Role::kNone, Role::kAgent, Role::kCoordinator, Role::kOperator}) {
      r.peer.role = role;
      const absl::Status s = MayReadApi(loopback, "0.0.0.0:7412", r);
      EXPECT_EQ(s.ok(), role == Role::kOperator);
      if (!s.ok()) {
        EXPECT_THAT(std::string(Message(s)), HasSubstr("portolan/operator"));
      }
    }
  }
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
