// Limits on targets hold for a whole fleet: several agents scan the simulated network, and what it
// counts is held against the limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
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
    // Nobody answers, so that nothing raises the limits.
    lab_ = std::make_unique<SimnetLab>(std::vector<std::string>{"alive=0"}, kAgents);
    ASSERT_TRUE(lab_->ok());
    std::string sans = "URI:spiffe://test/portolan/coordinator,IP:127.0.0.1";
    for (int i = 1; i <= kAgents; ++i) sans += ",IP:198.18." + std::to_string(i) + ".1";
    ASSERT_TRUE(certs_.Issue("coordinator", sans));
    ASSERT_TRUE(certs_.Issue("agent", "URI:spiffe://test/portolan/agent"));
    ASSERT_TRUE(certs_.Issue("operator", "URI:spiffe://test/portolan/operator"));
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
    arguments.insert(arguments.begin(), {"scan", "--no-results"});
    // An attempt of at most a second is one SYN.
    arguments.insert(arguments.end(), {"--timeout", "900ms"});
    std::erase(arguments, "--no-results");
    const RunResult run = fleet_->Cli(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    nlohmann::json counters = lab_->Counters();
    for (const char* failure : {"queue_full", "device_drops", "send_failed", "untracked"})
      EXPECT_EQ(counters.value(failure, -1), 0) << failure;
    for (const auto& source : counters["sources"])
      EXPECT_GT(source["syns"], 0) << "every agent took part";
    EXPECT_EQ(counters["sources"].size(), static_cast<size_t>(kAgents));
    RecordProperty("rate", std::to_string(counters.value("syn_rate", 0.0)));
    std::printf("%d SYNs, %.1f/s; a second: %d to an address, %d to a prefix; half open %d\n",
                counters.value("syns", 0), counters.value("syn_rate", 0.0),
                counters.value("max_syn_second_address", 0),
                counters.value("max_syn_second_prefix", 0),
                counters.value("max_half_open_address", 0));
    return counters;
  }
  // In any second so many, by GCRA for each agent: an attempt at once, and the rate with 10 ms of
  // catching up. Another 10 ms for the way of the packets.
  static int Most(double rate) { return kAgents + static_cast<int>(std::ceil(rate * 1.02)); }

  Certificates certs_;
  std::unique_ptr<SimnetLab> lab_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(FleetLimits, OfAnAddressInAnEachVantageScan) {
  // Nobody answers: 100 attempts/s and 32 in flight are 35.6/s at most.
  const nlohmann::json c = Scan({"198.19.0.1", "-p", "1-200", "-T3", "--each-vantage"});
  EXPECT_EQ(c.value("distinct", 0), 200);
  EXPECT_LE(c.value("max_syn_second_address", 0), Most(100));
  EXPECT_LE(c.value("max_half_open_address", 0), 32 + kAgents);
  EXPECT_GE(c.value("syn_rate", 0.0), 0.7 * 30 / 0.9) << "the limit is used";
}

}  // namespace
}  // namespace portolan::integration
