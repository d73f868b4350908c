// A fleet with the certificates of `portolan ca`, over mutual TLS on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace portolan::integration
