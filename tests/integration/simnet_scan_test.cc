// Scans of the simulated network, held against its truth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "tests/integration/simnet_lab.h"

namespace portolan::integration {
namespace {

class SimnetScan : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = SimnetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_F(SimnetScan, FindsTheTruthOfEveryBehaviour) {
  SimnetLab lab({"zoo"});
  ASSERT_TRUE(lab.ok());
  for (const char* targets : {"198.19.0.0/25", "2001:db8:ff::/121"}) {
    const SimnetScanRun scan = ScanLocally(lab.netns(), {targets, "-p", "1-40"});
    EXPECT_EQ(scan.run.code, 0) << scan.run.err;
    const auto& found = scan.found;
    const auto truth = ReadSimnetTruth({"zoo", "--targets", targets, "--ports", "1-40"});
    ASSERT_EQ(truth.size(), 128u * 40);
    EXPECT_EQ(found.size(), truth.size());
    std::map<std::string, int> behaviours;
    int wrong = 0;
    for (const auto& [endpoint, t] : truth) {
      ++behaviours[t.behaviour];
      const auto f = found.find(endpoint);
      const std::string seen =
          f == found.end() ? "nothing" : f->second.state + " " + f->second.reason;
      // A RST after the handshake is seen only when the scanner has not ended the connection by
      // then.
      const bool right = seen == t.state + " " + t.reason ||
                         (t.reason == "reset-after-accept" && seen == "open syn-ack");
      if (!right && ++wrong <= 20)
        ADD_FAILURE() << endpoint << " (" << t.behaviour << ") is " << t.state << " " << t.reason
                      << ", found: " << seen;
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(behaviours.size(), 10u);
  }
  const nlohmann::json counters = lab.Counters();
  ASSERT_TRUE(counters.is_object());
  EXPECT_EQ(counters.value("distinct", 0), 2 * 128 * 40);
  for (const char* failure : {"queue_full", "device_drops", "send_failed", "malformed",
                              "bad_checksum", "outside", "stray", "lost_in", "lost_out"})
    EXPECT_EQ(counters.value(failure, -1), 0) << failure;
}

TEST_F(SimnetScan, VantagesShareOneNetworkAndAreCountedApart) {
  SimnetLab lab({"alive=1", "open=0.5", "rtt=5"}, 2);
  ASSERT_TRUE(lab.ok());
  for (const int i : {1, 2}) {
    for (const char* target : {"198.19.0.1", "2001:db8:ff::1"}) {
      const SimnetScanRun scan = ScanLocally(lab.vantage(i), {target, "-p", "1-100"});
      EXPECT_EQ(scan.run.code, 0) << scan.run.err;
      const auto truth = ReadSimnetTruth(
          {"alive=1", "open=0.5", "rtt=5", "--targets", target, "--ports", "1-100"});
      const SimnetVerdict verdict = Judge(scan.found, truth);
      EXPECT_EQ(verdict.right_reason, truth.size()) << verdict.examples;
    }
  }
  const nlohmann::json counters = lab.Counters();
  ASSERT_TRUE(counters.is_object());
  std::map<std::string, int> sources;
  for (const auto& source : counters["sources"]) sources[source["address"]] = source["syns"];
  EXPECT_THAT(sources, testing::ElementsAre(testing::Pair("198.18.1.2", 100),
                                            testing::Pair("198.18.2.2", 100),
                                            testing::Pair("2001:db8:1::2", 100),
                                            testing::Pair("2001:db8:2::2", 100)));
  EXPECT_EQ(counters.value("repeats", 0), 200);
}

TEST_F(SimnetScan, RefusesToRunWhereThereIsAWayOut) {
  const std::vector<std::string> run = {std::string(PORTOLAN_BIN_DIR) + "/simnet", "run",
                                        "--max-seconds", "1"};
  EXPECT_THAT(RunToEnd(run).err, testing::HasSubstr("the machine's own network namespace"));
  const std::string name = "ptlout" + std::to_string(getpid()), in = "ip -n " + name + " ";
  Process::Options inside;
  inside.netns = name;
  EXPECT_TRUE(Shell("ip netns add " + name + " && " + in +
                    "link add out1 type veth peer name out2 && " + in + "link set out1 up"));
  EXPECT_EQ(RunToEnd(run, seconds(10), inside).code, 0);
  EXPECT_TRUE(Shell(in + "route add default dev out1"));
  EXPECT_THAT(RunToEnd(run, seconds(10), inside).err, testing::HasSubstr("default route"));
  EXPECT_TRUE(Shell(in + "route del default && " + in + "addr add 192.0.2.1/24 dev out1"));
  EXPECT_THAT(RunToEnd(run, seconds(10), inside).err, testing::HasSubstr("192.0.2.1"));
  EXPECT_TRUE(Shell("ip netns del " + name));
}

}  // namespace
}  // namespace portolan::integration
