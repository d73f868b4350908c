// Scans and monitors of names, with real processes in a namespace whose only name server is the
// test's.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <sstream>

#include "tests/integration/names_lab.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Names(int count, const std::string& domain) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("h" + std::to_string(i) + "." + domain);
  return names;
}

class NamesOfScans : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = NetLab::Unavailable(); !why.empty()) GTEST_SKIP() << why;
    lab_ = std::make_unique<NamesLab>();
    ASSERT_TRUE(lab_->ok());
  }
  Fleet& fleet() { return lab_->fleet(); }
  // A command of local mode, in the same namespace.
  RunResult Local(std::vector<std::string> args) {
    Process::Options options;
    options.netns = lab_->netns();
    args.insert(args.begin(), std::string(PORTOLAN_BIN_DIR) + "/portolan");
    args.insert(args.end(), {"--data", fleet().dir().path("local")});
    return RunToEnd(args, seconds(60), options);
  }
  // A command that waits for names which nobody answers.
  std::unique_ptr<Process> StartSlow(const std::string& file) {
    const uint64_t before = lab_->names().questions();
    auto slow = fleet().StartCli(
        {"scan", "-iL", lab_->List(file, Names(20'000, file + ".silent.test")), "-p", "1"});
    lab_->names().WaitForQuestions(before + 100);
    return slow;
  }
  std::unique_ptr<NamesLab> lab_;
};

TEST_F(NamesOfScans, SlowListsHoldUpNobody) {
  const auto first = StartSlow("first"), second = StartSlow("second");
  const RunResult scan = fleet().Cli({"scan", "127.0.0.1", "-p", "1"}, seconds(60));
  EXPECT_EQ(scan.code, 0) << scan.err;
  const RunResult name = fleet().Cli({"scan", "ip-127-0-0-1.test", "-p", "1"}, seconds(60));
  EXPECT_EQ(name.code, 0) << name.err;
  const std::string file = fleet().dir().path("web.yaml");
  WriteFile(file,
            "apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: web}\nspec:\n"
            "  targets: [127.0.0.1]\n  ports: \"1\"\n  vantages:\n"
            "    - {name: lab, role: inside}\n  schedule:\n    every: 24h\n");
  const RunResult applied = fleet().Cli({"monitor", "apply", "-f", file}, seconds(60));
  EXPECT_EQ(applied.code, 0) << applied.err;
  const RunResult run = fleet().Cli({"monitor", "run-now", "web", "--wait"}, seconds(60));
  EXPECT_EQ(run.code, 0) << run.err << run.out;
  EXPECT_TRUE(first->Running() && second->Running()) << first->Err() << second->Err();
}

TEST_F(NamesOfScans, HundredsOfSlowNamesAreAskedForAtATime) {
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i) {
    names.push_back("h" + std::to_string(i) + ".ip-127-0-9-" + std::to_string(i % 250) +
                    ".ms1000.test");
  }
  const RunResult scan =
      fleet().Cli({"scan", "-iL", lab_->List("slow", names), "-p", "1", "--json"});
  EXPECT_EQ(scan.code, 0) << scan.err;
  EXPECT_EQ(ParseJsonLines(scan.out).summary.value("planned", 0), 250) << scan.out;
  EXPECT_EQ(lab_->names().max_waiting(), 600u);  // A and AAAA of all
}

TEST_F(NamesOfScans, EachBadNameIsToldWithItsPlaceOrSkipped) {
  const std::string list =
      lab_->List("mixed", {"ip-127-0-0-1.test", "gone.nx.test", "down.servfail.test",
                           "IP-127-0-0-2.Test.", "empty.nodata.test", "my_host.ip-127-0-0-3.test"});
  const RunResult refused = fleet().Cli({"scan", "-iL", list, "-p", "1"});
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err, HasSubstr("mixed:2"));
  EXPECT_THAT(refused.err, HasSubstr("gone.nx.test"));
  EXPECT_THAT(refused.err, HasSubstr("mixed:3"));
  EXPECT_THAT(refused.err, HasSubstr("SERVFAIL from 127.0.0.53"));
  EXPECT_THAT(refused.err, HasSubstr("mixed:5"));
  EXPECT_THAT(refused.err, Not(HasSubstr("mixed:4")));
  EXPECT_THAT(refused.err, Not(HasSubstr("mixed:6")));

  const RunResult scan =
      fleet().Cli({"scan", "-iL", list, "-p", "1", "--skip-unresolved", "--json"});
  EXPECT_EQ(scan.code, 0) << scan.err;
  const Results results = ParseJsonLines(scan.out);
  EXPECT_EQ(results.summary.value("planned", 0), 3) << scan.out;
  EXPECT_EQ(results.summary.value("names_skipped", 0), 3) << scan.out;
  EXPECT_THAT(fleet().Get("/api/v1/scans/last"), HasSubstr("\"names_skipped\":3"));
  // Both commands asked for all six.
  const auto count = [&](const std::string& result) {
    return fleet().Metric("portolan_names_total", "result=\"" + result + "\"");
  };
  EXPECT_EQ(count("found"), 6);
  for (const char* result : {"no-such-name", "no-address", "could-not-ask"})
    EXPECT_EQ(count(result), 2) << result;
  EXPECT_EQ(fleet().Metric("portolan_names_under_way"), 0);
  EXPECT_EQ(fleet().Metric("portolan_name_list_seconds_count"), 2);
}

// The list of a bug report as it is: twenty good names, and three bad ones at its end.
TEST_F(NamesOfScans, AGivenListWithBadNamesTellsEachOrGoesOnWithTheRest) {
  for (int i = 1; i <= 20; ++i) {
    lab_->names().Set(fmt::format("ok{}.test", i),
                      {IpAddress::V4(0x7f000100u + static_cast<uint32_t>(i))});
  }
  for (int i = 1; i <= 3; ++i) lab_->names().Set(fmt::format("bad{}.test", i), {});
  const std::string list = std::string(PORTOLAN_SOURCE_DIR) + "/tests/cases/names3bad.txt";
  for (const bool local : {false, true}) {
    SCOPED_TRACE(local ? "local" : "coordinator");
    const auto run = [&](std::vector<std::string> args) {
      args.insert(args.begin(), {"scan", "-iL", list, "-p", "1"});
      return local ? Local(args) : fleet().Cli(args);
    };
    const RunResult refused = run({});
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("3 targets cannot be used:"));
    for (int i = 1; i <= 3; ++i) {
      EXPECT_THAT(refused.err,
                  HasSubstr(fmt::format("names3bad.txt:{}: \"bad{}.test\"", 20 + i, i)));
    }
    EXPECT_THAT(refused.err, Not(HasSubstr("\"ok")));
    EXPECT_THAT(refused.err, HasSubstr("--skip-unresolved"));
    const RunResult scan = run({"--skip-unresolved", "--json"});
    EXPECT_EQ(scan.code, 0) << scan.err;
    EXPECT_THAT(scan.err, HasSubstr("3 names could not be looked up and are skipped"));
    const Results results = ParseJsonLines(scan.out);
    EXPECT_EQ(results.summary.value("planned", 0), 20) << scan.out;
    EXPECT_EQ(results.summary.value("names_skipped", 0), 3) << scan.out;
    for (int i = 1; i <= 3; ++i) EXPECT_THAT(scan.out, HasSubstr(fmt::format("bad{}.test", i)));
  }
}

