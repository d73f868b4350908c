// A fleet with the certificates of `portolan ca`, over mutual TLS on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

using testing::HasSubstr;

class CertifiedFleet : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(certs_.Issue("coordinator", "coordinator", {"--ip", "127.0.0.1"}));
    ASSERT_TRUE(certs_.Issue("agent") && certs_.Issue("operator"));
    Fleet::Options options;
    options.coordinator_flags = certs_.Flags("coordinator");
    options.cli_flags = certs_.Flags("operator");
    fleet_ = std::make_unique<Fleet>(options);
    ASSERT_TRUE(fleet_->StartCoordinator());
  }
  // What an agent with these certificates says, which ends it.
  std::string Refusal(const std::string& name, const std::string& certificate, int code) {
    Process& agent = fleet_->StartAgent({name, "lab", "", "", certs_.Flags(certificate)});
    const auto exit = agent.Wait(seconds(20));
    EXPECT_TRUE(exit.has_value() && *exit == code) << agent.Err();
    return agent.Err();
  }

  Certificates certs_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(CertifiedFleet, Scans) {
  Listeners listeners("", {{"127.0.7.1", 0}});
  ASSERT_TRUE(listeners.ok());
  ASSERT_TRUE(certs_.Issue("mine", "agent", {"--name", "a2"}));
  fleet_->StartAgent({"a1", "lab", "", "", certs_.Flags("agent")});
  fleet_->StartAgent({"a2", "lab", "", "", certs_.Flags("mine")});
  ASSERT_TRUE(fleet_->WaitForAgents(2));
  const RunResult r =
      fleet_->Cli({"scan", "127.0.7.1", "-p", std::to_string(listeners.ports()[0]), "--json"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(ParseJsonLines(r.out).summary.value("open", 0), 1) << r.out;
}

TEST_F(CertifiedFleet, EachRoleMayDoItsOwnOnly) {
  EXPECT_THAT(Refusal("a1", "operator", 1), HasSubstr("FleetService: needs a certificate"));
  ASSERT_TRUE(certs_.Issue("other", "agent", {"--name", "a9"}));
  EXPECT_THAT(Refusal("a1", "other", 1), HasSubstr("is of an agent \"a9\""));

  std::vector<std::string> argv = {std::string(PORTOLAN_BIN_DIR) + "/portolan", "scans", "list",
                                   "--coordinator", fleet_->grpc()};
  for (const std::string& flag : certs_.Flags("agent")) argv.push_back(flag);
  const RunResult r = RunToEnd(argv);
  EXPECT_EQ(r.code, 2);
  EXPECT_THAT(r.err, HasSubstr("ScanService: needs a certificate"));
}

TEST_F(CertifiedFleet, AnAuthorityOfOthersCountsForNothing) {
  Certificates others;
  ASSERT_TRUE(others.Issue("operator"));
  std::vector<std::string> argv = {std::string(PORTOLAN_BIN_DIR) + "/portolan",
                                   "scans",
                                   "list",
                                   "--coordinator",
                                   fleet_->grpc(),
                                   "--reconnect-timeout",
                                   "0"};
  for (const std::string& flag : others.Flags("operator")) argv.push_back(flag);
  EXPECT_EQ(RunToEnd(argv).code, 1);
}

TEST_F(CertifiedFleet, AnExpiredCertificateIsRefusedByName) {
  ASSERT_TRUE(certs_.Issue("short", "agent", {"--valid", "1s"}));
  const int64_t end = NowMillis() + 1500;
  ASSERT_TRUE(Eventually(seconds(10), [&] { return NowMillis() > end; }));
  const std::string said = Refusal("a1", "short", 2);
  EXPECT_THAT(said, HasSubstr("/short/agent.pem: the certificate expired at "));
  EXPECT_THAT(said, HasSubstr("renew it"));
}

int Count(const std::string& text, const std::string& what) {
  int n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// An agent whose certificate ends while it works, and what follows until somebody renews it.
TEST_F(CertifiedFleet, ACertificateThatEndsIsNamedOnBothSidesAndRenewingItIsEnough) {
  constexpr char kEnded[] = "an agent's certificate has ended";
  ASSERT_TRUE(certs_.Issue("brief", "agent", {"--valid", "15s"}));
  Process& agent = fleet_->StartAgent({"a1", "lab", "", "", certs_.Flags("brief")});
  ASSERT_TRUE(fleet_->WaitForAgents(1)) << agent.Err();
  Process& coordinator = fleet_->coordinator();
  const std::string connected = coordinator.WaitForErr("agent connected", seconds(5));
  EXPECT_THAT(connected, HasSubstr("agent=a1"));
  EXPECT_THAT(connected, HasSubstr("peer=ipv4:127.0.0.1:"));
  EXPECT_THAT(connected, testing::ContainsRegex("certificate_not_after=20[0-9-]+T[0-9:]+Z"));

  const std::string ended = coordinator.WaitForErr(kEnded, seconds(40));
  ASSERT_NE(ended, "") << coordinator.Err();
  for (const char* part : {"agent=a1", "vantage=lab", "peer=ipv4:127.0.0.1:", "serial="})
    EXPECT_THAT(ended, HasSubstr(part));
  EXPECT_NE(agent.WaitForErr("the certificate has ended", seconds(40)), "") << agent.Err();
  // It goes on working, as its connection is still open, and says what is coming.
  nlohmann::json listed = fleet_->ListedAgent("a1");
  EXPECT_TRUE(listed.value("live", false)) << listed.dump();
  EXPECT_TRUE(listed["certificate_not_after"].is_string()) << listed.dump();
  EXPECT_THAT(fleet_->Cli({"agents"}).out, HasSubstr("it works until its connection breaks"));
  EXPECT_EQ(fleet_->Cli({"scan", "127.0.7.1", "-p", "1-10"}).code, 0);

  // The coordinator gives up a connection on which nothing answers; the next one is refused.
  agent.Signal(SIGSTOP);
  ASSERT_TRUE(Eventually(seconds(90), [&] {
    return fleet_->Metric("portolan_rpc_report_streams") == 0;
  })) << fleet_->Get("/metrics");
  listed = fleet_->ListedAgent("a1");
  EXPECT_FALSE(listed.value("live", true)) << listed.dump();
  EXPECT_THAT(listed.value("away_reason", ""), HasSubstr("its certificate ended at 20"));
  EXPECT_THAT(listed.value("peer", ""), HasSubstr("127.0.0.1:"));
  const std::string table = fleet_->Cli({"agents"}).out;
  EXPECT_THAT(table, HasSubstr("its certificate ended at 20"));
  EXPECT_THAT(table, HasSubstr("ipv4:127.0.0.1:"));
  agent.Signal(SIGCONT);
  EXPECT_NE(agent.WaitForErr("coordinator lost", seconds(60)), "") << agent.Err();
  EXPECT_FALSE(fleet_->ListedAgent("a1").value("live", true));

  ASSERT_TRUE(certs_.Issue("brief", "agent", {"--valid", "1h", "--force"}));
  EXPECT_NE(agent.WaitForErr("certificate files have been read again", seconds(30)), "");
  EXPECT_TRUE(fleet_->WaitForAgents(1)) << agent.Err();
  EXPECT_TRUE(agent.Running()) << "it was never started again";
  const std::string log = coordinator.Err();
  EXPECT_EQ(Count(log, kEnded), 1) << log;
  EXPECT_EQ(Count(log, "agent connected with another certificate"), 1) << log;
}

TEST_F(CertifiedFleet, AnAgentMakesItsConnectionAnewWithARenewedCertificate) {
  ASSERT_TRUE(certs_.Issue("brief", "agent", {"--valid", "40s"}));
  const int64_t end = NowMillis() + 40'000;
  Process& agent = fleet_->StartAgent({"a1", "lab", "", "", certs_.Flags("brief")});
  ASSERT_TRUE(fleet_->WaitForAgents(1)) << agent.Err();
  const nlohmann::json before = fleet_->ListedAgent("a1");
  const std::string scan = fleet_->Detach({"127.0.8.0/28", "-p", "1-100", "--max-rate", "40"});
  ASSERT_NE(scan, "");
  ASSERT_TRUE(Eventually(seconds(20), [&] { return fleet_->Done(scan) > 0; }));

  ASSERT_TRUE(certs_.Issue("brief", "agent", {"--valid", "1h", "--force"}));
  const std::string read = agent.WaitForErr("certificate files have been read again", seconds(30));
  ASSERT_NE(read, "") << agent.Err();
  const std::string again =
      fleet_->coordinator().WaitForErr("agent connected with another certificate", seconds(30));
  ASSERT_NE(again, "") << fleet_->coordinator().Err();
  // The same certificate on both sides.
  const size_t at = read.find("serial=");
  ASSERT_NE(at, std::string::npos) << read;
  EXPECT_THAT(again, HasSubstr(read.substr(at, read.find(' ', at) - at)));
  const nlohmann::json after = fleet_->ListedAgent("a1");
  EXPECT_NE(after.value("peer", ""), before.value("peer", "")) << "another connection";
  EXPECT_GT(after.value("certificate_not_after", ""), before.value("certificate_not_after", ""));

  // The end of the former certificate passes unnoticed, and nothing of the scan is lost.
  EXPECT_EQ(fleet_->WaitFinished(scan, seconds(120)), "complete");
  ASSERT_TRUE(Eventually(seconds(60), [&] { return NowMillis() > end + 2000; }));
  EXPECT_TRUE(fleet_->ListedAgent("a1").value("live", false));
  EXPECT_THAT(fleet_->coordinator().Err(), testing::Not(HasSubstr("has ended")));
  EXPECT_EQ(Count(fleet_->coordinator().Err(), "agent connected agent="), 1);
}

}  // namespace
}  // namespace portolan::integration
