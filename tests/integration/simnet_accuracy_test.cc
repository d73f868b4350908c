// Whether what is found is true where targets, or the scanner's own machine, make that hard:
// answers that are limited, rejects by ICMP, few descriptors, ports and tracked connections.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
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

// Counted where they arrive; half of the targets are silent, so the kernel's own SYNs are among
// them. Over the time that the command took, which is longer than it sent: how close a rate is kept
// from below is the bench's (bench/rate.sh).
TEST_F(SimnetAccuracy, ARateThatIsAskedForIsNotExceeded) {
  constexpr int kRate = 400;
  const int64_t begin = NowMillis();
  const Outcome out = ScanOf({"plain", "alive=0.5", "rtt=20"}, "198.19.0.0/24", "1-10",
                             {"-T5", "--timeout", "1500ms", "--max-rate", std::to_string(kRate)});
  const double seconds_taken = static_cast<double>(NowMillis() - begin) / 1000;
  ExpectNoWrongState(out);
  EXPECT_GT(out.counters.value("retransmits", 0), 500);
  EXPECT_LE(out.counters.value("syns", 0), kRate * seconds_taken);
  // The busiest second as well, but for what its 100 ms of uncertainty and a held up simulation
  // add.
  EXPECT_LE(out.counters.value("max_syn_second", 0), kRate * 3 / 2);
}

// The size of the table of tracked connections, which all namespaces of the machine share (each has
// a table of its own). Another process puts it back, also when this one is killed.
class ConntrackMax {
 public:
  static constexpr char kPath[] = "/proc/sys/net/netfilter/nf_conntrack_max";
  static std::string Unavailable() {
    if (access(kPath, R_OK | W_OK) != 0) return "connection tracking is not there";
    if (std::atoi(ReadFile("/proc/sys/net/netfilter/nf_conntrack_count").c_str()) > 500)
      return "this machine tracks connections of its own, which a small table would drop";
    return "";
  }
  explicit ConntrackMax(int size) {
    pipe_ = popen((std::string("trap '' INT TERM; old=$(cat ") + kPath +
                   "); cat >/dev/null; echo $old >" + kPath)
                      .c_str(),
                  "w");
    // The shell has read the old one when it waits in cat.
    before_ = ReadFile(kPath);
    Pause(milliseconds(300));
    WriteFile(kPath, std::to_string(size));
  }
  ~ConntrackMax() {
    if (pipe_ != nullptr) pclose(pipe_);
    EXPECT_EQ(ReadFile(kPath), before_);
  }
  ConntrackMax(const ConntrackMax&) = delete;
  ConntrackMax& operator=(const ConntrackMax&) = delete;

 private:
  std::FILE* pipe_ = nullptr;
  std::string before_;
};

TEST_F(SimnetAccuracy, AFullTableOfTrackedConnectionsMakesNoStateWrong) {
  if (const std::string reason = ConntrackMax::Unavailable(); !reason.empty())
    GTEST_SKIP() << reason;
  const std::vector<std::string> world = {"plain", "alive=0.7", "open=0.2", "fw-drop=0.4",
                                          "rtt=10"};
  const SimnetLab lab(world);
  ASSERT_TRUE(lab.ok());
  const std::string in = "ip netns exec " + lab.netns() + " ";
  if (!Shell(in + "nft 'table inet t { chain o { type filter hook output priority 0; ct state new "
                  "counter; }; }'"))
    GTEST_SKIP() << "nftables cannot track connections here";
  // Unanswered SYNs leave the table after 5 s, and not 120, so that the test is over in a minute.
  ASSERT_TRUE(Shell(in + "sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_syn_sent=5"));
  const ConntrackMax small(4096);
  SimnetScanOptions options;
  options.timeout = seconds(200);
  const Outcome out = ScanOf(lab, world, "198.19.0.0/26", "1-150", {"-T5"}, options);
  ExpectNoWrongState(out);
}

}  // namespace
}  // namespace portolan::integration
