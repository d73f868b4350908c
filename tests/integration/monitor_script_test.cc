// A monitor with three vantages over a network whose services and firewall change by a script: the
// events, findings and metrics are what the script says, no more and no less.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/integration/exposure_script.h"
#include "tests/integration/monitor_lab.h"

namespace portolan::integration {
namespace {

class MonitorScript : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = NetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    script_ = ExposureScript();
    lab_ = std::make_unique<MonitorLab>(script_[0].world);
    ASSERT_TRUE(lab_->Start());
  }

  // The script's next step happens.
  void Advance() {
    ASSERT_LT(++at_, script_.size());
    const auto changes = ChangesBetween(script_[at_ - 1].world, script_[at_].world);
    wanted_.insert(changes.begin(), changes.end());
    ASSERT_TRUE(lab_->Become(script_[at_].world));
  }
  // A run that is like those of a day without trouble.
  void ExpectCompleteRun(int run) {
    const nlohmann::json record = lab_->WaitSettled(run);
    ASSERT_FALSE(record.is_null()) << "run " << run << " does not end";
    EXPECT_EQ(record["state"], "complete") << record.dump(1);
  }
  void ExpectTheTruth() {
    EXPECT_EQ(lab_->Events(), wanted_);
    const auto findings = FindingsOf(script_[at_].world);
    // Brought up to date some seconds after the changes.
    EXPECT_TRUE(Eventually(seconds(20), [&] { return lab_->Findings() == findings; }));
    EXPECT_EQ(lab_->Findings(), findings);
  }
  // Metrics are refreshed every some seconds, from what is stored by now.
  std::vector<Sample> FreshMetrics() {
    const auto refreshed = [&] {
      return lab_->fleet().Metric("portolan_monitoring_updated_timestamp_seconds");
    };
    const double before = refreshed();
    EXPECT_TRUE(Eventually(seconds(60), [&] { return refreshed() > before; }));
    return lab_->Metrics();
  }
  // In the order of their sequence numbers, without a gap, none twice.
  void ExpectEventsInOrder() {
    const std::vector<nlohmann::json> events = lab_->EventRecords();
    std::set<std::string> ids;
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i]["sequence"], i + 1);
      EXPECT_TRUE(ids.insert(events[i]["id"]).second) << events[i].dump(1);
      EXPECT_GE(events[i]["trail"].size(), 3u) << "a run and two probes at least";
    }
  }

  std::vector<ScriptStep> script_;
  size_t at_ = 0;
  std::multiset<Change> wanted_;  // events so far
  std::unique_ptr<MonitorLab> lab_;
};

TEST_F(MonitorScript, TellsWhatHappensAndNothingElse) {
  int run = lab_->RunNow();
  EXPECT_EQ(run, 1);
  while (true) {
    SCOPED_TRACE(script_[at_].what);
    ExpectCompleteRun(run);
    ExpectTheTruth();
    const std::vector<Sample> metrics = FreshMetrics();
    ExpectMetricsOf(metrics, script_[at_].world);
    ExpectCountsOf(metrics, wanted_, run);
    if (at_ + 1 == script_.size() || HasFatalFailure()) break;
    Advance();
    EXPECT_EQ(lab_->RunNow(), ++run);
  }
  EXPECT_EQ(at_ + 1, script_.size());
  ExpectEventsInOrder();
}

// The same, while things fail: a failure of ours is no change of the network, and what happened
// during it is told once it is over.
class MonitorTrouble : public MonitorScript {
 protected:
  static constexpr int kLossPercent = 2;

  // What is still to come, because nothing that a vantage saw was believed.
  std::multiset<Change> WithoutLast(const std::string& vantage) const {
    const auto last = ChangesBetween(script_[at_ - 1].world, script_[at_].world);
    std::multiset<Change> out = wanted_;
    for (const Change& change : last) {
      if (std::get<0>(change) == vantage) out.erase(out.find(change));
    }
    return out;
  }
  void RestartCoordinator() {
    lab_->fleet().KillCoordinator();
    ASSERT_TRUE(lab_->fleet().StartCoordinator());
    ASSERT_TRUE(lab_->fleet().WaitForAgents(4));
  }
};

