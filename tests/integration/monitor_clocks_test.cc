// Schedules over the change of clocks, with the monitors of bug reports as they are: a coordinator
// whose clock stands shortly before a run, by libfaketime.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/integration/fleet.h"

namespace portolan::integration {
namespace {

constexpr char kLibrary[] = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

class MonitorClocks : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kLibrary)) GTEST_SKIP() << "faketime is not installed";
    fleet_ = std::make_unique<Fleet>();
  }
  // Starts the coordinator, again where one runs, at `moment` (UTC).
  bool StartAt(const std::string& moment) {
    if (started_) fleet_->KillCoordinator();
    started_ = true;
    fleet_->set_coordinator_env({{"LD_PRELOAD", kLibrary},
                                 {"FAKETIME", "@" + moment},
                                 {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}});
    if (!fleet_->StartCoordinator()) return false;
    if (!agent_) fleet_->StartAgent({"a1", "office", "", "", {}});
    agent_ = true;
    return fleet_->WaitForAgents(1);
  }
  bool Apply(const std::string& name) {
    const RunResult applied = fleet_->Cli(
        {"monitor", "apply", "-f", std::string(PORTOLAN_SOURCE_DIR) + "/tests/cases/" + name});
    EXPECT_EQ(applied.code, 0) << applied.err;
    return applied.code == 0;
  }
  // When its next run is due, by the minute: "2026-10-25T00:30".
  std::string NextDue(const std::string& monitor) {
    const auto json =
        nlohmann::json::parse(fleet_->Get("/api/v1/monitors/" + monitor), nullptr, false);
    if (!json.is_object() || !json.contains("next_due") || !json["next_due"].is_string()) return "";
    return json["next_due"].get<std::string>().substr(0, 16);
  }
  testing::AssertionResult IsNext(const std::string& monitor, const std::string& moment) {
    std::string next;
    if (Eventually(seconds(20), [&] { return (next = NextDue(monitor)) == moment; }))
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << monitor << " is due at " << next << "\n"
                                       << fleet_->Cli({"monitor", "describe", monitor}).out;
  }

  std::unique_ptr<Fleet> fleet_;
  bool started_ = false, agent_ = false;
};

// Clocks in Berlin go back from 03:00 to 02:00 at 01:00 UTC: 02:30 comes twice and is one time of
// day; every quarter of an hour comes in both hours.
TEST_F(MonitorClocks, WhenClocksGoBackAQuarterRecursAndATimeOfDayDoesNot) {
  ASSERT_TRUE(StartAt("2026-10-25 00:29:50"));
  ASSERT_TRUE(Apply("quarter.yaml"));
  ASSERT_TRUE(Apply("dst.yaml"));
  // The first 02:30 passes.
  EXPECT_TRUE(IsNext("quarter", "2026-10-25T00:45"));
  EXPECT_TRUE(IsNext("dst", "2026-10-26T01:30"));
  for (const auto& [moment, next] : std::vector<std::pair<std::string, std::string>>{
           {"00:59:57", "01:15"}, {"01:14:57", "01:30"}, {"01:29:57", "01:45"}}) {
    ASSERT_TRUE(StartAt("2026-10-25 " + moment));
    EXPECT_TRUE(IsNext("quarter", "2026-10-25T" + next)) << moment;
    EXPECT_EQ(NextDue("dst"), "2026-10-26T01:30") << moment;
  }
}

// They go forward from 02:00 to 03:00 at 01:00 UTC: what falls into the hour that does not exist
// runs at its end.
TEST_F(MonitorClocks, WhenClocksGoForwardATimeThatDoesNotExistRunsOnce) {
  ASSERT_TRUE(StartAt("2026-03-29 00:59:50"));
  ASSERT_TRUE(Apply("quarter.yaml"));
  ASSERT_TRUE(Apply("dst.yaml"));
  EXPECT_EQ(NextDue("dst"), "2026-03-29T01:00");
  EXPECT_EQ(NextDue("quarter"), "2026-03-29T01:00");
  EXPECT_TRUE(IsNext("dst", "2026-03-30T00:30"));
  EXPECT_TRUE(IsNext("quarter", "2026-03-29T01:15"));
}

}  // namespace
}  // namespace portolan::integration
