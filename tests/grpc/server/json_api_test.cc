#include "coordinator/server/json_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/status.h"
#include "coordinator/control/control.h"
#include "coordinator/store/store.h"
#include "tests/fakes/fake_name_lookup.h"
#include "tests/fakes/sample_monitoring.h"
#include "tests/fakes/temp_directory.h"
#include "tests/grpc/server/json_api_fixture.h"

namespace portolan {
namespace {

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

}  // namespace
}  // namespace portolan