TEST_F(MonitorTrouble, TellsTheSameThroughCrashesLossAndOutages) {
  ExpectCompleteRun(lab_->RunNow());
  ExpectTheTruth();
  ASSERT_TRUE(lab_->Suffer({kLossPercent, {}}));
  int run = 1;

  {
    SCOPED_TRACE("one of two agents is killed in the middle of a run, and comes back");
    Advance();
    ASSERT_EQ(lab_->RunNow(), ++run);
    ASSERT_TRUE(lab_->WaitForProgress(run, 0.3));
    lab_->KillAgent("inside-1");
    Pause(milliseconds(500));
    ASSERT_TRUE(lab_->StartAgent("inside-1"));
    ExpectCompleteRun(run);
    ExpectTheTruth();
  }
  {
    SCOPED_TRACE("a vantage is cut off from the network for a whole run");
    Advance();
    ASSERT_TRUE(lab_->Suffer({kLossPercent, {"dmz"}}));
    ASSERT_EQ(lab_->RunNow(), ++run);
    const nlohmann::json record = lab_->WaitSettled(run);
    ASSERT_FALSE(record.is_null());
    EXPECT_EQ(record["state"], "partial") << record.dump(1);
    EXPECT_EQ(lab_->Events(), WithoutLast("dmz"));
    const Complaint quarantine("vantage-quarantined", "vantage-quarantined", "dmz", "", -1);
    EXPECT_TRUE(Eventually(seconds(20), [&] { return lab_->Findings().count(quarantine) == 1; }));
    auto findings = FindingsOf(script_[at_].world);
    findings.insert(quarantine);
    EXPECT_EQ(lab_->Findings(), findings);
    ASSERT_TRUE(lab_->Suffer({kLossPercent, {}}));
    ASSERT_EQ(lab_->RunNow(), ++run);
    ExpectCompleteRun(run);
    ExpectTheTruth();
  }
  {
    SCOPED_TRACE("the coordinator is killed between two runs and in the middle of one");
    RestartCoordinator();
    Advance();
    ASSERT_EQ(lab_->RunNow(), ++run);
    ASSERT_TRUE(lab_->WaitForProgress(run, 0.3));
    RestartCoordinator();
    ExpectCompleteRun(run);
    ExpectTheTruth();
  }
  {
    SCOPED_TRACE("a vantage's only agent goes in the middle of a run and misses the end of it");
    Advance();
    ASSERT_EQ(lab_->RunNow(), ++run);
    ASSERT_TRUE(lab_->WaitForProgress(run, 0.3));
    lab_->KillAgent("internet-1");
    ASSERT_TRUE(lab_->WaitEnded(run));
    ASSERT_TRUE(lab_->StartAgent("internet-1"));
    const nlohmann::json record = lab_->WaitSettled(run);
    ASSERT_FALSE(record.is_null());
    EXPECT_EQ(record["state"], "partial") << record.dump(1);
    for (const auto& [vantage, target, port, change] : lab_->Events()) {
      EXPECT_FALSE(vantage == "internet" && target == "198.19.0.4") << "half a run closed " << port;
    }
    ASSERT_EQ(lab_->RunNow(), ++run);
    ExpectCompleteRun(run);
    ExpectTheTruth();
  }
  {
    SCOPED_TRACE("the coordinator is killed while changes are confirmed");
    Advance();
    ASSERT_EQ(lab_->RunNow(), ++run);
    ASSERT_TRUE(lab_->WaitEnded(run));
    RestartCoordinator();
    ExpectCompleteRun(run);
    ExpectTheTruth();
  }
  SCOPED_TRACE("nothing happens");
  Advance();
  ASSERT_EQ(lab_->RunNow(), ++run);
  ExpectCompleteRun(run);
  ExpectTheTruth();
  ExpectMetricsOf(FreshMetrics(), script_[at_].world);
  ExpectEventsInOrder();
  EXPECT_EQ(at_ + 1, script_.size());
}

}  // namespace
}  // namespace portolan::integration
