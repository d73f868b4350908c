// What happens when parts die, freeze, or crawl in the middle of a scan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

// Each position of ADDRESSES x 1..PORTS exactly once, none missing.
void ExpectWhole(Fleet& fleet, const std::string& id, size_t planned) {
  const Results results = fleet.AllResults(id);
  EXPECT_EQ(results.observations.size(), planned) << fleet.Show(id).dump(1);
  const std::set<Seen> distinct(results.observations.begin(), results.observations.end());
  EXPECT_EQ(distinct.size(), planned);
  const auto show = fleet.Show(id);
  EXPECT_EQ(fleet.Done(id), static_cast<int64_t>(planned)) << show.dump(1);
}

TEST(Crash, KilledAgentsWorkIsTakenOver) {
  const std::string reason = NetLab::Unavailable();
  if (!reason.empty()) GTEST_SKIP() << reason;
  // SYNs are counted by the kernel of the target network, so that nothing that the agents say is
  // needed.
  NetLab lab(1);
  ASSERT_TRUE(lab.ok());
  Fleet::Options options;
  options.netns = lab.vantage(1);
  Fleet fleet(options);
  ASSERT_TRUE(fleet.StartCoordinator());
  for (const char* name : {"a1", "a2", "a3"})
    fleet.StartAgent({name, "v1", lab.vantage(1), "", {"--max-rate", "1000"}});
  ASSERT_TRUE(fleet.WaitForAgents(3));
  constexpr int64_t kPlanned = 4096 * 40;  // about a minute of three agents
  const uint64_t before = lab.SynCount();
  const std::string id = fleet.Detach({"198.19.16.0/20", "-p", "1-40"});
  ASSERT_TRUE(Eventually(seconds(60), [&] { return fleet.Done(id) > kPlanned / 4; }));

  fleet.agent("a2").Signal(SIGKILL);
  // Taken over within 15 s: the dead agent holds nothing any more.
  EXPECT_TRUE(Eventually(seconds(15), [&] {
    const RunResult r = fleet.Cli({"agents", "list", "--json"});
    std::istringstream lines(r.out);
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      if (json.is_object() && json.value("name", "") == "a2") return json.value("leases", 1) == 0;
    }
    return true;
  }));
  EXPECT_EQ(fleet.WaitFinished(id, seconds(180)), "complete");
  ExpectWhole(fleet, id, kPlanned);
  const int64_t syns = static_cast<int64_t>(lab.SynCount() - before);
  EXPECT_GE(syns, kPlanned);
  EXPECT_LE(syns - kPlanned, kPlanned / 20) << "repeated " << syns - kPlanned << " of " << kPlanned;
  RecordProperty("repeated_probes", std::to_string(syns - kPlanned));
}

TEST(Crash, CoordinatorKilledTenTimes) {
  Listeners listeners("", {{"127.3.1.1", 0}, {"127.3.2.2", 0}, {"127.3.3.3", 0}});
  ASSERT_TRUE(listeners.ok());
  Fleet fleet;
  ASSERT_TRUE(fleet.StartCoordinator());
  for (const char* name : {"a1", "a2"})
    fleet.StartAgent({name, "lab", "", "", {"--max-rate", "1500"}});
  ASSERT_TRUE(fleet.WaitForAgents(2));
  std::string ports;
  for (uint16_t p : listeners.ports()) ports += "," + std::to_string(p);
  const std::string id = fleet.Detach({"127.3.0.0/20", "-p", "1-27" + ports});
  ASSERT_FALSE(id.empty());
  auto watch = fleet.StartCli({"scans", "watch", id});
  int64_t acked = 0;
  for (int i = 0; i < 10; ++i) {
    Pause(milliseconds(1500));
    const int64_t done = fleet.Done(id);
    EXPECT_GE(done, acked) << "an acknowledged outcome was lost at restart " << i;
    acked = std::max(acked, done);
    fleet.KillCoordinator();
    ASSERT_TRUE(fleet.StartCoordinator());
  }
  EXPECT_EQ(fleet.WaitFinished(id, seconds(240)), "complete");
  EXPECT_EQ(watch->Wait(seconds(30)), 0) << watch->Err();
  ExpectWhole(fleet, id, 4096 * 30);
  const Results results = fleet.AllResults(id);
  const char* owners[] = {"127.3.1.1", "127.3.2.2", "127.3.3.3"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(results.observations.count(Seen("lab", owners[i], listeners.ports()[i], "open")), 1u);
  }
}

