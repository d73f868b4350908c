// How fast scans are, what they find and what they spare their targets, in simulated networks and
// in virtual time. The settings were chosen on seeds 1 to 10 (bench/pace_model.cc); these are
// others.
#include "tests/agent/runner/virtual_scan.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

constexpr uint64_t kFirstSeed = 501;
constexpr char kFirewalled[] = "open=0.01 rtt=20 loss-out=0.01 loss-in=0.01";

void ExpectSound(const VirtualScanResult& r) {
  EXPECT_TRUE(r.finished);
  EXPECT_EQ(r.false_open, 0u);
  EXPECT_EQ(r.unresolved, 0u);
}

struct Sum {
  double seconds = 0;
  uint64_t open = 0, found = 0, most = 0;
};
Sum OverSeeds(const char* preset, const char* changes, uint32_t level, const char* ports,
              int seeds) {
  Sum sum;
  for (int i = 0; i < seeds; ++i) {
    const VirtualScanResult r =
        RunVirtualScan(VirtualWorld(preset, changes, kFirstSeed + i, level, ports));
    ExpectSound(r);
    sum.seconds += r.seconds;
    sum.open += r.open;
    sum.found += r.found;
    sum.most = std::max(sum.most, r.max_syn_second_address);
  }
  return sum;
}

// nmap 7.93 takes 31 s a seed in this network (mean of 8; -T4 15 s), and sends up to 800 SYNs in a
// second.
TEST(VirtualScan, AFirewalledHostIsScannedByItsOwnRoundTrips) {
  const Sum normal = OverSeeds("onehost-drop", kFirewalled, 3, "1-1000", 20);
  EXPECT_LE(normal.seconds, 20 * 20.0);
  EXPECT_GE(static_cast<double>(normal.found), 0.999 * static_cast<double>(normal.open));
  EXPECT_LE(normal.most, 1000u);
  const Sum fast = OverSeeds("onehost-drop", kFirewalled, 4, "1-1000", 20);
  EXPECT_LE(fast.seconds, 20 * 4.0);
  EXPECT_GE(static_cast<double>(fast.found), 0.999 * static_cast<double>(fast.open));
}

TEST(VirtualScan, AHostThatAnswersEverythingIsScannedFasterWithEachTemplate) {
  double before = 6;  // seconds; nmap's default 6.7
  for (const uint32_t level : {3u, 4u, 5u}) {
    const VirtualScanResult r =
        RunVirtualScan(VirtualWorld("onehost", "rtt=20", kFirstSeed, level));
    ExpectSound(r);
    EXPECT_EQ(r.found, r.open);
    EXPECT_LE(r.seconds, before) << level;
    before = r.seconds;
  }
  EXPECT_LE(before, 1.3);
}

// Of an address that has answered nothing nothing is known: 100/s, 32 in flight, of which the
// kernel sends each a second time.
TEST(VirtualScan, ASilentHostGetsNoMoreThanTheFirstLimits) {
  const VirtualScanResult r =
      RunVirtualScan(VirtualWorld("onehost-drop", "alive=0", kFirstSeed, 3, "1-300"));
  ExpectSound(r);
  EXPECT_LE(r.max_syn_second_address, 65u);
  EXPECT_GE(r.seconds, 600 * 1.5 / 32 - 2);
}

// First tries take a place there as soon as it is free; retries must get theirs all the same, or
// they are given back and sent all over again.
TEST(VirtualScan, ASilentHostIsSentEachTryOnce) {
  const VirtualScanResult r =
      RunVirtualScan(VirtualWorld("onehost-drop", "alive=0", kFirstSeed, 3, "1-1000"));
  ExpectSound(r);
  EXPECT_EQ(r.owed, 0u);
  EXPECT_EQ(r.syns, 4 * r.planned) << "two tries, and the kernel's second SYN of each";
  EXPECT_LE(r.seconds, 1.05 * 2 * 1000 * 1.5 / 32);
}

// 1,024 hosts of which 30 % live, 10 to 120 ms away, with 2 % loss: most of the time is silence.
TEST(VirtualScan, ASparseNetworkIsScannedInLittleMoreThanItsSilenceTakes) {
  Sum sum = OverSeeds("standard", "", 5, "", 5);
  EXPECT_GE(static_cast<double>(sum.found), 0.9995 * static_cast<double>(sum.open));
  EXPECT_LE(sum.seconds, 5 * 4.0);
}

TEST(VirtualScan, AFasterTemplateIsNeverSlower) {
  struct World {
    const char *preset, *changes, *ports;
  };
  for (const World& w :
       {World{"onehost-drop", kFirewalled, "1-1000"}, World{"onehost-drop", "alive=0", "1-300"},
        World{"rstlimited", "fw-port-unreach=0 fw-admin=0", ""}, World{"fast256", "", "1-50"}}) {
    double before = 1e9;
    for (const uint32_t level : {3u, 4u, 5u}) {
      const VirtualScanResult r =
          RunVirtualScan(VirtualWorld(w.preset, w.changes, kFirstSeed, level, w.ports));
      ExpectSound(r);
      EXPECT_LE(r.seconds, before) << w.preset << " " << w.changes << " -T" << level;
      before = r.seconds;
    }
  }
}

// Each /24 passes 200 SYN/s and drops the rest. What was lost is not taken for filtered, and little
// is owed and sent all over again.
TEST(VirtualScan, ANarrowPrefixIsFoundAndItsLossesAreNoFilters) {
  const VirtualScanResult r = RunVirtualScan(VirtualWorld("ratelimited", "", kFirstSeed, 3));
  ExpectSound(r);
  EXPECT_GE(r.recall(), 0.995);
  EXPECT_LE(r.owed, r.planned / 4);
  EXPECT_LE(r.seconds, 100);
}

// Likewise where two thirds are silent, so that most of what is sent proves nothing. It cannot be
// done in less than 213 s: two tries of what is silent, and one of the rest.
TEST(VirtualScan, ANarrowPrefixOfFirewallsTakesAtMostHalfAsLongAgainAsItMust) {
  const VirtualScanResult r =
      RunVirtualScan(VirtualWorld("ratelimited", "fw-drop=0.34", kFirstSeed, 3, "1-100"));
  ExpectSound(r);
  EXPECT_GE(r.recall(), 0.998);
  EXPECT_LE(r.seconds, 1.5 * 213);
}

}  // namespace
}  // namespace portolan
