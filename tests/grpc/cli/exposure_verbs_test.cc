#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ExposureVerbsTest : public CliTest {
 protected:
  static constexpr int64_t kWhen = 1'699'990'000'000'000;

  v1::Exposure& AddExposure(const std::string& monitor, const std::string& target, uint32_t port) {
    v1::Exposure& e = monitoring.exposures.emplace_back();
    e.set_monitor(monitor);
    e.set_target(target);
    e.set_port(port);
    e.set_service(port == 22 ? "ssh" : "");
    e.set_exposure_class("open-only-inside");
    e.set_barrier("network");
    return e;
  }
  static v1::SubjectState& AddState(v1::Exposure& e, const std::string& vantage,
                                    v1::PortState state, const std::string& reason) {
    v1::SubjectState& s = *e.add_states();
    s.set_vantage(vantage);
    s.set_state(state);
    s.set_reason(reason);
    if (state == v1::PORT_STATE_OPEN) s.set_since_unix_us(kWhen);
    return s;
  }
  void AddEvent(uint64_t sequence) {
    v1::ExposureEvent& e = monitoring.events.emplace_back();
    e.set_sequence(sequence);
    e.set_unix_us(kWhen);
    e.set_monitor("web");
    e.set_vantage("office");
    e.set_change("opened");
    e.set_target("10.0.0.1");
    e.set_port(22);
    e.set_from("unknown");
    e.set_to("open/syn-ack");
    for (const char* seen : {"open/syn-ack", "closed/conn-refused", "open/syn-ack"}) {
      auto* step = e.add_trail();
      step->set_what("probe");
      step->set_seen(seen);
    }
  }
  v1::ExposureFinding& AddFinding(const std::string& severity, const std::string& monitor = "web") {
    v1::ExposureFinding& f = *monitoring.findings.add_findings();
    f.set_severity(severity);
    f.set_monitor(monitor);
    f.set_rule("no-ssh");
    f.set_target("10.0.0.1");
    f.set_port(22);
    f.set_text("it is open, \"really\"");
    f.set_remedy("close it");
    return f;
  }
};

TEST_F(ExposureVerbsTest, TheMatrixHasAColumnAVantageAndAHeaderAMonitor) {
  v1::Exposure& a = AddExposure("web", "10.0.0.1", 22);
  v1::SubjectState& s = AddState(a, "office", v1::PORT_STATE_OPEN, "syn-ack");
  s.set_expected("no");
  s.set_rule("no-ssh");
  AddState(a, "cloud", v1::PORT_STATE_FILTERED, "no-response");
  v1::Exposure& b = AddExposure("web", "2001:db8::1", 8080);
  AddState(b, "cloud", v1::PORT_STATE_OPEN, "syn-ack").set_expected("yes");
  AddState(AddExposure("x\x1b[2J", "h\nost", 1), "v\a", v1::PORT_STATE_OPEN, "syn-ack");
  const Result result = Remote({"exposure"});
  EXPECT_EQ(result.code, 0);
  const auto lines = result.Lines();
  ASSERT_EQ(lines.size(), 8u) << result.out;
  EXPECT_EQ(lines[0], "monitor web");
  EXPECT_THAT(lines[1], HasSubstr("office        cloud"));
  EXPECT_THAT(lines[2], HasSubstr("10.0.0.1:22         ssh              open/syn-ack  "
                                  "filtered/no-response  open-only-inside  network  no: no-ssh"));
  EXPECT_THAT(lines[2], HasSubstr("2023-11-14 19:26:40Z"));
  EXPECT_THAT(lines[3],
              HasSubstr("[2001:db8::1]:8080  -                -             open/syn-ack"));
  EXPECT_EQ(lines[5], "monitor x\\x1b[2J");
  EXPECT_THAT(lines[6], HasSubstr("v\\x07"));
  EXPECT_THAT(lines[7], StartsWith("h\\x0aost:1"));
}

TEST_F(ExposureVerbsTest, WhatIsNotKnownSaysWhyAndIsNotAsExpected) {
  for (const uint16_t port : {80, 443}) {
    v1::SubjectState& s =
        AddState(AddExposure("web", "www.example", port), "office", v1::PORT_STATE_UNSPECIFIED, "");
    s.set_since_unix_us(0);
    s.set_expected("unknown");
    s.set_rule("web-is-up");
    s.set_unknown_reason("the name www.example does not exist");
  }
  const Result result = Remote({"exposure"});
  ASSERT_EQ(result.Lines().size(), 5u) << result.out;
  EXPECT_THAT(result.Lines()[2], HasSubstr("unknown: web-is-up"));
  EXPECT_EQ(result.Lines()[4],
            "  -  not known: the name www.example does not exist (www.example:80 from office and 1 "
            "more)");
  // No page of what is wrong, and these all the same.
  EXPECT_THAT(Remote({"exposure", "--unexpected", "--csv"}).out,
              HasSubstr(",unknown,web-is-up,,,the name www.example does not exist"));
}

