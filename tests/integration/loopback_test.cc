// Whole scans over loopback: needs neither root nor namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

std::string Bin(const std::string& program) {
  return std::string(PORTOLAN_BIN_DIR) + "/" + program;
}

std::string Range(const std::vector<uint16_t>& ports) {
  std::string text;
  for (uint16_t p : ports) text += (text.empty() ? "" : ",") + std::to_string(p);
  return text;
}

TEST(Loopback, DistributedScanFindsExactlyTheListeners) {
  Listeners listeners("", {{"127.0.7.1", 0}, {"127.0.7.2", 0}, {"127.0.7.3", 0}, {"::1", 0}});
  ASSERT_TRUE(listeners.ok());
  Fleet fleet;
  ASSERT_TRUE(fleet.StartCoordinator());
  for (const char* name : {"a1", "a2", "a3"}) fleet.StartAgent({name, "lab", "", "", {}});
  ASSERT_TRUE(fleet.WaitForAgents(3));

  const RunResult r = fleet.Cli(
      {"scan", "127.0.7.0/29", "::1", "-p", Range(listeners.ports()), "--show", "all", "--json"});
  EXPECT_EQ(r.code, 0) << r.err;
  const Results results = ParseJsonLines(r.out);
  std::multiset<Seen> truth;
  const char* owners[] = {"127.0.7.1", "127.0.7.2", "127.0.7.3", "::1"};
  for (const char* ip : {"127.0.7.0", "127.0.7.1", "127.0.7.2", "127.0.7.3", "127.0.7.4",
                         "127.0.7.5", "127.0.7.6", "127.0.7.7", "::1"}) {
    for (int i = 0; i < 4; ++i) {
      truth.insert(
          Seen("lab", ip, listeners.ports()[i], std::string(ip) == owners[i] ? "open" : "closed"));
    }
  }
  EXPECT_EQ(results.observations, truth) << results.ToString() << r.err;
  EXPECT_EQ(results.summary.value("planned", 0), 36) << r.out;
  EXPECT_EQ(results.summary.value("open", 0), 4);
  EXPECT_EQ(results.summary.value("closed", 0), 32);
}

TEST(Loopback, LocalModeNeedsNoCoordinator) {
  Listeners listeners("", {{"127.0.8.1", 0}});
  ASSERT_TRUE(listeners.ok());
  TempDir home;
  Process::Options po;
  po.env["HOME"] = home.path();
  po.env["XDG_STATE_HOME"] = home.path("state");
  const RunResult r =
      RunToEnd({Bin("portolan"), "scan", "127.0.8.1", "-p-", "--json"}, seconds(120), po);
  EXPECT_EQ(r.code, 0) << r.err;
  const Results results = ParseJsonLines(r.out);
  EXPECT_EQ(results.observations.count(Seen("local", "127.0.8.1", listeners.ports()[0], "open")),
            1u)
      << r.out << r.err;
  EXPECT_EQ(results.summary.value("planned", 0), 65535);

  const RunResult again = RunToEnd({Bin("portolan"), "results", "last", "--json"}, seconds(60), po);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(ParseJsonLines(again.out).observations, results.observations);
}

TEST(Loopback, PauseResumeExcludeCancel) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartCoordinator());
  fleet.StartAgent({"a1", "lab", "", "", {"--max-rate", "2000"}});
  ASSERT_TRUE(fleet.WaitForAgents(1));
  const std::string id = fleet.Detach({"127.1.0.0/22", "-p", "1-40"});  // 40,960 positions, 20 s
  ASSERT_FALSE(id.empty());
  ASSERT_TRUE(Eventually(seconds(20), [&] { return fleet.Done(id) > 1000; }));

  EXPECT_EQ(fleet.Cli({"scans", "pause", id}).code, 0);
  // What was in flight comes in; then nothing moves.
  int64_t before = -1, now = -1;
  ASSERT_TRUE(Eventually(seconds(20), [&] {
    before = now;
    Pause(milliseconds(1500));
    now = fleet.Done(id);
    return now > 0 && before == now;
  }));
  EXPECT_EQ(fleet.Cli({"scans", "resume", id}).code, 0);
  ASSERT_TRUE(Eventually(seconds(20), [&] { return fleet.Done(id) > now; }));

  EXPECT_EQ(fleet.Cli({"scans", "exclude", id, "127.1.2.0/23"}).code, 0);
  EXPECT_EQ(fleet.WaitFinished(id, seconds(90)), "complete");
  const Results results = fleet.AllResults(id);
  EXPECT_EQ(results.observations.size(), 40960u) << fleet.Show(id).dump(1);
  int excluded_late = 0, not_probed = 0;
  for (const auto& [vantage, ip, port, state] : results.observations) {
    not_probed += state == "not-probed";
    excluded_late +=
        state == "not-probed" && ip.rfind("127.1.2.", 0) != 0 && ip.rfind("127.1.3.", 0) != 0;
  }
  EXPECT_GT(not_probed, 5000);  // half of the rest, at least
  EXPECT_EQ(excluded_late, 0);

  const std::string second = fleet.Detach({"127.1.0.0/16", "-p", "1-40"});
  ASSERT_TRUE(Eventually(seconds(20), [&] { return fleet.Done(second) > 0; }));
  EXPECT_EQ(fleet.Cli({"scans", "cancel", second}).code, 0);
  EXPECT_EQ(fleet.WaitFinished(second, seconds(30)), "cancelled");
  // What was begun when a scan was paused or cancelled counted: nothing was refused, to be probed
  // again.
  EXPECT_EQ(fleet.Metric("portolan_chunks_total", "fenced"), 0);
  EXPECT_EQ(fleet.Metric("portolan_leases_total", "expired"), 0);
  EXPECT_EQ(fleet.Cli({"scans", "rm", second}).code, 0);
  EXPECT_NE(fleet.Cli({"scans", "show", second}).code, 0);
}

