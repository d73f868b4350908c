#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_directory.h"
#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class MonitorVerbTest : public CliTest {
 protected:
  void WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(directory_.path() + "/" + name) << text;
  }
  void AddResult(const std::string& name, v1::ApplyMonitorsResponse::Action action,
                 const std::string& diff = "") {
    auto* result = monitoring.apply.add_results();
    result->set_monitor(name);
    result->set_action(action);
    if (!diff.empty()) result->add_diff(diff);
  }
  TempDirectory directory_;
};

TEST_F(MonitorVerbTest, ApplyReadsADirectoryInOrderAndShowsWhatChanges) {
  WriteFile("b.yaml", "kind: B\n");
  WriteFile("a.yml", "kind: A\n");
  WriteFile("README.md", "# no monitor\n");
  AddResult("web", v1::ApplyMonitorsResponse::ACTION_CHANGED, "spec.ports: 22 -> \x1b[31m23");
  AddResult("db", v1::ApplyMonitorsResponse::ACTION_UNCHANGED);
  const Result result =
      Remote({"monitor", "apply", "-f", directory_.path(), "--dry-run", "--prune"});
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(monitoring.applied.documents_size(), 2);
  EXPECT_EQ(monitoring.applied.documents(0).source(), directory_.path() + "/a.yml");
  EXPECT_EQ(monitoring.applied.documents(1).yaml(), "kind: B\n");
  EXPECT_TRUE(monitoring.applied.dry_run());
  EXPECT_TRUE(monitoring.applied.prune());
  EXPECT_THAT(result.Lines(),
              ElementsAre("web: changed", "  spec.ports: 22 -> \\x1b[31m23", "db: unchanged"));
  EXPECT_THAT(result.err, HasSubstr("nothing was changed"));
  EXPECT_THAT(Remote({"monitor", "apply", "-f", directory_.path(), "--json"}).Lines()[0],
              HasSubstr(R"({"type":"apply","monitor":"web","action":"ACTION_CHANGED")"));
}

