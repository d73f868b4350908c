#include "agent/engine/conntrack.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

class ConntrackTest : public testing::Test {
 protected:
  ConntrackTest() {
    std::filesystem::create_directories(proc_ + "/sys/net/netfilter");
    std::filesystem::create_directories(proc_ + "/net/stat");
  }
  void Write(const std::string& path, const std::string& text) {
    std::ofstream(proc_ + path) << text;
  }

  const TempDirectory directory_;
  const std::string& proc_ = directory_.path();
};

TEST_F(ConntrackTest, ReadsTheTableAndAddsUpWhatTheCoresDropped) {
  Write("/sys/net/netfilter/nf_conntrack_count", "4242\n");
  Write("/sys/net/netfilter/nf_conntrack_max", "262144\n");
  // Each column another number, so that the wrong one would show.
  Write("/net/stat/nf_conntrack",
        "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop "
        "early_drop icmp_error  expect_new expect_create expect_delete search_restart\n"
        "00000001  00000002 00000004 00000008 00000010 00000020 00000040 00000080 00000100 "
        "00000200 0000000a 00000800  00001000 00002000 00004000 00008000 00010000\n"
        "00000001  00000002 00000004 00000008 00000010 00000020 00000040 00000080 00000100 "
        "00000200 00000010 00000800  00001000 00002000 00004000 00008000 00010000\n");
  const auto table = ReadConntrack(proc_);
  ASSERT_TRUE(table.has_value());
  EXPECT_EQ(table->entries, 4242u);
  EXPECT_EQ(table->max, 262'144u);
  EXPECT_EQ(table->dropped, 26u);
}

TEST_F(ConntrackTest, WhatWasDroppedMayBeHidden) {
  Write("/sys/net/netfilter/nf_conntrack_count", "0");
  Write("/sys/net/netfilter/nf_conntrack_max", "1000");
  auto table = ReadConntrack(proc_);
  ASSERT_TRUE(table.has_value());
  EXPECT_EQ(table->entries, 0u);
  EXPECT_FALSE(table->dropped.has_value());
  Write("/net/stat/nf_conntrack", "");
  table = ReadConntrack(proc_);
  ASSERT_TRUE(table.has_value());
  EXPECT_FALSE(table->dropped.has_value());
}

TEST_F(ConntrackTest, NoTableNoLimitAndNonsenseAreNoTable) {
  EXPECT_FALSE(ReadConntrack(proc_).has_value());
  EXPECT_FALSE(ReadConntrack("/nowhere").has_value());
  Write("/sys/net/netfilter/nf_conntrack_count", "5");
  EXPECT_FALSE(ReadConntrack(proc_).has_value()) << "its size is not shown";
  Write("/sys/net/netfilter/nf_conntrack_max", "0");
  EXPECT_FALSE(ReadConntrack(proc_).has_value()) << "it has no limit";
  Write("/sys/net/netfilter/nf_conntrack_max", "-");
  EXPECT_FALSE(ReadConntrack(proc_).has_value());
  Write("/sys/net/netfilter/nf_conntrack_max", "10");
  Write("/sys/net/netfilter/nf_conntrack_count", "");
  EXPECT_FALSE(ReadConntrack(proc_).has_value());
}

}  // namespace
}  // namespace portolan
