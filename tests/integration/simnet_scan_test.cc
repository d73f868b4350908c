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
  // And four random high ports of each host that seems to answer everywhere.
  const int extra = counters.value("distinct", 0) - 2 * 128 * 40;
  EXPECT_GE(extra, 0);
  EXPECT_LE(extra, 2 * 128 * 4);
  for (const char* failure : {"queue_full", "device_drops", "send_failed", "malformed",
                              "bad_checksum", "outside", "stray", "lost_in", "lost_out"})
    EXPECT_EQ(counters.value(failure, -1), 0) << failure;
}

// JSON lines of a type.
std::vector<nlohmann::json> LinesOf(const std::string& out, std::string_view type) {
  std::vector<nlohmann::json> lines;
  for (size_t at = 0; at < out.size();) {
    const size_t end = std::min(out.find('\n', at), out.size());
    const auto line = nlohmann::json::parse(out.substr(at, end - at), nullptr, false);
    if (line.is_object() && line.value("type", "") == type) lines.push_back(line);
    at = end + 1;
  }
  return lines;
}

TEST_F(SimnetScan, HostsThatAnswerEverywhereAreOneFindingEach) {
  const std::vector<std::string> world = {"alive=1",     "open=0.02",      "all-open=0.15",
                                          "tarpit=0.15", "syn-proxy=0.15", "rtt=5..40"};
  SimnetLab lab(world);
  ASSERT_TRUE(lab.ok());
  const SimnetScanRun scan = ScanLocally(lab.netns(), {"198.19.0.0/26", "-p", "1-100"});
  EXPECT_EQ(scan.run.code, 0) << scan.run.err;
  std::vector<std::string> arguments = world;
  arguments.insert(arguments.end(), {"--targets", "198.19.0.0/26", "--ports", "1-100"});
  const auto truth = ReadSimnetTruth(arguments);
  EXPECT_EQ(Judge(scan.found, truth).right_state, truth.size()) << "every port is counted";
  std::map<std::string, std::string> want, got;  // kind by address
  size_t open_there = 0;
  for (const auto& [endpoint, t] : truth) {
    const bool proxy = t.behaviour == "syn-proxy";
    if (!proxy && t.behaviour != "all-open" && t.behaviour != "tarpit") continue;
    want[endpoint.substr(0, endpoint.find(':'))] = proxy ? "syn-proxy" : "answers-everywhere";
    ++open_there;
  }
  ASSERT_GT(want.size(), 10u);
  for (const auto& line : LinesOf(scan.run.out, "host-finding")) {
    EXPECT_TRUE(got.emplace(line["ip"], line["kind"]).second) << "twice";
    EXPECT_EQ(line["open_ports"], 100);
    EXPECT_EQ(line["ports"], 100);
    EXPECT_EQ(line["confirmed"].size(), 4u);
  }
  EXPECT_EQ(got, want);
  EXPECT_EQ(scan.summary["hosts"]["answer_everywhere"], want.size());
  EXPECT_EQ(scan.summary["hosts"]["open_there"], open_there);
  size_t marked = 0;
  for (const auto& line : LinesOf(scan.run.out, "observation")) {
    if (line.contains("host_finding")) {
      ++marked;
      EXPECT_EQ(line["host_finding"], want[line["ip"]]);
    }
  }
  EXPECT_EQ(marked, open_there);
  EXPECT_EQ(scan.summary["extra_probes"], 4 * want.size());
}

TEST_F(SimnetScan, HostsThatStopAnsweringAreAskedAgainUntilTheyDo) {
  SimnetLab lab({"blocking", "block-ms=8000"});
  ASSERT_TRUE(lab.ok());
  const SimnetScanRun scan =
      ScanLocally(lab.netns(), {"198.19.0.0/28", "-p", "1-100", "-T4", "--max-attempts", "20"});
  const auto truth =
      ReadSimnetTruth({"blocking", "--targets", "198.19.0.0/28", "--ports", "1-100"});
  const SimnetVerdict verdict = Judge(scan.found, truth);
  EXPECT_EQ(verdict.planned, 1600u);
  EXPECT_EQ(verdict.false_open, 0u);
  // No port that is open or closed is said to be filtered for no reason: it is right, or throttled.
  size_t believed = 0, throttled = 0;
  for (const auto& [endpoint, found] : scan.found) {
    believed += found.state == "filtered" && found.reason == "no-response";
    throttled += found.state == "filtered" && found.reason == "throttled";
  }
  EXPECT_LE(believed, 16u) << verdict.examples;
  EXPECT_EQ(verdict.right_state + believed + throttled, 1600u) << verdict.examples;
  EXPECT_GE(verdict.right_state, 1500u) << verdict.examples;
}

// Few open ports, so that no host seems to answer everywhere: then each port is asked just once.
TEST_F(SimnetScan, VantagesShareOneNetworkAndAreCountedApart) {
  SimnetLab lab({"alive=1", "open=0.1", "rtt=5"}, 2);
  ASSERT_TRUE(lab.ok());
  for (const int i : {1, 2}) {
    for (const char* target : {"198.19.0.1", "2001:db8:ff::1"}) {
      const SimnetScanRun scan = ScanLocally(lab.vantage(i), {target, "-p", "1-100"});
      EXPECT_EQ(scan.run.code, 0) << scan.run.err;
      const auto truth = ReadSimnetTruth(
          {"alive=1", "open=0.1", "rtt=5", "--targets", target, "--ports", "1-100"});
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
