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

}  // namespace
}  // namespace portolan::integration
