// A host without IPv6 among targets of both families: what it cannot ask is left to others, or ends
// within seconds with its cause, and what IPv4 shows counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "tests/integration/fleet_lab.h"

namespace portolan::integration {
namespace {

using testing::HasSubstr;

constexpr char kNoIpv6[] = "no IPv6 address to probe from";
constexpr char kMonitor[] = R"(apiVersion: portolan/v1
kind: Monitor
metadata: {name: v6}
spec:
  targets: [dual.test, six.test]
  ports: 8081
  vantages: [{name: office, role: inside}]
  schedule: {every: 366d}
  paused: true
  confirmation: {probes: 3, needed: 2, delay: 1s}
  expectations:
    - {name: up, action: must-be-open, targets: [dual.test], ports: 8081, severity: critical}
)";

size_t CountOf(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

class OneFamily : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = NetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    FleetLab::Options options;
    options.coordinator_flags = {"--insecure", "--lease-term", "2s"};
    lab_ = std::make_unique<FleetLab>(2, options);
    ASSERT_TRUE(lab_->ok());
    fleet_ = &lab_->fleet();
    // Names for whoever is started in the target's namespace: ip netns exec shows it this file.
    hosts_ = "/etc/netns/" + lab_->net().target();
    std::filesystem::create_directories(hosts_);
    WriteFile(hosts_ + "/hosts",
              "127.0.0.1 localhost\n198.19.0.9 dual.test\n2001:db8:ff::9 dual.test\n"
              "2001:db8:ff::6 six.test\n");
    listeners_ = std::make_unique<Listeners>(
        lab_->net().target(), std::vector<Listeners::Endpoint>{{"0.0.0.0", 8081}, {"::", 8081}});
    ASSERT_TRUE(listeners_->ok());
    ASSERT_TRUE(Ipv6OfTheFirst(false));
    ASSERT_TRUE(lab_->StartCoordinator());
    StartAgent("four", 1);
    ASSERT_TRUE(fleet_->WaitForAgents(1));
  }
  void TearDown() override {
    if (!hosts_.empty()) std::filesystem::remove_all(hosts_);
  }

  bool Ipv6OfTheFirst(bool on) {
    const std::string in = "ip netns exec " + lab_->net().vantage(1) + " ";
    const std::string value = on ? "0" : "1";
    std::string script = in + "sysctl -qw net.ipv6.conf.all.disable_ipv6=" + value +
                         " net.ipv6.conf.default.disable_ipv6=" + value;
    if (on) {
      script += " && " + in + "ip addr add 2001:db8:1::2/64 dev wire nodad && " + in +
                "ip -6 route add 2001:db8:ff::/48 via 2001:db8:1::1";
    }
    return Shell(script);
  }
  void StartAgent(const std::string& name, int vantage) {
    fleet_->StartAgent(lab_->Agent(vantage, name, "office",
                                   {"--http", "198.18." + std::to_string(vantage) + ".2:9301"}));
  }
  RunResult Scan() {
    return fleet_->Cli({"scan", "198.19.0.0/28", "2001:db8:ff::/124", "-p", "8080,8081",
                        "--vantage", "office", "--show", "all", "--json"});
  }
  // Observations of one family, by state.
  static std::map<std::string, int> StatesOf(const Results& results, bool v6) {
    std::map<std::string, int> out;
    for (const auto& [vantage, ip, port, state] : results.observations)
      out[state] += (ip.find(':') != std::string::npos) == v6;
    std::erase_if(out, [](const auto& entry) { return entry.second == 0; });
    return out;
  }
  nlohmann::json Api(const std::string& path) {
    const auto json = nlohmann::json::parse(fleet_->Get("/api/v1/" + path), nullptr, false);
    return json.is_discarded() || json.contains("error") ? nlohmann::json() : json;
  }

  std::unique_ptr<FleetLab> lab_;
  Fleet* fleet_ = nullptr;  // the lab's
  std::string hosts_;
  std::unique_ptr<Listeners> listeners_;
};

using States = std::map<std::string, int>;