// Results of a monitor's scans show what results of a scan by hand show.
TEST_F(NamesOfScans, AMonitorsScanShowsEveryNameOfAnAddress) {
  const std::string file = fleet().dir().path("names.yaml");
  WriteFile(file,
            "apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: names}\nspec:\n"
            "  targets: [a.ip-127-0-0-1.test, B.ip-127-0-0-1.test, 127.0.0.2]\n  ports: \"53,54\"\n"
            "  vantages:\n    - {name: lab, role: inside}\n  schedule:\n    every: 24h\n"
            "  paused: true\n");
  ASSERT_EQ(fleet().Cli({"monitor", "apply", "-f", file}).code, 0);
  const RunResult run = fleet().Cli({"monitor", "run-now", "names", "--wait"}, seconds(60));
  EXPECT_EQ(run.code, 0) << run.err;
  const RunResult hand = fleet().Cli({"scan", "a.ip-127-0-0-1.test", "b.ip-127-0-0-1.test",
                                      "127.0.0.2", "-p", "53,54", "--vantage", "lab"});
  EXPECT_EQ(hand.code, 0) << hand.err;
  const RunResult scans = fleet().Cli({"scans", "list", "--monitors", "--json"});
  std::string of_monitor;
  std::istringstream lines(scans.out);
  for (std::string line; std::getline(lines, line);) {
    const auto scan = nlohmann::json::parse(line, nullptr, false);
    if (scan.is_object() && scan["name"].is_string() && scan["name"] == "monitor names run 1")
      of_monitor = scan.value("scan_id", "");
  }
  ASSERT_FALSE(of_monitor.empty()) << scans.out;
  const RunResult results = fleet().Cli({"results", of_monitor, "--show", "all"});
  EXPECT_THAT(results.out, HasSubstr("a.ip-127-0-0-1.test, b.ip-127-0-0-1.test")) << results.out;
  const RunResult named =
      fleet().Cli({"results", of_monitor, "--show", "all", "--target", "b.ip-127-0-0-1.test"});
  EXPECT_EQ(named.code, 0) << named.err;
  EXPECT_THAT(named.out, HasSubstr("127.0.0.1"));
  const RunResult diff = fleet().Cli({"diff", of_monitor, "last", "--fail-on-change"});
  EXPECT_EQ(diff.code, 0) << diff.out << diff.err;
}

