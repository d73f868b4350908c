#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::HasSubstr;
using testing::Not;

// Both scans are of one list of observations in the fake: the vantages tell them apart.
class DiffVerbTest : public CliTest {
 protected:
  DiffVerbTest() {
    for (const char* id : {"abc", "def"}) {
      v1::Scan& scan = AddScan(id, v1::SCAN_STATE_COMPLETE);
      scan.mutable_spec()->set_mode(v1::SCAN_MODE_EACH_VANTAGE);
      AddLane(scan, 1, "office");
      AddLane(scan, 2, "cloud");
    }
    Observe("10.0.0.1", 22);
    Observe("10.0.0.1", 443);
    Observe("10.0.0.1", 22, v1::PORT_STATE_FILTERED, "cloud");
    Observe("10.0.0.1", 443, v1::PORT_STATE_OPEN, "cloud");
    Observe("10.0.0.2", 8080, v1::PORT_STATE_OPEN, "cloud");
  }
};

TEST_F(DiffVerbTest, ShowsWhatIsOpenInOneOnlyAndWhatTheOtherSays) {
  const Result result = Remote({"diff", "abc@office", "def@cloud"});
  EXPECT_EQ(result.code, 0) << result.err;
  const auto lines = result.Lines();
  ASSERT_EQ(lines.size(), 3u) << result.out;
  EXPECT_THAT(lines[0], HasSubstr("abc@office"));
  EXPECT_THAT(lines[1], HasSubstr("10.0.0.1:22"));
  EXPECT_THAT(lines[1], HasSubstr("filtered/no-response"));
  EXPECT_THAT(lines[2], HasSubstr("10.0.0.2:8080"));
  EXPECT_THAT(lines[2], HasSubstr("not scanned"));
  EXPECT_THAT(result.err, HasSubstr("1 open only in abc@office, 0 open only in def@cloud, 1 in "
                                    "both, 1 not comparable"));
  EXPECT_EQ(Remote({"diff", "abc@office", "def@cloud", "--fail-on-change"}).code, 4);
  EXPECT_EQ(Remote({"diff", "abc", "def", "--fail-on-change"}).code, 0) << "all vantages: the same";
}

TEST_F(DiffVerbTest, WritesAnObjectADifference) {
  const auto lines = Remote({"diff", "abc@office", "def@cloud", "--json"}).Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0],
            R"({"type":"diff","change":"gone","target":"10.0.0.1","address":"10.0.0.1","port":22,)"
            R"("service":"ssh","a":"open","b":"filtered/no-response"})");
  EXPECT_EQ(
      lines[1],
      R"({"type":"diff","change":"not-comparable","cause":"not-scanned","target":"10.0.0.2",)"
      R"("address":"10.0.0.2","port":8080,"service":"http-alt","a":"not scanned","b":"open"})");
}

// Two scans of one vantage: what each says of a port.
class DiffUnknownTest : public CliTest {
 protected:
  DiffUnknownTest() {
    for (const char* id : {"abc", "def"}) {
      v1::Scan& scan = AddScan(id, v1::SCAN_STATE_COMPLETE);
      scan.mutable_spec()->set_mode(v1::SCAN_MODE_EACH_VANTAGE);
      AddLane(scan, 1, "office");
      AddLane(scan, 2, "cloud");
    }
  }
  void See(const std::string& scan, const std::string& ip, uint16_t port, v1::PortState state,
           const std::string& reason = "", const std::string& vantage = "office") {
    Observe(ip, port, state, vantage);
    v1::Observation o = service.observations.back();
    service.observations.pop_back();
    if (!reason.empty()) o.set_reason(reason);
    service.observations_of[scan].push_back(o);
  }
  v1::Observation& Last(const std::string& scan) { return service.observations_of[scan].back(); }
  std::string Json(const std::string& a = "abc", const std::string& b = "def") {
    return Remote({"diff", a, b, "--json"}).out;
  }
};

