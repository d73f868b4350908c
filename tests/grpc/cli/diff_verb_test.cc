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
  EXPECT_THAT(result.err,
              HasSubstr("1 open only in abc@office, 1 open only in def@cloud, 1 in both"));
  EXPECT_EQ(Remote({"diff", "abc@office", "def@cloud", "--fail-on-change"}).code, 4);
  EXPECT_EQ(Remote({"diff", "abc", "def", "--fail-on-change"}).code, 0) << "all vantages: the same";
}

TEST_F(DiffVerbTest, WritesAnObjectADifference) {
  const auto lines = Remote({"diff", "abc@office", "def@cloud", "--json"}).Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0],
            R"({"type":"diff","change":"gone","target":"10.0.0.1","address":"10.0.0.1","port":22,)"
            R"("service":"ssh","a":"open","b":"filtered/no-response"})");
  EXPECT_THAT(lines[1], HasSubstr(R"("change":"new","target":"10.0.0.2")"));
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
  EXPECT_THAT(result.err, HasSubstr("answer on every port were not compared"));
  const Result wrong = Remote({"diff", "abc@moon", "def"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("it has office, cloud"));
}

}  // namespace
}  // namespace portolan