TEST_F(NamesOfScans, AStoppedResolverIsNotAMissingName) {
  lab_->names().SetMode(DnsServer::Mode::kClosed);
  const RunResult stopped = fleet().Cli({"scan", "ip-127-0-0-1.test", "-p", "1"});
  EXPECT_NE(stopped.code, 0);
  EXPECT_THAT(stopped.err, HasSubstr("127.0.0.53 cannot be reached"));
  EXPECT_THAT(stopped.err, Not(HasSubstr("does not exist")));
  EXPECT_GE(fleet().Metric("portolan_names_total", "result=\"could-not-ask\""), 1);
  EXPECT_EQ(fleet().Metric("portolan_names_total", "result=\"no-such-name\""), 0);
  lab_->names().SetMode(DnsServer::Mode::kAnswers);
  EXPECT_EQ(fleet().Cli({"scan", "ip-127-0-0-1.test", "-p", "1"}).code, 0);
}

TEST_F(NamesOfScans, ACallerWhoHasGoneLeavesNoScan) {
  for (const int signal : {SIGINT, SIGKILL}) {
    const auto slow = StartSlow("slow" + std::to_string(signal));
    slow->Signal(signal);
    ASSERT_TRUE(slow->Wait(seconds(20)).has_value());
    if (signal == SIGINT) {
      EXPECT_THAT(slow->Err(), HasSubstr("no scan was created"));
    }
  }
  const RunResult scan = fleet().Cli({"scan", "127.0.0.1", "-p", "1", "--json"});
  EXPECT_EQ(scan.code, 0) << scan.err;
  const RunResult scans = fleet().Cli({"scans", "--json"});
  size_t lines = 0;
  for (const char c : scans.out) lines += c == '\n' ? 1 : 0;
  EXPECT_EQ(lines, 1u) << scans.out;
}

TEST_F(NamesOfScans, LocalModeSaysHowFarTheNamesAre) {
  // `script` gives the command a terminal.
  Process::Options options;
  options.netns = lab_->netns();
  options.env["XDG_STATE_HOME"] = fleet().dir().path("state");
  options.env["TERM"] = "xterm";
  const std::string list = lab_->List("some", Names(2'000, "ip-127-0-0-1.ms250.test"));
  const RunResult scan = RunToEnd(
      {"script", "-qec", std::string(PORTOLAN_BIN_DIR) + "/portolan scan -iL " + list + " -p 1",
       "/dev/null"},
      seconds(120), options);
  EXPECT_EQ(scan.code, 0) << scan.out;
  EXPECT_THAT(scan.out, HasSubstr("looking up names "));
  EXPECT_THAT(scan.out, HasSubstr(" of 2,000"));
}

}  // namespace
}  // namespace portolan::integration