TEST_F(DiffUnknownTest, WhatWasNotProbedIsNotGoneAndSaysWhy) {
  service.scans["def"].set_state(v1::SCAN_STATE_CANCELLED);
  const std::vector<std::string> causes = {"cancelled", "no-agent", "attempts", "excluded",
                                           "agent-scope"};
  for (size_t i = 0; i < causes.size(); ++i) {
    const std::string ip = "10.0.0." + std::to_string(i + 1);
    See("abc", ip, 22, v1::PORT_STATE_OPEN);
    See("def", ip, 22, v1::PORT_STATE_NOT_PROBED, causes[i]);
  }
  See("abc", "10.0.0.9", 22, v1::PORT_STATE_OPEN);
  See("def", "10.0.0.9", 22, v1::PORT_STATE_CLOSED);
  const Result result = Remote({"diff", "abc", "def", "--fail-on-change"});
  EXPECT_EQ(result.code, 4) << "one is really gone";
  EXPECT_THAT(result.err, HasSubstr("1 open only in abc, 0 open only in def, 0 in both, 5 not "
                                    "comparable"));
  EXPECT_THAT(result.err, HasSubstr("def is cancelled: what it did not probe is not comparable"));
  for (const std::string& cause : causes)
    EXPECT_THAT(Json(), HasSubstr("\"change\":\"not-comparable\",\"cause\":\"" + cause + "\""));
  // And in the other direction nothing is new.
  const Result back = Remote({"diff", "def@office", "abc@office"});
  EXPECT_THAT(back.err, HasSubstr("0 open only in def@office, 1 open only in abc@office"));
  EXPECT_THAT(back.err, HasSubstr("5 not comparable"));
}

TEST_F(DiffUnknownTest, FailsForWhatIsNotComparableOnlyWhenAsked) {
  See("abc", "10.0.0.1", 22, v1::PORT_STATE_OPEN);
  See("def", "10.0.0.1", 22, v1::PORT_STATE_NOT_PROBED, "cancelled");
  EXPECT_EQ(Remote({"diff", "abc", "def"}).code, 0);
  EXPECT_EQ(Remote({"diff", "abc", "def", "--fail-on-change"}).code, 0);
  EXPECT_EQ(Remote({"diff", "abc", "def", "--fail-on-not-comparable"}).code, 4);
  EXPECT_EQ(Remote({"diff", "abc", "abc", "--fail-on-not-comparable"}).code, 0);
}

TEST_F(DiffUnknownTest, AScanThatGoesOnMayStillFindIt) {
  for (const v1::ScanState state :
       {v1::SCAN_STATE_RUNNING, v1::SCAN_STATE_PAUSED, v1::SCAN_STATE_CANCELLING}) {
    service.scans["def"].set_state(state);
    service.observations_of["abc"].clear();
    See("abc", "10.0.0.1", 22, v1::PORT_STATE_OPEN);
    service.observations_of["def"].clear();
    See("def", "10.0.0.1", 23, v1::PORT_STATE_OPEN);
    EXPECT_THAT(Json(), HasSubstr(R"("cause":"no-outcome-yet","target":"10.0.0.1")")) << state;
    // What the finished scan does not have is another matter.
    EXPECT_THAT(Json(), HasSubstr(R"("cause":"not-scanned","target":"10.0.0.1")")) << state;
  }
}

TEST_F(DiffUnknownTest, IsJudgedByTheVantagesThatSawItOpen) {
  See("abc", "10.0.0.1", 22, v1::PORT_STATE_OPEN, "", "office");
  See("abc", "10.0.0.1", 22, v1::PORT_STATE_NOT_PROBED, "agent-scope", "cloud");
  See("def", "10.0.0.1", 22, v1::PORT_STATE_CLOSED, "", "office");
  See("def", "10.0.0.1", 22, v1::PORT_STATE_NOT_PROBED, "agent-scope", "cloud");
  EXPECT_THAT(Json(), HasSubstr(R"("change":"gone")")) << "cloud never saw it in either";
  EXPECT_THAT(Json("abc@office", "def@cloud"), HasSubstr(R"("cause":"agent-scope")"));
  service.observations_of["def"][0].set_state(v1::PORT_STATE_NOT_PROBED);
  service.observations_of["def"][0].set_reason("no-agent");
  service.observations_of["def"][1].set_state(v1::PORT_STATE_CLOSED);
  EXPECT_THAT(Json(), HasSubstr(R"("cause":"no-agent")")) << "office cannot say";
}

