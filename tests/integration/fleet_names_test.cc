// Names of agents and vantages: two agents of one name under service managers, agents that are
// killed or leave, vantages that are misspelt or empty.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <optional>
#include <set>
#include <sstream>

#include "tests/integration/fleet_lab.h"

namespace portolan::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The exit codes after which deploy/systemd does not start an agent again.
std::set<int> PreventingExitCodes() {
  const std::string unit =
      ReadFile(std::string(PORTOLAN_SOURCE_DIR) + "/deploy/systemd/portolan-agent.service");
  const std::string key = "RestartPreventExitStatus=";
  const size_t at = unit.find(key);
  std::istringstream codes(unit.substr(at + key.size(), unit.find('\n', at) - at - key.size()));
  std::set<int> out;
  for (int code = 0; codes >> code;) out.insert(code);
  return out;
}

// A small service manager: starts the agent again whenever it fails, as the shipped unit says.
class Supervisor {
 public:
  Supervisor(Fleet& fleet, Fleet::AgentSpec spec) : fleet_(fleet), spec_(std::move(spec)) {
    Start();
  }
  // Looks after the agent. Call it often.
  void Step() {
    if (stopped_.has_value()) return;
    const std::optional<int> code = process_->Wait(milliseconds(0));
    if (!code.has_value()) return;
    codes_.push_back(*code);
    if (*code == 0 || prevent_.count(*code) > 0) {
      stopped_ = code;
      log_ = process_->Err();
    } else {
      Start();
    }
  }
  void Kill() {
    process_->Signal(SIGKILL);
    process_->Wait(seconds(10));
  }
  bool running() const { return !stopped_.has_value(); }
  std::optional<int> stopped() const { return stopped_; }  // with this exit code
  const std::vector<int>& codes() const { return codes_; }
  const std::string& log() const { return log_; }

 private:
  void Start() { process_ = &fleet_.StartAgent(spec_); }

  Fleet& fleet_;
  const Fleet::AgentSpec spec_;
  const std::set<int> prevent_ = PreventingExitCodes();
  Process* process_ = nullptr;
  std::optional<int> stopped_;
  std::vector<int> codes_;
  std::string log_;
};

int Count(const std::string& text, const std::string& what) {
  int n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// Two hosts with one name, and a scan that takes a while.
class FleetNames : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = NetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    FleetLab::Options options;
    options.coordinator_flags = {"--insecure", "--lease-term", "3s"};
    options.agent_flags = {"--insecure", "--max-rate", "300"};
    lab_ = std::make_unique<FleetLab>(2, options);
    ASSERT_TRUE(lab_->ok());
    ASSERT_TRUE(lab_->StartCoordinator());
    fleet_ = &lab_->fleet();
  }
  Fleet::AgentSpec Spec(int host, const std::string& name, const std::string& vantage = "v") {
    Fleet::AgentSpec spec = lab_->Agent(host, name, vantage);
    spec.key = name + " on " + std::to_string(host);
    return spec;
  }
  std::string StartScan() {
    return fleet_->Detach({"198.19.0.0/24", "-p", "1-20", "--target-rate", "0"});
  }
  double Agents(const std::string& vantage, bool live) {
    return fleet_->Metric("portolan_agents",
                          "vantage=\"" + vantage + "\",live=\"" + (live ? "true" : "false") + "\"");
  }
  template <typename F>
  bool Supervise(milliseconds most, std::vector<Supervisor*> all, F condition) {
    return Eventually(most, [&] {
      for (Supervisor* s : all) s->Step();
      return condition();
    });
  }

  std::unique_ptr<FleetLab> lab_;
  Fleet* fleet_ = nullptr;  // the lab's
};