TEST_F(ExposureVerbsTest, ExposurePassesWhatWasAskedAndWritesJsonAndCsv) {
  v1::Exposure& a = AddExposure("web", "a,\"b\"", 22);
  AddState(a, "office", v1::PORT_STATE_OPEN, "syn-ack");
  AddState(a, "cloud", v1::PORT_STATE_UNSPECIFIED, "");
  const Result csv = Remote({"exposure", "web", "--target", "10.0.0.0/24,www.example", "--ports",
                             "22", "--class", "not-open,open-everywhere", "--unexpected", "--csv"});
  EXPECT_EQ(monitoring.asked_exposure.monitor(), "web");
  EXPECT_THAT(monitoring.asked_exposure.targets(), ElementsAre("10.0.0.0/24", "www.example"));
  EXPECT_THAT(monitoring.asked_exposure.classes(), ElementsAre("not-open", "open-everywhere"));
  EXPECT_THAT(monitoring.asked_expected, ElementsAre("no", "unknown"));
  ASSERT_EQ(csv.Lines().size(), 3u);
  EXPECT_EQ(csv.Lines()[1],
            "web,\"a,\"\"b\"\"\",22,ssh,open-only-inside,network,office,,open,syn-ack,,,"
            "2023-11-14T19:26:40.000000Z,,");
  EXPECT_THAT(csv.Lines()[2], HasSubstr("cloud,,,,,,,"));
  const Result json = Remote({"exposure", "--json"});
  ASSERT_EQ(json.Lines().size(), 1u);
  EXPECT_THAT(json.out, StartsWith(R"({"type":"exposure","monitor":"web","target":"a,\"b\"")"));
  EXPECT_THAT(json.out, HasSubstr(R"("exposure_class":"open-only-inside")"));
  monitoring.exposures.clear();
  EXPECT_THAT(Remote({"exposure", "--unexpected"}).err, HasSubstr("nothing is open, or missing"));
}

TEST_F(ExposureVerbsTest, EventsComeFromAllPagesSinceWhen) {
  for (uint64_t n = 1; n <= 5; ++n) AddEvent(n);
  const Result result = Remote({"events", "web", "--since", "1h", "--vantage", "office"});
  ASSERT_EQ(result.Lines().size(), 5u);
  EXPECT_EQ(result.Lines()[0],
            "2023-11-14 19:26:40Z  web  office  opened    10.0.0.1:22  unknown -> open/syn-ack  "
            "confirmed by 2 of 3 probes");
  EXPECT_EQ(monitoring.asked_events[0].since_unix_us(), ToUnixMicros(clock.Wall()) - 3'600'000'000);
  EXPECT_EQ(monitoring.asked_events[0].vantage(), "office");
  monitoring.events.clear();
  EXPECT_THAT(Remote({"events"}).err, HasSubstr("--since 30d"));
  Remote({"events", "--since", "all"});
  EXPECT_EQ(monitoring.asked_events.back().since_unix_us(), 0);
}

TEST_F(ExposureVerbsTest, FollowingGoesOnBehindTheLastEventAfterABreak) {
  for (uint64_t n = 1; n <= 4; ++n) AddEvent(n);
  monitoring.break_follow_after = 2;
  const Result result = Remote({"events", "--follow", "--json"});
  EXPECT_EQ(result.code, 2) << "refused for good, at the end";
  ASSERT_EQ(result.Lines().size(), 4u) << result.out;
  EXPECT_THAT(result.Lines()[2], StartsWith(R"({"type":"event","id":"","sequence":"3")"));
  ASSERT_EQ(monitoring.asked_events.size(), 2u);
  EXPECT_EQ(monitoring.asked_events[1].after(), 2u);
}

TEST_F(ExposureVerbsTest, FindingsComeTheWorstFirstWithTheirRemedies) {
  AddFinding("low");
  AddFinding("critical").clear_port();
  AddFinding("high").set_resolved_unix_us(kWhen);
  auto* total = monitoring.findings.add_totals();
  total->set_monitor("web");
  total->set_rule("no-ssh");
  total->set_total(12345);
  const Result result = Remote({"findings", "web", "--severity", "low", "--resolved"});
  const auto lines = result.Lines();
  ASSERT_EQ(lines.size(), 8u) << result.out;
  EXPECT_THAT(lines[0], StartsWith("critical  web  no-ssh  10.0.0.1  since"));
  EXPECT_EQ(lines[2], "          remedy: close it");
  EXPECT_THAT(lines[3], StartsWith("low       web  no-ssh  10.0.0.1:22"));
  EXPECT_THAT(lines[6], HasSubstr("resolved 2023-11-14"));
  EXPECT_THAT(result.err, HasSubstr("there are 12,345"));
  EXPECT_EQ(monitoring.asked_findings.min_severity(), "low");
  EXPECT_TRUE(monitoring.asked_findings.resolved());
  EXPECT_THAT(Remote({"findings", "--csv"}).Lines()[1],
              HasSubstr(",\"it is open, \"\"really\"\"\",close it"));
  EXPECT_EQ(Remote({"findings", "--json"}).Lines().size(), 3u);
}

TEST_F(ExposureVerbsTest, CheckIsFourWithFindingsAndNeverZeroWithoutData) {
  EXPECT_EQ(Remote({"check"}).code, 1) << "no monitor";
  AddMonitor("web");
  Result result = Remote({"check"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("ok: 1 monitor"));
  EXPECT_EQ(monitoring.asked_findings.min_severity(), "high");
  EXPECT_EQ(Remote({"check", "nosuch"}).code, 1);

  AddMonitor("db").set_no_data("no run of it has been complete yet");
  result = Remote({"check"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("NO DATA: monitor db: no run of it has been complete yet"));
  EXPECT_EQ(Remote({"check", "web"}).code, 0);

  AddFinding("medium");
  result = Remote({"check", "web", "--fail-on", "medium"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.out, HasSubstr("no-ssh"));
  EXPECT_THAT(result.err, HasSubstr("FAILED: 1 open finding of severity"));
  EXPECT_EQ(Remote({"check", "db"}).code, 4) << "what is found counts, however old the rest";
  monitoring.findings.mutable_findings(0)->set_resolved_unix_us(kWhen);
  EXPECT_EQ(Remote({"check", "web"}).code, 0);
}

TEST_F(ExposureVerbsTest, ExplainWritesAllThatATicketNeeds) {
  v1::ExplainResponse& r = monitoring.explanation;
  r.set_target("www.example");
  r.set_port(22);
  r.set_service("ssh");
  r.set_service_class("remote-admin");
  r.set_service_text("Port 22 is usually ssh. Whoever logs in there controls the machine.");
  v1::Exposure& e = AddExposure("web", "www.example", 22);
  v1::SubjectState& s = AddState(e, "office", v1::PORT_STATE_OPEN, "syn-ack");
  s.set_side("inside");
  s.set_rtt_us(420);
  s.set_address("10.0.0.1");
  s.set_agent("a\x1b[1m");
  s.set_expected("no");
  s.set_rule("no-ssh");
  AddState(e, "cloud", v1::PORT_STATE_UNSPECIFIED, "");
  *r.add_exposures() = e;
  auto* rule = r.add_rules();
  rule->set_name("no-ssh");
  rule->set_monitor("web");
  rule->set_action("must-not-be-open");
  rule->set_severity("high");
  rule->set_owner("platform");
  rule->set_reason("use the jump host");
  AddEvent(1);
  *r.add_events() = monitoring.events[0];
  *r.add_findings() = AddFinding("high");
  r.add_next_steps("On the host: see which program listens.");
  r.add_uncovered_by("db");
  const Result result = Remote({"explain", "www.example", "ssh", "--monitor", "web"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(monitoring.asked_explain.port(), 22u);
  EXPECT_EQ(monitoring.asked_explain.monitor(), "web");
  std::string text = result.out;  // however it is wrapped
  for (size_t at = 0; (at = text.find_first_of(" \n", at)) != std::string::npos; ++at) {
    size_t end = text.find_first_not_of(" \n", at);
    text.replace(at, (end == std::string::npos ? text.size() : end) - at, " ");
  }
  for (const char* part :
       {"www.example:22 (by port number ssh, remote-admin)", "controls the machine",
        "Seen by monitor web: open-only-inside; elsewhere in the way: network",
        "office (inside): open, by syn-ack, round trip 0.42 ms, at 10.0.0.1, asked by agent "
        "a\\x1b[1m; open since 2023-11-14 19:26:40Z",
        "NOT EXPECTED, by rule no-ssh", "cloud: not known", "Monitor db does not look at it",
        "no-ssh (must-not-be-open, high), of monitor web; owner platform; reason: use the jump "
        "host",
        "remedy: close it", "unknown -> open/syn-ack", "closed/conn-refused",
        "1. On the host: see which program listens."}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  for (const std::string& line : result.Lines()) EXPECT_LE(line.size(), 140u) << line;
  EXPECT_THAT(Remote({"explain", "www.example", "22", "--json"}).out,
              StartsWith(R"({"type":"explanation","target":"www.example","port":22)"));
}

TEST_F(ExposureVerbsTest, AnOldCoordinatorIsNamed) {
  monitoring.errors["ListExposure"] = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  const Result result = Remote({"exposure"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("older than this program"));
}

}  // namespace
}  // namespace portolan