TEST_F(DiffUnknownTest, AHostThatAnswersOnEveryPortHidesWhatWasOpen) {
  See("abc", "10.0.0.1", 22, v1::PORT_STATE_OPEN);
  See("def", "10.0.0.1", 22, v1::PORT_STATE_OPEN);
  Last("def").set_host_finding(v1::HOST_FINDING_KIND_ANSWERS_EVERYWHERE);
  See("def", "10.0.0.2", 80, v1::PORT_STATE_OPEN);
  See("abc", "10.0.0.2", 80, v1::PORT_STATE_OPEN);
  // As the service leaves these out of the list of open ports.
  service.without_everywhere_works = true;
  EXPECT_THAT(Json(), HasSubstr(R"("change":"not-comparable","cause":"answers-everywhere",)"
                                R"("target":"10.0.0.1")"));
  EXPECT_THAT(Json(), Not(HasSubstr("10.0.0.2")));
}

TEST_F(DiffUnknownTest, NamesAreComparedWithoutCaseAndFinalDotAndEachByItself) {
  See("abc", "10.0.0.1", 80, v1::PORT_STATE_OPEN);
  Last("abc").set_name("WWW.Example.");
  See("def", "10.0.0.2", 80, v1::PORT_STATE_OPEN);
  Last("def").set_name("www.example");
  EXPECT_EQ(Json(), "") << "the name moved";
  // Two names of one address: the second is told, too.
  Last("def").add_names("api.example");
  Last("def").add_names("www.example");
  EXPECT_THAT(Json(), HasSubstr(R"("cause":"not-scanned","target":"api.example")"));
  EXPECT_THAT(Json(), Not(HasSubstr("www")));
}

TEST_F(DiffUnknownTest, ANameThatTheOtherScanDidNotHaveIsLookedUpByItsAddress) {
  See("abc", "10.0.0.1", 80, v1::PORT_STATE_OPEN);
  Last("abc").set_name("www.example");
  See("def", "10.0.0.1", 80, v1::PORT_STATE_CLOSED);
  EXPECT_THAT(Json(), HasSubstr(R"("change":"gone","target":"www.example")"));
  Last("def").set_state(v1::PORT_STATE_OPEN);
  EXPECT_EQ(Json(), "") << "open in both, by whatever it was called";
}

TEST_F(DiffUnknownTest, ANameThatCouldNotBeLookedUpIsNotGone) {
  See("abc", "10.0.0.1", 80, v1::PORT_STATE_OPEN);
  Last("abc").set_name("www.example");
  v1::SkippedName* skipped = service.scans["def"].add_skipped_names();
  skipped->set_name("WWW.example");
  skipped->set_problem(v1::LOOKUP_PROBLEM_COULD_NOT_ASK);
  service.observations_of["def"] = {};
  EXPECT_THAT(Json(), HasSubstr(R"("cause":"name-not-looked-up","target":"www.example")"));
  service.scans["def"].mutable_skipped_names(0)->set_problem(v1::LOOKUP_PROBLEM_NO_SUCH_NAME);
  EXPECT_THAT(Json(), HasSubstr(R"("cause":"name-not-found","target":"www.example")"));
}

