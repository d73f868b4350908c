// Whether what is found is true where targets, or the scanner's own machine, make that hard:
// answers that are limited, rejects by ICMP, few descriptors, ports and tracked connections.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tests/integration/simnet_lab.h"

namespace portolan::integration {
namespace {

class SimnetAccuracy : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = SimnetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }

  // Scans `targets` of a world and returns what was found and the truth.
  struct Outcome {
    SimnetScanRun scan;
    std::map<std::string, SimnetTruth> truth;
    SimnetVerdict verdict;
    nlohmann::json counters;
  };
  static Outcome ScanOf(const SimnetLab& lab, const std::vector<std::string>& world,
                        const std::string& targets, const std::string& ports,
                        const std::vector<std::string>& flags = {},
                        const SimnetScanOptions& options = {}) {
    Outcome out;
    std::vector<std::string> arguments = {targets, "-p", ports};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    out.scan = ScanLocally(lab.netns(), arguments, options);
    std::vector<std::string> which = world;
    which.insert(which.end(), {"--targets", targets, "--ports", ports});
    out.truth = ReadSimnetTruth(which);
    out.verdict = Judge(out.scan.found, out.truth);
    out.counters = lab.Counters();
    return out;
  }
  static Outcome ScanOf(const std::vector<std::string>& world, const std::string& targets,
                        const std::string& ports, const std::vector<std::string>& flags = {},
                        const SimnetScanOptions& options = {}) {
    const SimnetLab lab(world);
    EXPECT_TRUE(lab.ok());
    return ScanOf(lab, world, targets, ports, flags, options);
  }

  static void ExpectSoundSimulation(const nlohmann::json& counters) {
    ASSERT_TRUE(counters.is_object());
    for (const char* failure : {"queue_full", "device_drops", "send_failed", "untracked"})
      EXPECT_EQ(counters.value(failure, -1), 0) << failure;
  }
  // Every position has its true state.
  static void ExpectNoWrongState(const Outcome& out) {
    EXPECT_EQ(out.scan.run.code, 0) << out.scan.run.err;
    EXPECT_GT(out.verdict.planned, 0u);
    EXPECT_EQ(out.verdict.missing, 0u);
    EXPECT_EQ(out.verdict.right_state, out.verdict.planned) << out.verdict.examples;
    ExpectSoundSimulation(out.counters);
  }
};

TEST_F(SimnetAccuracy, AHostThatLimitsItsResetsHasItsPortsClosed) {
  const Outcome out =
      ScanOf({"rstlimited", "fw-port-unreach=0", "fw-admin=0"}, "198.19.0.1", "1-1000");
  EXPECT_EQ(out.scan.run.code, 0) << out.scan.run.err;
  ExpectSoundSimulation(out.counters);
  EXPECT_GT(out.counters.value("rst_limited", 0), 100);  // else this shows nothing
  EXPECT_EQ(out.verdict.planned, 1000u);
  EXPECT_EQ(out.verdict.missing, 0u);
  EXPECT_EQ(out.verdict.false_open, 0u);
  EXPECT_GE(out.verdict.right_state, 990u) << out.verdict.examples;
}

// Silence and the reject are both right where a firewall rejects with one ICMP error a second.
TEST_F(SimnetAccuracy, HostsThatLimitTheirIcmpErrorsAreFilteredAndTheOthersPortsClosed) {
  const Outcome out = ScanOf({"rstlimited"}, "198.19.0.0/29", "1-1000");
  EXPECT_EQ(out.scan.run.code, 0) << out.scan.run.err;
  ExpectSoundSimulation(out.counters);
  EXPECT_GT(out.counters.value("icmp_limited", 0), 100);
  ASSERT_EQ(out.verdict.planned, 8000u);
  EXPECT_EQ(out.verdict.missing, 0u);
  EXPECT_EQ(out.verdict.false_open, 0u);
  EXPECT_GE(out.verdict.right_state, 7920u) << out.verdict.examples;
  std::map<std::string, int> states;
  for (const auto& [endpoint, t] : out.truth) ++states[t.state];
  for (const char* state : {"open", "closed", "filtered"}) EXPECT_GT(states[state], 50) << state;
}

class SimnetRejects : public SimnetAccuracy,
                      public testing::WithParamInterface<std::tuple<const char*, const char*>> {};

TEST_P(SimnetRejects, AreNeverOpenAndHaveTheirReason) {
  const auto [engine, rtt] = GetParam();
  const Outcome out = ScanOf({"rejects", rtt}, "198.19.0.0/24", "1-100", {"--engine", engine});
  if (out.scan.run.code != 0 && out.scan.run.err.find("io_uring") != std::string::npos)
    GTEST_SKIP() << out.scan.run.err;  // the kernel or a sandbox refuses it
  ExpectNoWrongState(out);
  EXPECT_EQ(out.verdict.false_open, 0u) << out.verdict.examples;
  EXPECT_GE(out.verdict.right_reason, out.verdict.planned * 99 / 100);
  std::map<std::string, int> reasons;
  for (const auto& [endpoint, t] : out.truth) ++reasons[t.reason];
  for (const char* reason : {"admin-prohibited", "port-unreach", "host-unreach"})
    EXPECT_GT(reasons[reason], 1000) << reason;
}

INSTANTIATE_TEST_SUITE_P(EnginesAndRoundTrips, SimnetRejects,
                         testing::Combine(testing::Values("epoll", "io_uring"),
                                          testing::Values("rtt=0", "rtt=20")),
                         [](const auto& each) {
                           const bool epoll = std::string(std::get<0>(each.param)) == "epoll";
                           const bool none = std::string(std::get<1>(each.param)) == "rtt=0";
                           return std::string(epoll ? "Epoll" : "Uring") + (none ? "0ms" : "20ms");
                         });

// A network of every kind of answer, without loss: each wrong state is the scanner's own fault.
const std::vector<std::string> kMixed = {"plain",       "alive=0.9",    "open=0.1",
                                         "fw-drop=0.1", "fw-admin=0.1", "rtt=5..40"};

TEST_F(SimnetAccuracy, AFileLimitOf256MakesNoStateWrong) {
  SimnetScanOptions options;
  options.launcher = {"prlimit", "--nofile=256:256"};
  const Outcome out = ScanOf(kMixed, "198.19.0.0/26", "1-100", {}, options);
  ExpectNoWrongState(out);
  EXPECT_NE(out.scan.run.err.find("file limit 256"), std::string::npos) << out.scan.run.err;
}

TEST_F(SimnetAccuracy, APortRangeOf500MakesNoStateWrong) {
  const SimnetLab lab(kMixed);
  ASSERT_TRUE(lab.ok());
  ASSERT_TRUE(Shell("ip netns exec " + lab.netns() +
                    " sysctl -qw net.ipv4.ip_local_port_range='40000 40499'"));
  // More in flight than there are ports: over many addresses, and to one alone.
  ExpectNoWrongState(ScanOf(lab, kMixed, "198.19.0.0/25", "1-100", {"-T5"}));
  ExpectNoWrongState(ScanOf(lab, kMixed, "198.19.1.1", "1-5000", {"-T5"}));
}

}  // namespace
}  // namespace portolan::integration
