// A monitor of names whose name server stops answering and comes back: real processes in a network
// namespace whose only resolver is the test's own.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

constexpr char kName[] = "ip-127-0-0-1.web.test";  // the name server knows what it means

class MonitorNames : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = NetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    net_ = std::make_unique<NetLab>(1);
    ASSERT_TRUE(net_->ok());
    // What `ip netns exec` shows its processes as /etc/resolv.conf.
    etc_ = "/etc/netns/" + net_->target();
    std::filesystem::create_directories(etc_);
    WriteFile(etc_ + "/resolv.conf", "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n");
    WriteFile(etc_ + "/nsswitch.conf", "hosts: files dns\n");
    StartServer();
    listeners_ = std::make_unique<Listeners>(
        net_->target(), std::vector<Listeners::Endpoint>{{"127.0.0.1", 8080}, {"127.0.0.2", 8080}});
    ASSERT_TRUE(listeners_->ok());
    Fleet::Options options;
    options.netns = net_->target();
    options.coordinator_flags = {"--lease-term", "2s"};
    fleet_ = std::make_unique<Fleet>(options);
    ASSERT_TRUE(fleet_->StartCoordinator());
    ASSERT_TRUE(fleet_->StartAgent({"a1", "office", net_->target(), "", {}}).Running());
    ASSERT_TRUE(fleet_->WaitForAgents(1));
    WriteFile(fleet_->dir().path("web.yaml"), std::string(R"(apiVersion: portolan/v1
kind: Monitor
metadata: {name: web}
spec:
  targets: [127.0.0.2, )") + kName + R"(, ip-127-0-0-3.a.test, ip-127-0-0-4.b.test]
  ports: 8080,8081
  vantages: [{name: office, role: inside}]
  schedule: {every: 1h}
  paused: true
  expectations:
    - {name: web-is-up, action: must-be-open, targets: [)" +
                                                  kName + R"(], ports: 8080, severity: critical}
)");
    const RunResult applied =
        fleet_->Cli({"monitor", "apply", "-f", fleet_->dir().path("web.yaml")});
    ASSERT_EQ(applied.code, 0) << applied.err;
  }
  void TearDown() override {
    fleet_.reset();
    server_.reset();
    std::error_code ignored;  // a left-over directory there fails no test
    if (!etc_.empty()) std::filesystem::remove_all(etc_, ignored);
  }
  void StartServer() {
    Process::Options options;
    options.netns = net_->target();
    server_ = std::make_unique<Process>(
        std::vector<std::string>{std::string(PORTOLAN_BIN_DIR) + "/dns_server", "127.0.0.53:53"},
        dir_.path("dns"), options);
    ASSERT_TRUE(Eventually(seconds(10), [&] { return !server_->Out().empty(); }));
  }
  RunResult RunNow() { return fleet_->Cli({"monitor", "run-now", "web", "--wait"}); }
  void ExpectFine() {
    const RunResult check = fleet_->Cli({"check", "web"});
    EXPECT_EQ(check.code, 0) << check.out << check.err;
    EXPECT_EQ(fleet_->Cli({"findings", "web"}).out.find("name-not"), std::string::npos);
  }

  std::unique_ptr<NetLab> net_;
  std::string etc_;
  TempDir dir_;
  std::unique_ptr<Process> server_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(MonitorNames, AResolverThatIsDownIsNeverCalledFine) {
  RunResult run = RunNow();
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  ExpectFine();
  const RunResult closed = fleet_->Cli({"explain", "IP-127-0-0-1.Web.Test.", "8081"});
  EXPECT_NE(closed.out.find("closed, by conn-refused"), std::string::npos) << closed.out;

  for (const bool silent : {true, false}) {
    SCOPED_TRACE(silent ? "it does not answer" : "nobody listens");
    server_->Signal(silent ? SIGUSR1 : SIGKILL);
    if (!silent) {
      ASSERT_TRUE(server_->Wait(seconds(10)).has_value());
    }
    run = RunNow();
    EXPECT_EQ(run.code, 3) << run.out << run.err;  // partial
    const RunResult check = fleet_->Cli({"check", "web", "--fail-on", "critical"});
    EXPECT_EQ(check.code, 4) << check.out << check.err;
    EXPECT_NE(check.out.find("name-not-looked-up"), std::string::npos) << check.out;
    EXPECT_NE(check.out.find("3 names could not be looked up"), std::string::npos) << check.out;
    EXPECT_EQ(check.out.find("remove"), std::string::npos) << check.out;
    const RunResult findings = fleet_->Cli({"findings", "web", "--json"});
    // One cause, one finding. (That two canaries are too few is another matter.)
    size_t about_names = 0;
    for (size_t at = 0; (at = findings.out.find("\"kind\":\"name-", at)) != std::string::npos; ++at)
      ++about_names;
    EXPECT_EQ(about_names, 1u) << findings.out;
    const RunResult exposure = fleet_->Cli({"exposure", "web", "--unexpected"});
    EXPECT_NE(exposure.out.find("unknown: web-is-up"), std::string::npos) << exposure.out;
    EXPECT_NE(exposure.out.find("could not be looked up"), std::string::npos) << exposure.out;
    EXPECT_NE(fleet_->Cli({"monitor", "describe", "web"}).out.find("could not ask"),
              std::string::npos);
    EXPECT_EQ(fleet_->Cli({"events", "web"}).out, "") << "nothing closed";
    EXPECT_TRUE(Eventually(seconds(60), [&] {
      return fleet_->Metric("portolan_unknown_expected_ports", "cause=\"name-not-looked-up\"") ==
                 1 &&
             fleet_->Metric("portolan_monitor_unresolved_names", "problem=\"could-not-ask\"") == 3;
    }));
    if (silent) {
      server_->Signal(SIGUSR2);
    } else {
      StartServer();
    }
    run = RunNow();
    EXPECT_EQ(run.code, 0) << run.out << run.err;
    ExpectFine();
  }
}

}  // namespace
}  // namespace portolan::integration