TEST_F(MonitorVerbTest, ApplyReadsStandardInputAndSaysWhereItIsWrong) {
  stdin_text = "kind: Monitor\n";
  EXPECT_EQ(Remote({"monitor", "apply", "-f", "-"}).code, 0);
  EXPECT_EQ(monitoring.applied.documents(0).source(), "stdin");

  monitoring.errors["ApplyMonitors"] =
      grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a.yaml:3:5: spec.ports: no\nb.yaml:1:1: x");
  Result result = Remote({"monitor", "apply", "-f", "-"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err, "portolan: a.yaml:3:5: spec.ports: no\nb.yaml:1:1: x\n");

  monitoring.calls.clear();
  stdin_text = "kind: [Monitor\n";  // no YAML: not even sent
  result = Remote({"monitor", "apply", "-f", "-"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("portolan: stdin:"));
  stdin_text = "# nothing\n";  // with --prune this would delete everything
  result = Remote({"monitor", "apply", "-f", "-", "--prune"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("would remove every monitor"));
  EXPECT_EQ(Remote({"monitor", "apply", "-f", directory_.path()}).code, 2) << "an empty directory";
  WriteFile("big.yaml", std::string((1 << 20) + 1, ' '));
  EXPECT_EQ(Remote({"monitor", "apply", "-f", directory_.path()}).code, 2);
  EXPECT_TRUE(monitoring.calls.empty());
}

TEST_F(MonitorVerbTest, ApplySendsTheListsThatDocumentsName) {
  std::filesystem::create_directory(directory_.path() + "/lists");
  WriteFile("lists/hosts.txt", "10.0.0.1\n");
  WriteFile("a.yaml", "kind: Monitor\nspec: {targetsFrom: {file: lists/hosts.txt}}\n");
  Result result = Remote({"monitor", "apply", "-f", directory_.path()});
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(monitoring.applied.documents(0).target_files_size(), 1);
  EXPECT_EQ(monitoring.applied.documents(0).target_files(0).path(), "lists/hosts.txt");
  EXPECT_EQ(monitoring.applied.documents(0).target_files(0).text(), "10.0.0.1\n");

  monitoring.calls.clear();
  WriteFile("a.yaml", "kind: Monitor\nspec: {targetsFrom: {file: lists/other.txt}}\n");
  result = Remote({"monitor", "apply", "-f", directory_.path()});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              testing::AllOf(HasSubstr("a.yaml: spec.targetsFrom.file"),
                             HasSubstr("lists/other.txt"), HasSubstr("directory of the document")));
  EXPECT_TRUE(monitoring.calls.empty());
}

TEST_F(MonitorVerbTest, DescribeListsTheNamesThatLeadNowhere) {
  v1::Monitor& m = AddMonitor("web");
  m.set_no_data("2 names with nothing to look at: a.example (no such name), ...");
  v1::MonitorRun* run = m.add_runs();
  run->set_number(7);
  run->set_state(v1::MonitorRun::STATE_PARTIAL);
  for (const char* name : {"a.example", "b.example"}) {
    auto* n = run->add_unresolved_names();
    n->set_name(name);
    n->set_problem(name[0] == 'a' ? "no such name" : "could not ask: no answer");
  }
  const Result result = Remote({"monitor", "describe", "web"});
  EXPECT_THAT(result.out, testing::AllOf(HasSubstr("in run 7"), HasSubstr("a.example"),
                                         HasSubstr("could not ask: no answer")));
  EXPECT_EQ(Remote({"check", "web"}).code, 1) << "nothing found means nothing";
}

TEST_F(MonitorVerbTest, GetPrintsTheDocumentAsItIsButSafelyOnATerminal) {
  AddMonitor("web").set_yaml("kind: Monitor\nspec:\n  reason: \"a\xe2\x80\xae\"\n  n: 3\n");
  EXPECT_EQ(Remote({"monitor", "get", "web"}).out, monitoring.monitors["web"].yaml());
  EXPECT_THAT(Remote({"monitor", "get", "web", "-o", "json"}).out, HasSubstr(R"("kind")"));
  out_is_terminal = true;
  EXPECT_THAT(Remote({"monitor", "get", "web"}).out, HasSubstr("a\\u{202e}"));
  const Result none = Remote({"monitor", "get", "nosuch"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("no such monitor"));
}

TEST_F(MonitorVerbTest, ListShowsStatesAndWhatNeedsAPerson) {
  AddMonitor("web");
  v1::Monitor& db = AddMonitor("db");
  db.set_paused(true);
  db.set_behind_s(90);
  auto* v = db.add_vantages();
  v->set_vantage("cloud");
  v->set_canaries("quarantined");
  v->set_open(1234);
  AddMonitor("new").set_no_data("no run of it has been complete yet");
  const Result result = Remote({"monitor", "list"});
  EXPECT_THAT(result.Lines()[1], HasSubstr("paused, 1m30s late, cloud quarantined"));
  EXPECT_THAT(result.Lines()[1], HasSubstr("1,234"));
  EXPECT_THAT(result.Lines()[2], HasSubstr("no data"));
  EXPECT_THAT(result.Lines()[3], HasSubstr("1h00m ago"));
  EXPECT_EQ(Remote({"monitor", "list", "--json"}).Lines().size(), 3u);
}

TEST_F(MonitorVerbTest, DescribeSaysHowItDoesAndHowToAcceptAMassChange) {
  v1::Monitor& m = AddMonitor("web");
  m.set_owner("web-team");
  (*m.mutable_labels())["team"] = "web";
  m.set_behind_s(720);
  m.set_behind_reason("12m late: run 16 is still under way");
  auto* run = m.add_runs();
  run->set_number(17);
  run->set_state(v1::MonitorRun::STATE_PARTIAL);
  run->set_trigger("manual");
  run->set_message("no agent of \x1b[0mcloud");
  run->set_positions(1000);
  run->set_known(500);
  auto* v = m.add_vantages();
  v->set_vantage("cloud");
  v->set_side("outside");
  v->set_canaries("quarantined");
  v->set_canary_reason("3 of 4 open canaries do not answer");
  v->set_mass_change("12000 closed");
  auto* canary = v->add_chosen();
  canary->set_target("2001:db8::1");
  canary->set_port(22);
  canary->set_open(true);
  for (const char* severity : {"high", "low", "high"})
    monitoring.findings.add_findings()->set_severity(severity);
  const Result result = Remote({"monitor", "describe", "web"});
  EXPECT_EQ(result.code, 0);
  for (const char* part :
       {"owner          web-team", "labels         team=web", "every 1h", "12m00s: 12m late",
        "17   partial  manual", "50.0%", "no agent of \\x1b[0mcloud", "vantage cloud (outside)",
        "canaries quarantined", "3 of 4 open canaries", "[2001:db8::1]:22 open",
        "portolan monitor accept web --vantage cloud", "open findings: 2 high, 1 low"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  EXPECT_EQ(monitoring.asked_findings.monitor(), "web");
}

TEST_F(MonitorVerbTest, PausesResumesAcceptsAndRuns) {
  AddMonitor("web");
  EXPECT_THAT(Remote({"monitor", "pause", "web"}).err, HasSubstr("web is paused"));
  EXPECT_THAT(Remote({"monitor", "resume", "web"}).err, HasSubstr("runs again"));
  EXPECT_THAT(Remote({"monitor", "accept", "web", "--vantage", "cloud"}).err,
              HasSubstr("baseline of vantage cloud"));
  EXPECT_THAT(Remote({"monitor", "run-now", "web"}).err, HasSubstr("run 1 of web"));
  EXPECT_THAT(monitoring.calls, Contains("AcceptNextRun cloud web"));
}

TEST_F(MonitorVerbTest, RunNowWaitsForItsOwnRunAndExitsAsItEnds) {
  v1::Monitor& m = AddMonitor("web");
  auto* before = m.add_runs();
  before->set_number(16);
  before->set_state(v1::MonitorRun::STATE_COMPLETE);
  m.set_waiting("manual");
  m.set_next_run(17);
  int asked = 0;
  monitoring.on_get = [&](const std::string&) {
    v1::Monitor& now = monitoring.monitors["web"];
    if (++asked == 2) {
      now.clear_waiting();
      now.set_next_run(18);
      v1::MonitorRun run;
      run.set_number(17);
      run.set_state(v1::MonitorRun::STATE_RUNNING);
      run.set_scan_id("abc");
      *now.add_runs() = run;
    } else if (asked == 4) {
      now.mutable_runs(1)->set_state(v1::MonitorRun::STATE_PARTIAL);
      now.mutable_runs(1)->set_message("no agent");
    }
  };
  AddScan("abc", v1::SCAN_STATE_RUNNING);
  const Result result = Remote({"monitor", "run-now", "web", "--wait"});
  EXPECT_EQ(result.code, 3) << result.err;
  EXPECT_THAT(result.out, HasSubstr("run 17 of web: partial"));
  EXPECT_THAT(result.out, HasSubstr("scan abc: no agent"));
  EXPECT_EQ(waited, std::chrono::seconds(3));
}

TEST_F(MonitorVerbTest, AnInterruptedWaitLeavesTheRun) {
  v1::Monitor& m = AddMonitor("web");
  m.set_waiting("manual");
  on_wait = [this] { interrupts.Deliver(2); };
  const Result result = Remote({"monitor", "run-now", "web", "--wait"});
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.err, HasSubstr("goes on without this program"));
}

TEST_F(MonitorVerbTest, DeleteSaysWhatGoesAndAsks) {
  v1::Monitor& m = AddMonitor("web");
  m.set_events(1234);
  AddMonitor("db");
  EXPECT_EQ(Remote({"monitor", "delete", "web"}).code, 2) << "nobody can be asked";
  EXPECT_EQ(Remote({"monitor", "delete", "web", "nosuch", "--yes"}).code, 1);
  EXPECT_EQ(monitoring.monitors.size(), 2u) << "a mistyped name deletes nothing";
  in_is_terminal = true;
  stdin_text = "n\n";
  Result result = Remote({"monitor", "delete", "web"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("1,234 events"));
  EXPECT_EQ(monitoring.monitors.size(), 2u);
  stdin_text = "y\n";
  EXPECT_EQ(Remote({"monitor", "delete", "web"}).code, 0);
  EXPECT_EQ(monitoring.monitors.count("web"), 0u);
  in_is_terminal = false;
  result = Remote({"monitor", "delete", "db", "--yes"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, Not(HasSubstr("[y/N]")));
  EXPECT_TRUE(monitoring.monitors.empty());
}

TEST_F(MonitorVerbTest, NotificationsAreShownSettledAndTested) {
  auto* d = monitoring.dead.add_dead_letters();
  d->set_number(17);
  d->set_receiver("oncall");
  d->set_error("400: \x1b]0;owned");
  EXPECT_THAT(Remote({"notifications", "dead"}).out, HasSubstr("400: \\x1b]0;owned"));
  EXPECT_THAT(Remote({"notifications", "dead", "--json"}).out,
              HasSubstr(R"({"type":"dead-letter","number":"17")"));
  EXPECT_THAT(Remote({"notifications", "resend"}).err, HasSubstr("3 dead letters queued again"));
  EXPECT_FALSE(monitoring.settled.drop());
  EXPECT_EQ(Remote({"notifications", "drop"}).code, 2) << "drop says what";
  EXPECT_THAT(Remote({"notifications", "drop", "17"}).err, HasSubstr("dropped"));
  EXPECT_EQ(monitoring.settled.number(), 17);
  EXPECT_TRUE(monitoring.settled.drop());
  EXPECT_EQ(Remote({"notifications", "drop", "--receiver", "oncall"}).code, 0);
  EXPECT_EQ(monitoring.settled.receiver(), "oncall");
  EXPECT_THAT(Remote({"notifications", "test", "oncall"}).err, HasSubstr("test-9"));
}

}  // namespace
}  // namespace portolan
