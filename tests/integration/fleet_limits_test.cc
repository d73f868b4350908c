// Limits on targets hold for a whole fleet: several agents scan the simulated network, and what it
// counts is held against the limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"
#include "tests/integration/simnet_lab.h"

namespace portolan::integration {
namespace {

constexpr int kAgents = 3;

class FleetLimits : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = NetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    if (access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/net/tun";
    // Nobody answers, so that nothing raises the limits. An attempt counts as in flight for a
    // little less than the 900 ms that it is (of a busy machine it may arrive late).
    lab_ = std::make_unique<SimnetLab>(std::vector<std::string>{"alive=0", "--half-open-ms", "850"},
                                       kAgents);
    ASSERT_TRUE(lab_->ok());
    std::vector<std::string> dialled = {"--ip", "127.0.0.1"};
    for (int i = 1; i <= kAgents; ++i) {
      dialled.push_back("--ip");
      dialled.push_back("198.18." + std::to_string(i) + ".1");
    }
    ASSERT_TRUE(certs_.Issue("coordinator", "coordinator", dialled));
    ASSERT_TRUE(certs_.Issue("agent") && certs_.Issue("operator"));
    Fleet::Options options;
    options.netns = lab_->netns();
    options.listen = "0.0.0.0:7411";
    options.coordinator_flags = certs_.Flags("coordinator");
    options.cli_flags = certs_.Flags("operator");
    fleet_ = std::make_unique<Fleet>(options);
    ASSERT_TRUE(fleet_->StartCoordinator());
    fleet_->set_grpc("127.0.0.1:7411");
    for (int i = 1; i <= kAgents; ++i) {
      const std::string n = std::to_string(i);
      fleet_->StartAgent({"agent-" + n, "v" + n, lab_->vantage(i), "198.18." + n + ".1:7411",
                          certs_.Flags("agent")});
    }
    ASSERT_TRUE(fleet_->WaitForAgents(kAgents));
  }

  // Scans, and returns what the network counted.
  nlohmann::json Scan(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "scan");
    // An attempt of at most a second is one SYN.
    arguments.insert(arguments.end(), {"-T3", "--timeout", "900ms"});
    const RunResult run = fleet_->Cli(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    const nlohmann::json counters = lab_->Counters();
    for (const char* failure : {"queue_full", "device_drops", "send_failed", "untracked"})
      EXPECT_EQ(counters.value(failure, -1), 0) << failure;
    EXPECT_EQ(counters["sources"].size(), static_cast<size_t>(kAgents)) << "all took part";
    std::printf("%d SYNs, %.1f/s; in a second %d to an address, %d to a prefix; half open %d\n",
                counters.value("syns", 0), counters.value("syn_rate", 0.0),
                counters["max_syn_second_address"].value("value", 0),
                counters["max_syn_second_prefix"].value("value", 0),
                counters["max_half_open_address"].value("value", 0));
    return counters;
  }
  // How many there may be in any second: by GCRA for each agent one at once, and the rate with 10
  // ms of catching up; another 10 ms for the way of the packets.
  static int Most(double rate) { return kAgents + static_cast<int>(std::ceil(rate * 1.02)); }

