#include "agent/engine/local_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class LocalLimitsTest : public testing::Test {
 protected:
  LocalLimitsTest() {
    std::filesystem::create_directories(proc_ + "/sys/net/ipv4");
    std::filesystem::create_directories(proc_ + "/sys/net/netfilter");
    Write("/ipv4/ip_local_port_range", "32768\t60999\n");
    options_.window = 16'384;
    options_.proc = proc_;
  }
  void Write(const std::string& path, const std::string& text) {
    std::ofstream(proc_ + "/sys/net" + path) << text;
  }
  void Conntrack(uint64_t count, uint64_t most) {
    Write("/netfilter/nf_conntrack_count", std::to_string(count));
    Write("/netfilter/nf_conntrack_max", std::to_string(most));
  }

  TempDirectory directory_;
  const std::string proc_ = directory_.path();
  LocalLimits::Options options_;
  Time now_ = Time(seconds(1000));
};

TEST_F(LocalLimitsTest, NothingLimitsAnOrdinaryMachine) {
  LocalLimits limits(options_);
  EXPECT_EQ(limits.Describe(now_, {100, 0}), "");
  EXPECT_EQ(LocalLimits().Describe(now_, {100, 5}), "");
  options_.proc = "/nowhere";
  EXPECT_EQ(LocalLimits(options_).Describe(now_, {100, 0}), "");
  Write("/ipv4/ip_local_port_range", "nonsense");
  Write("/netfilter/nf_conntrack_count", "");
  Write("/netfilter/nf_conntrack_max", "-");
  options_.proc = proc_;
  EXPECT_EQ(LocalLimits(options_).Describe(now_, {100, 0}), "");
}

TEST_F(LocalLimitsTest, WindowAndPortRangeAreToldFromTheStart) {
  Write("/ipv4/ip_local_port_range", "40000 40499");
  options_.window_limited_by = "file limit 1024 caps probes in flight at 960: raise LimitNOFILE";
  EXPECT_EQ(LocalLimits(options_).Describe(now_, {0, 0}),
            "file limit 1024 caps probes in flight at 960: raise LimitNOFILE; "
            "port range 500 (net.ipv4.ip_local_port_range) caps probes in flight to one target "
            "port at 500: widen it, or give the agent more addresses (--source)");
  options_.sources = 2;
  EXPECT_THAT(LocalLimits(options_).Describe(now_, {0, 0}), HasSubstr("target port at 1000"));
  options_.window = 500;
  EXPECT_EQ(LocalLimits(options_).Describe(now_, {0, 0}), options_.window_limited_by);
}

TEST_F(LocalLimitsTest, ConntrackTableIsLookedAtWhileItScans) {
  Conntrack(262'000, 262'144);
  LocalLimits limits(options_);
  EXPECT_EQ(limits.Describe(now_, {0, 0}), "") << "it does not scan";
  EXPECT_THAT(limits.Describe(now_, {1, 0}), HasSubstr("conntrack table holds 262000 of 262144"));
  Conntrack(5, 262'144);
  now_ += seconds(30);
  EXPECT_THAT(limits.Describe(now_, {1, 0}), HasSubstr("262000")) << "told for a minute";
  now_ += seconds(31);
  EXPECT_EQ(limits.Describe(now_, {1, 0}), "");
}

TEST_F(LocalLimitsTest, ProbesThatWaitForRoomInTheTableAreTold) {
  Conntrack(200'000, 262'144);
  LocalLimits limits(options_);
  EXPECT_EQ(limits.Describe(now_, {1, 0, 0}), "");
  now_ += seconds(5);
  EXPECT_EQ(limits.Describe(now_, {0, 0, 3}),
            "probes wait for room in the conntrack table: its 262,144 entries were full and some "
            "probes dropped (each unanswered one holds an entry for 120 s, so it carries 2185/s): "
            "raise net.netfilter.nf_conntrack_max, or exempt the agent (nft: notrack)");
  now_ += seconds(61);
  EXPECT_EQ(limits.Describe(now_, {1, 0, 3}), "") << "they wait no more";
}

TEST_F(LocalLimitsTest, WhatAFullTableDoesDependsOnWhetherItsDropsAreShown) {
  Conntrack(262'000, 262'144);
  EXPECT_THAT(LocalLimits(options_).Describe(now_, {1}), HasSubstr("lost in silence"));
  std::filesystem::create_directories(proc_ + "/net/stat");
  std::ofstream(proc_ + "/net/stat/nf_conntrack") << "entries\n";
  EXPECT_THAT(LocalLimits(options_).Describe(now_, {1}), HasSubstr("the next ones wait for room"));
}

TEST_F(LocalLimitsTest, ConntrackTableThatIsTooSmallIsToldBeforeItIsFull) {
  Conntrack(10, 120'000);
  EXPECT_EQ(LocalLimits(options_).Describe(now_, {1, 0}), "");
  options_.max_rate = 1001;
  EXPECT_THAT(LocalLimits(options_).Describe(now_, {1, 0}),
              HasSubstr("conntrack table of 120000 carries 1000 unanswered probes/s"));
  options_.max_rate = 1000;
  EXPECT_EQ(LocalLimits(options_).Describe(now_, {1, 0}), "");
  Conntrack(10, 16'383);
  EXPECT_THAT(LocalLimits(options_).Describe(now_, {1, 0}), HasSubstr("table of 16383"));
  Conntrack(0, 16'383);
  EXPECT_EQ(LocalLimits(options_).Describe(now_, {1, 0}), "") << "nothing is tracked here";
}

TEST_F(LocalLimitsTest, RunningOutOfPortsIsToldAndForgotten) {
  LocalLimits limits(options_);
  EXPECT_THAT(limits.Describe(now_, {1, 7}), HasSubstr("7 probes found no free local port"));
  EXPECT_THAT(limits.Describe(now_ + seconds(1), {1, 9}), HasSubstr("7 probes")) << "not so often";
  EXPECT_THAT(limits.Describe(now_ + seconds(5), {1, 9}), HasSubstr("2 probes"));
  EXPECT_EQ(limits.Describe(now_ + seconds(70), {1, 9}), "");
}

// In a text that stays the same while it goes on, so that it is logged once.
TEST_F(LocalLimitsTest, AFamilyWithoutARouteAndASourceThatIsGoneAreReportedFromTheFirstSignOn) {
  LocalLimits limits(options_);
  LocalLimits::Signs signs;
  EXPECT_EQ(limits.Describe(now_, signs), "");
  signs.without_route[1] = 1;
  const std::string text = limits.Describe(now_, signs);
  EXPECT_THAT(text, HasSubstr("no IPv6 address to probe from"));
  EXPECT_THAT(text, testing::Not(HasSubstr("IPv4")));
  EXPECT_THAT(text, testing::Not(HasSubstr("ip_local_port_range")));
  signs.without_route[1] = 40'000;
  now_ += seconds(59);
  EXPECT_EQ(limits.Describe(now_, signs), text);
  now_ += seconds(59);
  EXPECT_EQ(limits.Describe(now_, signs), text) << "there was more of it a minute ago";
  now_ += seconds(1);
  EXPECT_EQ(limits.Describe(now_, signs), "");
  signs.without_route[0] = 1;
  EXPECT_THAT(limits.Describe(now_, signs), HasSubstr("no IPv4 address to probe from"));
  now_ += seconds(60);
  signs.source_gone = 3;
  EXPECT_THAT(limits.Describe(now_, signs), HasSubstr("source address (--source)"));
}

}  // namespace
}  // namespace portolan