TEST_F(FleetNames, TwoUnderASupervisorDoNotEndEachOther) {
  ASSERT_THAT(PreventingExitCodes(), testing::ElementsAre(2, 3));
  Supervisor first(*fleet_, Spec(1, "copied"));
  ASSERT_TRUE(fleet_->WaitForAgents(1));
  const std::string scan = StartScan();
  ASSERT_FALSE(scan.empty());
  ASSERT_TRUE(Eventually(seconds(30), [&] { return fleet_->Done(scan) > 100; }));

  Supervisor second(*fleet_, Spec(2, "copied"));
  ASSERT_TRUE(Supervise(seconds(60), {&first, &second}, [&] { return !second.running(); }));
  EXPECT_EQ(second.stopped(), 3) << second.log();
  EXPECT_EQ(second.codes().size(), 1u) << "it was started once";
  EXPECT_THAT(second.log(), HasSubstr("--name of its own"));
  EXPECT_TRUE(first.running());
  EXPECT_TRUE(first.codes().empty()) << "the first never ended";

  // Both are named, wherever somebody looks.
  const std::string log = fleet_->coordinator().Err();
  EXPECT_THAT(log, HasSubstr("two agents of one name"));
  EXPECT_THAT(log, HasSubstr("198.18.1.2"));
  EXPECT_THAT(log, HasSubstr("198.18.2.2"));
  EXPECT_EQ(Count(log, "agent connected"), 1) << log;
  const nlohmann::json listed = fleet_->ListedAgent("copied");
  EXPECT_THAT(listed.value("peer", ""), HasSubstr("198.18.1.2"));
  EXPECT_EQ(listed["rival_peers"].dump(), "[\"198.18.2.2\"]");
  EXPECT_THAT(fleet_->Cli({"agents"}).out,
              HasSubstr("another agent of this name calls from 198.18.2.2"));
  const auto api = nlohmann::json::parse(fleet_->Get("/api/v1/agents"), nullptr, false);
  ASSERT_TRUE(api.is_object() && api["agents"].size() == 1) << api.dump();
  EXPECT_EQ(api["agents"][0]["rival_peers"].dump(), "[\"198.18.2.2\"]");
  EXPECT_EQ(
      fleet_->Metric("portolan_fleet_name_conflict",
                     "agent=\"copied\",vantage=\"v\",peer=\"198.18.1.2\",rival=\"198.18.2.2\""),
      1);
  EXPECT_EQ(fleet_->Metric("portolan_agent_name_conflicts_total"), 1);

  EXPECT_EQ(fleet_->WaitFinished(scan, seconds(120)), "complete");
  EXPECT_EQ(fleet_->Metric("portolan_leases_total", "event=\"expired\""), 0)
      << "the first lost nothing";
}

// A power cut, an update of all machines: nobody was there first.
TEST_F(FleetNames, BothStartedAtOnceOneOfThemWorks) {
  Supervisor one(*fleet_, Spec(1, "copied")), two(*fleet_, Spec(2, "copied"));
  ASSERT_TRUE(Supervise(seconds(60), {&one, &two}, [&] { return one.running() != two.running(); }));
  Supervisor& loser = one.running() ? two : one;
  Supervisor& winner = one.running() ? one : two;
  EXPECT_EQ(loser.stopped(), 3) << loser.log();
  EXPECT_TRUE(winner.codes().empty());
  const std::string scan = StartScan();
  EXPECT_EQ(fleet_->WaitFinished(scan, seconds(120)), "complete");
  EXPECT_TRUE(winner.codes().empty());
}

TEST_F(FleetNames, ARestartOfTheCoordinatorInBetweenLeavesTheWorkWhereItWas) {
  Supervisor first(*fleet_, Spec(1, "copied"));
  ASSERT_TRUE(fleet_->WaitForAgents(1));
  const std::string scan = StartScan();
  ASSERT_TRUE(Eventually(seconds(30), [&] { return fleet_->Done(scan) > 100; }));
  fleet_->KillCoordinator();
  Supervisor second(*fleet_, Spec(2, "copied"));  // waits for a coordinator
  ASSERT_TRUE(fleet_->StartCoordinator());
  ASSERT_TRUE(Supervise(seconds(60), {&first, &second},
                        [&] { return first.running() != second.running(); }));
  EXPECT_EQ(second.stopped(), 3) << second.log();
  EXPECT_TRUE(first.codes().empty());
  EXPECT_EQ(fleet_->WaitFinished(scan, seconds(120)), "complete");
}

TEST_F(FleetNames, AKilledAgentComesBackUnderItsName) {
  Supervisor agent(*fleet_, Spec(1, "phoenix"));
  ASSERT_TRUE(fleet_->WaitForAgents(1));
  const std::string scan = StartScan();
  for (int i = 1; i <= 4; ++i) {
    agent.Kill();
    Pause(seconds(1));  // RestartSec
    ASSERT_TRUE(
        Supervise(seconds(30), {&agent},
                  [&] { return Count(fleet_->coordinator().Err(), "agent connected") == i + 1; }))
        << "after kill " << i << fleet_->coordinator().Err();
  }
  EXPECT_EQ(agent.codes(), std::vector<int>(4, 128 + SIGKILL));
  EXPECT_EQ(fleet_->WaitFinished(scan, seconds(180)), "complete");
  EXPECT_EQ(agent.codes().size(), 4u) << "it never ended by itself";
  EXPECT_THAT(fleet_->coordinator().Err(), Not(HasSubstr("two agents of one name")));
}