TEST(Crash, FrozenAgentChangesNothingWhenItWakes) {
  const std::string reason = NetLab::Unavailable();
  if (!reason.empty()) GTEST_SKIP() << reason;
  NetLab lab(1);
  ASSERT_TRUE(lab.ok());
  Fleet::Options options;
  options.netns = lab.vantage(1);
  Fleet fleet(options);
  ASSERT_TRUE(fleet.StartCoordinator());
  fleet.StartAgent({"frozen", "v1", lab.vantage(1), "", {"--max-rate", "1000"}});
  fleet.StartAgent({"other", "v1", lab.vantage(1), "", {"--max-rate", "1000"}});
  ASSERT_TRUE(fleet.WaitForAgents(2));
  constexpr int64_t kPlanned = 1024 * 40;
  const std::string id = fleet.Detach({"198.19.32.0/22", "-p", "1-40"});
  ASSERT_TRUE(Eventually(seconds(30), [&] { return fleet.Done(id) > 5000; }));
  fleet.agent("frozen").Signal(SIGSTOP);
  EXPECT_EQ(fleet.WaitFinished(id, seconds(120)), "complete");
  const Results before = fleet.AllResults(id);
  const uint64_t syns = lab.SynCount();
  fleet.agent("frozen").Signal(SIGCONT);
  Pause(seconds(4));
  // Woken past its lease: no probe of it, and its late report changes nothing.
  EXPECT_EQ(lab.SynCount(), syns);
  EXPECT_EQ(fleet.AllResults(id).observations, before.observations);
  ExpectWhole(fleet, id, kPlanned);
  // It is a good agent again.
  EXPECT_TRUE(fleet.agent("frozen").Running());
  EXPECT_TRUE(fleet.WaitForAgents(2));
}

TEST(Crash, SlowAgentDoesNotHoldTheScan) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartCoordinator());
  fleet.StartAgent({"slow", "lab", "", "", {"--max-rate", "100"}});
  fleet.StartAgent({"fast1", "lab", "", "", {"--max-rate", "3000"}});
  fleet.StartAgent({"fast2", "lab", "", "", {"--max-rate", "3000"}});
  ASSERT_TRUE(fleet.WaitForAgents(3));
  constexpr int64_t kPlanned = 4096 * 30;  // 20 s of the two fast ones; 1,228 s of the slow one
  const int64_t start = NowMillis();
  const std::string id = fleet.Detach({"127.4.0.0/20", "-p", "1-30"});
  EXPECT_EQ(fleet.WaitFinished(id, seconds(120)), "complete");
  const double took = static_cast<double>(NowMillis() - start) / 1000;
  ExpectWhole(fleet, id, kPlanned);
  EXPECT_LT(took, 45) << "fast agents alone need about 20 s";
}

TEST(Crash, LaneWithoutAgentEndsPartial) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartCoordinator());
  fleet.StartAgent({"a1", "here", "", "", {}});
  ASSERT_TRUE(fleet.WaitForAgents(1));
  const RunResult r = fleet.Cli({"scan", "127.5.0.0/28", "-p", "1-10", "--vantage", "here,nowhere",
                                 "--wait-for-agents", "--each-vantage", "--lane-timeout", "3s",
                                 "--show", "all", "--json"});
  EXPECT_EQ(r.code, 3) << r.err;
  const Results results = ParseJsonLines(r.out);
  int closed = 0, missing = 0;
  for (const auto& [vantage, ip, port, state] : results.observations) {
    closed += vantage == "here" && state == "closed";
    missing += vantage == "nowhere" && state == "not-probed";
  }
  EXPECT_EQ(closed, 160);
  EXPECT_EQ(missing, 160);
}

}  // namespace
}  // namespace portolan::integration
