// Agents whose clocks are wrong, by libfaketime.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <sstream>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

using ::testing::HasSubstr;

constexpr char kLibrary[] = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

std::map<std::string, std::string> Clock(const std::string& offset) {
  // Leases are counted on clocks that no time service sets.
  return {{"LD_PRELOAD", kLibrary}, {"FAKETIME", offset}, {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}};
}

// "2026-01-02T03:04:05" of now and a time relative to it, as results have it (UTC).
std::string Utc(int64_t millis) {
  const std::time_t t = millis / 1000;
  std::tm tm{};
  gmtime_r(&t, &tm);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  return text;
}

std::vector<nlohmann::json> Observations(const std::string& lines) {
  std::vector<nlohmann::json> out;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.value("type", "") == "observation") out.push_back(json);
  }
  return out;
}

class FleetClocks : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kLibrary)) GTEST_SKIP() << "faketime is not installed";
    listeners_ = std::make_unique<Listeners>(
        "", std::vector<Listeners::Endpoint>{{"127.9.1.1", 0}, {"127.9.1.2", 0}});
    ASSERT_TRUE(listeners_->ok());
    fleet_ = std::make_unique<Fleet>();
    ASSERT_TRUE(fleet_->StartCoordinator());
    wall_ = std::time(nullptr) * int64_t{1000};
  }
  std::string Ports() const {
    return "1-20," + std::to_string(listeners_->ports()[0]) + "," +
           std::to_string(listeners_->ports()[1]);
  }
  // Every observation was made between the start of the test and now, by the true clock.
  void ExpectTrueTimes(const std::vector<nlohmann::json>& all, bool of_receipt) {
    const std::string first = Utc(wall_ - 2000);
    const std::string last = Utc(std::time(nullptr) * int64_t{1000} + 1000);
    for (const nlohmann::json& o : all) {
      EXPECT_GE(o.value("timestamp", ""), first) << o.dump();
      EXPECT_LE(o.value("timestamp", ""), last) << o.dump();
      EXPECT_EQ(o.value("time_of_receipt", false), of_receipt) << o.dump();
    }
  }

  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<Fleet> fleet_;
  int64_t wall_ = 0;  // milliseconds since 1970, when the test began
};

TEST_F(FleetClocks, TwoHoursAheadIsShownAndNothingLiesInTheFuture) {
  fleet_->StartAgent({"fast", "v", "", "", {}, Clock("+2h")});
  ASSERT_TRUE(fleet_->WaitForAgents(1)) << fleet_->agent("fast").Err();
  const nlohmann::json agent = fleet_->ListedAgent("fast");
  EXPECT_NEAR(agent.value("clock_skew_s", 0.0), 7200, 5);
  EXPECT_TRUE(agent.value("times_replaced", false));
  EXPECT_NEAR(fleet_->Metric("portolan_fleet_clock_skew_seconds", "agent=\"fast\",vantage=\"v\""),
              7200, 5);
  const RunResult table = fleet_->Cli({"agents"});
  EXPECT_THAT(table.out, testing::AnyOf(HasSubstr("+2h00m"), HasSubstr("+1h59m")));
  EXPECT_THAT(table.out, HasSubstr("its clock is wrong"));

  const RunResult r = fleet_->Cli(
      {"scan", "127.9.1.1", "127.9.1.2", "-p", Ports(), "--show", "all", "--json"}, seconds(60));
  ASSERT_EQ(r.code, 0) << r.err;
  const auto all = Observations(r.out);
  ASSERT_EQ(all.size(), 44u);
  ExpectTrueTimes(all, true);
  EXPECT_THAT(r.err, HasSubstr("44 of the observations have the time at which they were received"));
  // The mark outlives a restart, and finished groups are brought into their final form by then.
  fleet_->KillCoordinator();
  ASSERT_TRUE(fleet_->StartCoordinator());
  ExpectTrueTimes(Observations(fleet_->Cli({"results", "last", "--show", "all", "--json"}).out),
                  true);
  const std::string csv = fleet_->Cli({"results", "last", "--csv"}).out;
  EXPECT_THAT(csv, HasSubstr(",time_of_receipt\n"));
  EXPECT_THAT(csv, HasSubstr(",true\n"));
  EXPECT_THAT(fleet_->Get("/api/v1/scans/last/results"), HasSubstr("\"time_of_receipt\":true"));
}

TEST_F(FleetClocks, TwoMinutesBehindIsCorrected) {
  fleet_->StartAgent({"slow", "v", "", "", {}, Clock("-2m")});
  ASSERT_TRUE(fleet_->WaitForAgents(1)) << fleet_->agent("slow").Err();
  const nlohmann::json agent = fleet_->ListedAgent("slow");
  EXPECT_NEAR(agent.value("clock_skew_s", 0.0), -120, 5);
  EXPECT_FALSE(agent.value("times_replaced", true));
  const RunResult r = fleet_->Cli(
      {"scan", "127.9.1.1", "127.9.1.2", "-p", Ports(), "--show", "all", "--json"}, seconds(60));
  ASSERT_EQ(r.code, 0) << r.err;
  const auto all = Observations(r.out);
  ASSERT_EQ(all.size(), 44u);
  ExpectTrueTimes(all, false);
}

// What monitors say of "since when" comes from the same times.
TEST_F(FleetClocks, MonitorsTakeTimesThatAreCorrectedOrReplaced) {
  fleet_->StartAgent({"fast", "fast", "", "", {}, Clock("+2h")});
  fleet_->StartAgent({"slow", "slow", "", "", {}, Clock("-2m")});
  ASSERT_TRUE(fleet_->WaitForAgents(2));
  const std::string file = fleet_->dir().path("skew.yaml");
  WriteFile(file,
            "apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: skew}\nspec:\n"
            "  targets: [127.9.1.1]\n  ports: " +
                std::to_string(listeners_->ports()[0]) +
                "\n  vantages: [{name: fast, role: inside}, {name: slow, role: outside}]\n"
                "  schedule: {every: 366d}\n  confirmation: {probes: 1, needed: 1, delay: 1s}\n");
  ASSERT_EQ(fleet_->Cli({"monitor", "apply", "-f", file}).code, 0);
  const RunResult run = fleet_->Cli({"monitor", "run-now", "skew", "--wait"}, seconds(90));
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  const auto json =
      nlohmann::json::parse(fleet_->Get("/api/v1/exposure?monitor=skew"), nullptr, false);
  ASSERT_TRUE(json.is_object() && json["rows"].size() == 1) << json.dump();
  const std::string last = Utc(std::time(nullptr) * int64_t{1000} + 1000);
  ASSERT_EQ(json["rows"][0]["vantages"].size(), 2u) << json.dump();
  for (const nlohmann::json& v : json["rows"][0]["vantages"]) {
    for (const char* field : {"time", "since", "last_seen"}) {
      ASSERT_TRUE(v[field].is_string()) << v.dump();
      EXPECT_GE(v[field].get<std::string>(), Utc(wall_ - 2000)) << field << v.dump();
      EXPECT_LE(v[field].get<std::string>(), last) << field << v.dump();
    }
  }
}

}  // namespace
}  // namespace portolan::integration