TEST_F(FleetNames, TheLastAgentThatLeavesIsMissedAtItsVantage) {
  fleet_->StartAgent(Spec(1, "a1", "dmz"));
  fleet_->StartAgent(Spec(2, "a2", "office"));
  ASSERT_TRUE(fleet_->WaitForAgents(2));
  Process& a1 = fleet_->agent("a1 on 1");
  a1.Signal(SIGTERM);
  EXPECT_EQ(a1.Wait(seconds(30)), 0) << a1.Err();
  // It has left: no agent is down, and its vantage has none.
  EXPECT_TRUE(fleet_->ListedAgent("a1").is_null());
  EXPECT_EQ(Agents("dmz", true), 0);
  EXPECT_EQ(Agents("dmz", false), 0);
  EXPECT_EQ(Agents("office", true), 1);
  EXPECT_THAT(fleet_->coordinator().Err(), HasSubstr("agent left"));

  // One that an operator has drained stays.
  EXPECT_EQ(fleet_->Cli({"agents", "drain", "a2"}).code, 0);
  EXPECT_TRUE(fleet_->ListedAgent("a2").value("draining", false));
  Process& a2 = fleet_->agent("a2 on 2");
  a2.Signal(SIGTERM);
  EXPECT_EQ(a2.Wait(seconds(30)), 0) << a2.Err();
  const nlohmann::json drained = fleet_->ListedAgent("a2");
  ASSERT_TRUE(drained.is_object());
  EXPECT_FALSE(drained.value("live", true));
  EXPECT_THAT(drained.value("away_reason", ""), HasSubstr("drained"));
  EXPECT_EQ(Agents("office", false), 0) << "nor is it down";

  // Over a restart, too.
  fleet_->KillCoordinator();
  ASSERT_TRUE(fleet_->StartCoordinator());
  EXPECT_EQ(Agents("dmz", true), 0);
  EXPECT_EQ(Agents("dmz", false), 0);
  EXPECT_EQ(Agents("office", true), 0);
}

TEST_F(FleetNames, AMisspeltVantageIsRefusedAtOnce) {
  fleet_->StartAgent(Spec(1, "a1", "dmz"));
  fleet_->StartAgent(Spec(2, "a2", "office"));
  ASSERT_TRUE(fleet_->WaitForAgents(2));
  const std::vector<std::string> what = {"198.19.0.1", "-p", "1-10"};
  const auto scan = [&](std::vector<std::string> more) {
    std::vector<std::string> args = {"scan"};
    args.insert(args.end(), what.begin(), what.end());
    args.insert(args.end(), more.begin(), more.end());
    return fleet_->Cli(args, seconds(60));
  };
  RunResult r = scan({"--vantage", "ofice"});
  EXPECT_EQ(r.code, 2) << r.err;
  EXPECT_THAT(r.err, HasSubstr("did you mean \"office\"?"));
  EXPECT_THAT(r.err, HasSubstr("known vantages: dmz, office"));
  EXPECT_THAT(r.err, HasSubstr("--wait-for-agents"));
  EXPECT_THAT(fleet_->Cli({"scans", "list"}).out, Not(HasSubstr("198.19.0.1")));

  r = scan({"--vantage", "ofice", "--wait-for-agents", "--detach"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("no agent of vantage \"ofice\" takes work now"));
  EXPECT_THAT(r.err, HasSubstr("vantages with a live agent: dmz, office"));
  EXPECT_EQ(Agents("ofice", true), 0) << "a scan names it";

  // A monitor may be there before its agents.
  const std::string file = fleet_->dir().path("m.yaml");
  WriteFile(file,
            "apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: m}\nspec:\n"
            "  targets: [198.19.0.1]\n  ports: 1-10\n  schedule: {every: 366d}\n"
            "  vantages: [{name: dmz, role: inside}, {name: ofice, role: outside}]\n");
  r = fleet_->Cli({"monitor", "apply", "-f", file});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("monitor m: no agent has ever called from a vantage \"ofice\""));
  EXPECT_THAT(r.err, HasSubstr("did you mean \"office\"?"));
  r = fleet_->Cli({"monitor", "run-now", "m"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("no agent of vantage \"ofice\" takes work now"));

  // Known, and empty now.
  fleet_->agent("a2 on 2").Signal(SIGTERM);
  fleet_->agent("a2 on 2").Wait(seconds(30));
  r = scan({"--vantage", "office", "--lane-timeout", "1s"});
  EXPECT_EQ(r.code, 3) << r.err;
  EXPECT_THAT(r.err, HasSubstr("no agent of vantage \"office\" takes work now"));
  EXPECT_THAT(r.err, HasSubstr("vantages with a live agent: dmz"));
}

}  // namespace
}  // namespace portolan::integration