TEST_F(DiffUnknownTest, AFamilyThatTheVantageCannotAskDoesNotHideTheOther) {
  See("abc", "10.0.0.1", 80, v1::PORT_STATE_OPEN);
  See("def", "10.0.0.1", 80, v1::PORT_STATE_CLOSED);
  See("def", "2001:db8::1", 80, v1::PORT_STATE_NOT_PROBED, "agent-scope");
  for (const char* scan : {"abc", "def"}) {
    for (v1::Observation& o : service.observations_of[scan]) o.set_name("www.example");
  }
  EXPECT_THAT(Json(), HasSubstr(R"("change":"gone","target":"www.example")"));
}

// More than one call takes, and each by its own outcome.
TEST_F(DiffUnknownTest, LooksUpEveryDifference) {
  service.page_size = 10'000;
  for (int i = 0; i < 2'500; ++i) {
    const std::string ip = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    See("abc", ip, 22, v1::PORT_STATE_OPEN);
    See("def", ip, 22, i % 2 == 0 ? v1::PORT_STATE_CLOSED : v1::PORT_STATE_NOT_PROBED,
        i % 2 == 0 ? "conn-refused" : "attempts");
  }
  EXPECT_THAT(Remote({"diff", "abc", "def"}).err,
              HasSubstr("1,250 open only in abc, 0 open only in def, 0 in both, 1,250 not "
                        "comparable"));
}

TEST_F(DiffVerbTest, ANameThatMovedIsTheSame) {
  for (const char* vantage : {"office", "cloud"}) {
    Observe(vantage[0] == 'o' ? "10.0.1.1" : "10.0.1.2", 80, v1::PORT_STATE_OPEN, vantage);
    service.observations.back().set_name("www.example");
  }
  const Result result = Remote({"diff", "abc@office", "def@cloud"});
  EXPECT_THAT(result.out, Not(HasSubstr("www.example")));
  EXPECT_THAT(result.err, HasSubstr("2 in both"));
}

TEST_F(DiffVerbTest, FindsTheScansOfRuns) {
  v1::Monitor& m = AddMonitor("web");
  for (const uint64_t n : {3, 2, 1}) {
    v1::MonitorRun* run = m.add_runs();
    run->set_number(n);
    run->set_state(n == 3 ? v1::MonitorRun::STATE_RUNNING : v1::MonitorRun::STATE_COMPLETE);
    run->set_scan_id(n == 3 ? "xyz" : n == 2 ? "def" : "abc");
  }
  const Result result = Remote({"diff", "web#1@office", "web#last@cloud"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(service.calls, testing::Contains("GetScan abc"));
  EXPECT_THAT(service.calls, testing::Contains("GetScan def")) << "the last that has ended";
  EXPECT_EQ(result.Lines().size(), 3u);
  const Result none = Remote({"diff", "web#9", "abc"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("web#9: not among the last 3 runs"));
}

TEST_F(DiffVerbTest, SaysWhatCannotBeComparedWell) {
  service.scans["def"].set_state(v1::SCAN_STATE_PARTIAL);
  v1::HostFindingRow row;
  row.mutable_finding()->set_kind(v1::HOST_FINDING_KIND_ANSWERS_EVERYWHERE);
  row.mutable_finding()->set_address(IpAddress::Parse("10.0.0.2")->ToBytes());
  row.mutable_finding()->set_opens(10);
  row.mutable_finding()->set_outcomes(10);
  auto* confirmed = row.mutable_finding()->add_confirmed();
  confirmed->set_port(1);
  confirmed->set_held(v1::HELD_RESET);
  row.set_vantage("cloud");
  service.findings.push_back(row);
  const Result result = Remote({"diff", "abc@office", "def@cloud"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, Not(HasSubstr("10.0.0.2")));
  EXPECT_THAT(result.err, HasSubstr("def@cloud is partial"));
  EXPECT_THAT(result.err, HasSubstr("not compared: 1 host that answers on every port"));
  const Result wrong = Remote({"diff", "abc@moon", "def"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("it has office, cloud"));
}

}  // namespace
}  // namespace portolan
