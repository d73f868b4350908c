// Networks that change on a random script, while the program is ended and started again at any
// moment and scans cannot always be made: the events are the script's, each once.
#include <random>

#include "tests/coordinator/monitoring/monitoring_fixture.h"

namespace portolan {
namespace {

using Told = std::tuple<std::string, std::string, ChangeKind>;  // vantage, subject, kind

class MonitoringLivesTest : public MonitoringTest, public ::testing::WithParamInterface<uint32_t> {
 protected:
  uint32_t Pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  // Time passes, and with it lives of the program.
  void Live(uint64_t run) {
    for (int i = 0; i < 5'000; ++i) {
      clock_.Advance(std::chrono::milliseconds(200 + Pick(2'000)));
      Barrier();
      if (Pick(25) == 0) Restart();
      if (Pick(40) == 0) scans_.FailNext(1 + static_cast<int>(Pick(3)));
      if (Ended() < run) continue;
      uint64_t confirming = 0;
      for (const VantageStatus& v : Get().vantages) confirming += v.confirming;
      if (confirming == 0) return;
    }
    FAIL() << "run " << run << " does not end";
  }

  std::mt19937 random_{GetParam()};
};

TEST_P(MonitoringLivesTest, EventsAreTheScriptsEachOnce) {
  ASSERT_TRUE(Apply(kYaml).ok());
  Live(1);
  std::map<std::pair<std::string, std::string>, bool> open;
  std::vector<Told> script;
  for (uint64_t run = 2; run <= 6; ++run) {
    // Between two runs: a few ports change, each at most once.
    std::map<std::pair<std::string, std::string>, bool> now;
    for (uint32_t n = Pick(4); n > 0; --n) {
      const std::string vantage = Pick(2) == 0 ? "in" : "out";
      const std::string host = "10.0.0." + std::to_string(5 + Pick(8));
      const uint16_t port = static_cast<uint16_t>(30 + Pick(3));
      now[{vantage, host + ":" + std::to_string(port)}] = true;
    }
    for (const auto& [key, ignored] : now) {
      const bool is_open = !open[key];
      open[key] = is_open;
      const size_t colon = key.second.find(':');
      scans_.Set(key.first, key.second.substr(0, colon),
                 static_cast<uint16_t>(std::stoi(key.second.substr(colon + 1))), is_open);
      script.emplace_back(key.first, key.second,
                          is_open ? ChangeKind::kOpened : ChangeKind::kClosed);
    }
    Live(Get().runs.empty() ? run : std::max<uint64_t>(run, Get().runs[0].number + 1));
  }
  std::vector<Told> told;
  std::set<std::string> ids;
  uint64_t last = 0;
  for (const StoredEvent& e : Events()) {
    told.emplace_back(e.event.vantage, e.event.subject.ToString(), e.event.kind);
    EXPECT_TRUE(ids.insert(e.event.id).second);
    EXPECT_GT(e.sequence, last);
    last = e.sequence;
  }
  std::sort(script.begin(), script.end());
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, script);
  // Every scheduled run in exactly one account, whatever the lives.
  const MonitorPlanState plan = Get().plan;
  std::set<std::string> names;
  for (const ScanRequest& r : scans_.requests()) {
    if (r.name.rfind("monitor web run ", 0) == 0) {
      EXPECT_TRUE(names.insert(r.name).second) << r.name << " was made twice";
    }
  }
  EXPECT_GE(plan.scheduled_runs, 6u);
}
INSTANTIATE_TEST_SUITE_P(Seeds, MonitoringLivesTest, ::testing::Range(1u, 13u));

}  // namespace
}  // namespace portolan