TEST(Loopback, SigtermOfEachEndsCleanly) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartCoordinator());
  Process& agent = fleet.StartAgent({"a1", "lab", "", "", {"--max-rate", "2000"}});
  fleet.StartAgent({"a2", "lab", "", "", {"--max-rate", "2000"}});
  ASSERT_TRUE(fleet.WaitForAgents(2));
  const std::string id = fleet.Detach({"127.2.0.0/22", "-p", "1-40"});
  ASSERT_TRUE(Eventually(seconds(20), [&] { return fleet.Done(id) > 1000; }));

  agent.Signal(SIGTERM);
  EXPECT_EQ(agent.Wait(seconds(25)), 0) << agent.Err();

  auto watch = fleet.StartCli({"scans", "watch", id});
  fleet.coordinator().Signal(SIGTERM);
  EXPECT_EQ(fleet.coordinator().Wait(seconds(20)), 0) << fleet.coordinator().Err();
  ASSERT_TRUE(fleet.StartCoordinator());
  EXPECT_EQ(watch->Wait(seconds(90)), 0) << watch->Err();  // rode out the restart
  EXPECT_EQ(fleet.WaitFinished(id, seconds(10)), "complete");
  EXPECT_EQ(fleet.AllResults(id).observations.size(), 40960u);

  const std::string second = fleet.Detach({"127.2.0.0/16", "-p", "1-40"});
  auto waiting = fleet.StartCli({"scans", "watch", second});
  Pause(milliseconds(500));
  waiting->Signal(SIGTERM);
  EXPECT_EQ(waiting->Wait(seconds(10)), 143) << waiting->Err();
}

TEST(Loopback, RefusesBadUsage) {
  const auto code = [](std::vector<std::string> args) {
    return RunToEnd(std::move(args), seconds(20)).code;
  };
  EXPECT_EQ(code({Bin("portolan"), "scan", "127.0.0.1", "-p", "90-80"}), 2);
  EXPECT_EQ(code({Bin("portolan"), "scan", "127.0.0.1/40", "-p", "80"}), 2);
  EXPECT_EQ(code({Bin("portolan"), "scan", "-oX", "out.xml", "127.0.0.1"}), 2);
  EXPECT_EQ(code({Bin("portolan"), "frobnicate"}), 2);
  EXPECT_EQ(code({Bin("portolan-agent"), "--coordinator", "127.0.0.1:1", "--vantage", "a b"}), 2);
  EXPECT_EQ(code({Bin("portolan-agent"), "--vantage", "x"}), 2);
  // Beyond loopback without TLS: refused before anything listens.
  const RunResult open =
      RunToEnd({Bin("portolan-coordinator"), "--listen", "0.0.0.0:0", "--data", "/nonexistent/x"},
               seconds(20));
  EXPECT_EQ(open.code, 2);
  EXPECT_THAT(open.err, testing::HasSubstr("--tls-cert"));
  EXPECT_THAT(open.err, testing::HasSubstr("--insecure"));
  // A public address is refused by the default scope; no probe is sent, because the scan is not
  // created.
  TempDir home;
  Process::Options po;
  po.env["XDG_STATE_HOME"] = home.path();
  const RunResult scope =
      RunToEnd({Bin("portolan"), "scan", "192.88.99.1", "-p", "80"}, seconds(20), po);
  EXPECT_EQ(scope.code, 2) << scope.err;
  EXPECT_THAT(scope.err, testing::HasSubstr("192.88.99.1"));
}

}  // namespace
}  // namespace portolan::integration