  Certificates certs_;
  std::unique_ptr<SimnetLab> lab_;
  std::unique_ptr<Fleet> fleet_;
};

// What is held in every second is used over the whole scan, or else the least wins: a fleet that
// sends nothing is polite as well.
constexpr double kUsed = 0.55;

TEST_F(FleetLimits, OfAnAddressAsOfTheTemplateFromEachVantage) {
  const nlohmann::json c = Scan({"198.19.0.1", "-p", "1-100", "--each-vantage"});
  EXPECT_EQ(c.value("distinct", 0), 100);
  // Twice from each, and no more: what the first agent had begun at its full limit stays open for
  // as long as it takes at a third of it, and is not given back and asked again.
  EXPECT_GE(c.value("syns", 0), 600);
  EXPECT_LE(c.value("syns", 0), 640);
  EXPECT_LE(c["max_syn_second_address"].value("value", 0), Most(100));
  // Also when agents join: what one had in flight by then counts until it is over.
  EXPECT_LE(c["max_half_open_address"].value("value", 0), 32);
  EXPECT_GE(c.value("syn_rate", 0.0), kUsed * 32 / 0.9);
}

TEST_F(FleetLimits, OfAnAddressAsGivenFromEachVantage) {
  const nlohmann::json c =
      Scan({"198.19.0.1", "-p", "1-60", "--each-vantage", "--target-rate", "30"});
  EXPECT_LE(c["max_syn_second_address"].value("value", 0), Most(30));
  EXPECT_GE(c.value("syn_rate", 0.0), kUsed * 30);
}

TEST_F(FleetLimits, OfAPrefixAsOfTheTemplateInASplitScan) {
  const nlohmann::json c = Scan({"198.19.0.0/24", "-p", "1-20"});
  EXPECT_EQ(c.value("distinct", 0), 256 * 20);
  EXPECT_LE(c["max_syn_second_prefix"].value("value", 0), Most(1000));
  EXPECT_LE(c["max_syn_second_address"].value("value", 0), Most(100));
  EXPECT_LE(c["max_half_open_address"].value("value", 0), 32);
  EXPECT_GE(c.value("syn_rate", 0.0), kUsed * 1000);
}

TEST_F(FleetLimits, OfAPrefixAsGivenInASplitScan) {
  const nlohmann::json c = Scan({"198.19.0.0/26", "-p", "1-6", "--prefix-rate", "60"});
  EXPECT_LE(c["max_syn_second_prefix"].value("value", 0), Most(60));
  EXPECT_GE(c.value("syn_rate", 0.0), kUsed * 60);
}

TEST_F(FleetLimits, OfAPrefixAsGivenFromEachVantage) {
  const nlohmann::json c =
      Scan({"198.19.0.0/26", "-p", "1-3", "--each-vantage", "--prefix-rate", "60"});
  EXPECT_LE(c["max_syn_second_prefix"].value("value", 0), Most(60));
  EXPECT_GE(c.value("syn_rate", 0.0), kUsed * 60);
}

// Two scans of the same address at once, each by one vantage.
TEST_F(FleetLimits, OfAnAddressThatTwoScansProbe) {
  const auto scan = [&](const char* vantages, const char* ports) {
    return fleet_->Detach({"198.19.0.1", "-p", ports, "--vantage", vantages, "-T3", "--timeout",
                           "900ms", "--target-rate", "30"});
  };
  const std::string one = scan("v1", "1-120"), two = scan("v2", "201-320");
  ASSERT_FALSE(one.empty() || two.empty());
  EXPECT_EQ(fleet_->WaitFinished(one, seconds(120)), "complete");
  EXPECT_EQ(fleet_->WaitFinished(two, seconds(120)), "complete");
  const nlohmann::json c = lab_->Counters();
  EXPECT_EQ(c["sources"].size(), 2u);
  EXPECT_LE(c["max_syn_second_address"].value("value", 0), Most(30));
  EXPECT_GE(c.value("syn_rate", 0.0), kUsed * 30);
}

// One has as much in flight as the whole fleet may when another one joins it.
TEST_F(FleetLimits, InFlightAtAnAddressWhenAnotherAgentJoins) {
  const auto scan = [&](const char* vantages, const char* ports) {
    return fleet_->Detach(
        {"198.19.0.1", "-p", ports, "--vantage", vantages, "-T3", "--timeout", "900ms"});
  };
  const std::string one = scan("v1", "1-200");
  ASSERT_FALSE(one.empty());
  int first = 0;
  for (int i = 0; i < 200 && first < 32; ++i)
    first = lab_->Counters()["max_half_open_address"].value("value", 0);
  EXPECT_EQ(first, 32);
  const std::string two = scan("v2", "301-360");
  ASSERT_FALSE(two.empty());
  EXPECT_EQ(fleet_->WaitFinished(one, seconds(120)), "complete");
  EXPECT_EQ(fleet_->WaitFinished(two, seconds(120)), "complete");
  const nlohmann::json c = lab_->Counters();
  EXPECT_EQ(c["sources"].size(), 2u);
  EXPECT_EQ(c["max_half_open_address"].value("value", 0), 32);
}

}  // namespace
}  // namespace portolan::integration