TEST_F(OneFamily, AScanEndsWithWhatTheOtherShowsAndSaysWhyOnce) {
  const RunResult alone = Scan();
  EXPECT_EQ(alone.code, 3) << alone.err;
  const Results results = ParseJsonLines(alone.out);
  EXPECT_EQ(StatesOf(results, false), (States{{"open", 16}, {"closed", 16}})) << alone.out;
  EXPECT_EQ(StatesOf(results, true), (States{{"not-probed", 32}})) << alone.out;
  ASSERT_TRUE(results.summary.is_object()) << alone.out;
  EXPECT_EQ(results.summary.value("planned", 0), 64);
  EXPECT_EQ(results.summary.value("not_probed", nlohmann::json()),
            nlohmann::json({{"agent-scope", 32}}))
      << results.summary;
  EXPECT_EQ(CountOf(alone.err, kNoIpv6), 1u) << alone.err;
  EXPECT_EQ(CountOf(alone.err, "ip_local_port_range"), 0u) << alone.err;

  // Of all 65,535 ports of an address as quickly.
  const RunResult all =
      fleet_->Cli({"scan", "2001:db8:ff::9", "-p", "-", "--vantage", "office"}, seconds(20));
  EXPECT_EQ(all.code, 3) << all.err;

  EXPECT_EQ(CountOf(fleet_->agent("four").Err(), kNoIpv6), 1u) << "logged once";
  EXPECT_THAT(fleet_->Cli({"agents"}).out, HasSubstr(kNoIpv6));
  const RunResult scrape = RunToEnd({"ip", "netns", "exec", lab_->net().target(), "curl", "-s",
                                     "http://198.18.1.2:9301/metrics"});
  EXPECT_THAT(scrape.out,
              HasSubstr("portolan_agent_positions_without_route_total{family=\"ipv6\"} 65567\n"));
  EXPECT_THAT(scrape.out,
              HasSubstr("portolan_agent_positions_without_route_total{family=\"ipv4\"} 0\n"));

  // An address that appears counts.
  ASSERT_TRUE(Ipv6OfTheFirst(true));
  RunResult after;
  EXPECT_TRUE(Eventually(seconds(60), [&] {
    after = Scan();
    return after.code == 0;
  })) << after.err;
  EXPECT_EQ(StatesOf(ParseJsonLines(after.out), true), (States{{"open", 16}, {"closed", 16}}));
}

TEST_F(OneFamily, AnotherAgentOfTheVantageAsksWhatOneCannot) {
  StartAgent("both", 2);
  ASSERT_TRUE(fleet_->WaitForAgents(2));
  for (int round = 0; round < 5; ++round) {
    const RunResult scan = Scan();
    EXPECT_EQ(scan.code, 0) << scan.err;
    const Results results = ParseJsonLines(scan.out);
    for (const bool v6 : {false, true})
      EXPECT_EQ(StatesOf(results, v6), (States{{"open", 16}, {"closed", 16}})) << scan.out;
  }
}

// The monitor of a bug report as it is: it runs on its own once it is applied.
TEST_F(OneFamily, AGivenMonitorOfANameOfBothFamiliesIsComplete) {
  const RunResult applied = fleet_->Cli(
      {"monitor", "apply", "-f", std::string(PORTOLAN_SOURCE_DIR) + "/tests/cases/v6.yaml"});
  ASSERT_EQ(applied.code, 0) << applied.err;
  const RunResult run = fleet_->Cli({"monitor", "run-now", "v6", "--wait"}, seconds(60));
  EXPECT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_EQ(CountOf(run.out + run.err, "ip_local_port_range"), 0u) << run.out << run.err;
  EXPECT_EQ(fleet_->Cli({"check", "v6"}).code, 0);
  const RunResult exposure = fleet_->Cli({"exposure", "v6"});
  EXPECT_THAT(exposure.out, HasSubstr("dual.test:8081"));
}

TEST_F(OneFamily, AMonitorOfANameOfBothFamiliesIsJudgedByWhatIpv4Shows) {
  WriteFile(fleet_->dir().path("v6.yaml"), kMonitor);
  const RunResult applied = fleet_->Cli({"monitor", "apply", "-f", fleet_->dir().path("v6.yaml")});
  ASSERT_EQ(applied.code, 0) << applied.err;
  const auto run = [&] {
    const RunResult r = fleet_->Cli({"monitor", "run-now", "v6", "--wait"}, seconds(60));
    EXPECT_EQ(r.code, 0) << r.out << r.err;
    const nlohmann::json monitor = Api("monitors/v6");
    return monitor.is_null() ? "" : monitor["runs"][0].value("state", "");
  };
  EXPECT_EQ(run(), "complete") << Api("monitors/v6").dump(1);
  const auto exposure = [&] { return Api("exposure?monitor=v6").dump(); };
  EXPECT_THAT(exposure(), HasSubstr("dual.test"));
  EXPECT_THAT(exposure(), testing::Not(HasSubstr("six.test"))) << "nobody has seen it";

  // Closed over IPv4: closed, although IPv6 would still be open.
  listeners_.reset();
  listeners_ = std::make_unique<Listeners>(lab_->net().target(),
                                           std::vector<Listeners::Endpoint>{{"::", 8081}});
  ASSERT_TRUE(listeners_->ok());
  EXPECT_EQ(run(), "complete");
  EXPECT_TRUE(Eventually(seconds(60),
                         [&] {
                           return Api("events?monitor=v6").dump().find("\"change\":\"closed\"") !=
                                  std::string::npos;
                         }))
      << Api("monitors/v6").dump(1) << fleet_->Cli({"results", "last", "--show", "all"}).out;
  const std::string findings = Api("findings?monitor=v6").dump();
  EXPECT_THAT(findings, HasSubstr("\"up\""));
  // What was never asked is neither gone nor closed.
  EXPECT_THAT(Api("events?monitor=v6").dump(), testing::Not(HasSubstr("six.test")));
}

}  // namespace
}  // namespace portolan::integration
