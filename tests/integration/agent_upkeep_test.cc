// What an agent holds and uses over a long time: descriptors, and the processor while it is idle.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>

#include "tests/integration/fleet.h"
#include "tests/integration/simnet_lab.h"

namespace portolan::integration {
namespace {

struct Descriptors {
  int sockets = 0, others = 0;
};
Descriptors DescriptorsOf(pid_t pid) {
  Descriptors out;
  std::error_code gone;  // a descriptor that is closed meanwhile
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", gone)) {
    const std::string to = std::filesystem::read_symlink(entry.path(), gone).string();
    ++(to.rfind("socket:", 0) == 0 ? out.sockets : out.others);
  }
  return out;
}

// Seconds of processor time, of all its threads.
double ProcessorSeconds(pid_t pid) {
  const std::string text = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(text.substr(text.rfind(')') + 2));  // from field 3 on
  std::string skip;
  for (int i = 3; i < 14; ++i) fields >> skip;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Over 10 s. The least that can be seen is a hundredth of a second.
void ExpectIdle(pid_t pid, const char* when) {
  const double before = ProcessorSeconds(pid);
  Pause(seconds(10));
  const double share = (ProcessorSeconds(pid) - before) / 10;
  EXPECT_LT(share, 0.01) << when;
  std::printf("%s: %.1f %% of a core\n", when, share * 100);
}

class AgentUpkeep : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string reason = SimnetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_P(AgentUpkeep, NoDescriptorIsLeftByAMillionProbesAndIdleCostsNothing) {
  constexpr int kWindow = 512;
  // Every way an attempt can end: open and reset, refused, the rejects, some silence.
  const SimnetLab lab({"plain", "alive=1", "open=0.05", "accept-reset=0.3", "fw-admin=0.05",
                       "fw-port-unreach=0.05", "fw-host-unreach=0.05", "fw-drop=0.002", "rtt=2"});
  ASSERT_TRUE(lab.ok());
  ASSERT_TRUE(Shell("ip -n " + lab.netns() + " link set lo up"));
  Fleet::Options options;
  options.netns = lab.netns();
  Fleet fleet(options);
  ASSERT_TRUE(fleet.StartCoordinator());
  Process& agent = fleet.StartAgent(
      {"a", "lab", lab.netns(), "", {"--engine", GetParam(), "--window", std::to_string(kWindow)}});
  if (!fleet.WaitForAgents(1)) {
    if (agent.Err().find("refused") != std::string::npos) GTEST_SKIP() << agent.Err();
    FAIL() << agent.Err();
  }
  ExpectIdle(agent.pid(), "before a scan");
  const auto scan = [&](const char* targets, const char* ports) {
    const RunResult r = fleet.Cli({"scan", targets, "-p", ports, "-T5", "--json"}, seconds(240));
    EXPECT_EQ(r.code, 0) << r.err;
    return ParseJsonLines(r.out).summary.value("planned", 0);
  };
  EXPECT_GT(scan("198.19.0.0/24", "1-40"), 0);
  const Descriptors before = DescriptorsOf(agent.pid());
  EXPECT_LE(before.sockets, kWindow + 32);
  EXPECT_EQ(scan("198.19.0.0/18", "1-64"), 1 << 20);
  // Sockets are kept for the next scan, up to the window.
  const Descriptors after = DescriptorsOf(agent.pid());
  EXPECT_LE(after.sockets, kWindow + 32);
  EXPECT_LE(after.others, before.others + 2);
  const nlohmann::json counters = lab.Counters();
  EXPECT_GE(counters.value("syns", 0), 1 << 20);
  ExpectIdle(agent.pid(), "after a million probes");
  std::printf("sockets %d, then %d; other descriptors %d, then %d\n", before.sockets, after.sockets,
              before.others, after.others);
  agent.Signal(15);
  EXPECT_EQ(agent.Wait(seconds(20)), 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, AgentUpkeep, testing::Values("epoll", "io_uring"),
                         [](const auto& each) {
                           return std::string(each.param) == "epoll" ? "Epoll" : "Uring";
                         });

}  // namespace
}  // namespace portolan::integration
