#include "coordinator/scheduler/footprint.h"

#include <gtest/gtest.h>

#include <random>

namespace portolan {
namespace {

std::shared_ptr<const ScanSpace> Of(std::vector<IpRange> ranges) {
  return *ScanSpace::Create({{IpSet::Of(std::move(ranges)), PortSet::Of({{80, 80}})}}, 1);
}
IpRange Range(const char* first, const char* last) {
  return {*IpAddress::Parse(first), *IpAddress::Parse(last)};
}
Footprint Print(std::vector<IpRange> ranges) { return Footprint::Of(*Of(std::move(ranges))); }

TEST(Footprint, SharesAPrefixNotJustAddresses) {
  const Footprint a = Print({Range("10.0.0.1", "10.0.0.1")});
  EXPECT_TRUE(a.Intersects(Print({Range("10.0.0.200", "10.0.0.200")})));
  EXPECT_FALSE(a.Intersects(Print({Range("10.0.1.1", "10.0.1.1")})));
  const Footprint b = Print({Range("2001:db8::1", "2001:db8::1")});
  EXPECT_TRUE(b.Intersects(Print({Range("2001:db8::ffff:0:0:1", "2001:db8::ffff:0:0:1")})));
  EXPECT_FALSE(b.Intersects(Print({Range("2001:db8:0:1::1", "2001:db8:0:1::1")})));
  EXPECT_FALSE(a.Intersects(b));
}

TEST(Footprint, WithoutLoopback) {
  EXPECT_TRUE(Print({Range("127.0.0.1", "127.0.0.9"), Range("::1", "::1")}).empty());
  EXPECT_FALSE(Footprint().Intersects(Print({Range("10.0.0.1", "10.0.0.1")})));
  EXPECT_EQ(Print({Range("127.0.0.1", "127.0.0.1"), Range("10.0.0.1", "10.0.0.1")}).ranges(),
            (std::vector<IpRange>{Range("10.0.0.0", "10.0.0.255")}));
}

TEST(Footprint, ReachesTheEndsOfTheAddressSpace) {
  const Footprint all = Print(
      {Range("0.0.0.0", "255.255.255.255"),
       Range("ffff:ffff:ffff:ffff:ffff:ffff:ffff:0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")});
  EXPECT_TRUE(all.Intersects(Print({Range("255.255.255.255", "255.255.255.255")})));
  EXPECT_TRUE(all.Intersects(Print({Range("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0",
                                          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1")})));
}

// Few ranges however many there are, and never a no where there are prefixes in common.
TEST(Footprint, IsSmallAndNeverMissesAnOverlap) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    const auto make = [&](size_t n) {
      std::vector<IpRange> ranges;
      for (size_t i = 0; i < n; ++i) {
        const uint32_t first = 0x0a000000u + static_cast<uint32_t>(random() % 0x00ff0000u);
        const uint32_t last = first + static_cast<uint32_t>(random() % 300);
        ranges.push_back({IpAddress::V4(first), IpAddress::V4(last)});
      }
      return IpSet::Of(std::move(ranges));
    };
    // Several blocks: disjoint addresses with ports of their own.
    const IpSet one = make(random() % 2 == 0 ? 3 : 5000), more = make(20).Minus(one);
    std::vector<Block> blocks = {{one, PortSet::Of({{1, 1}})}};
    if (!more.empty()) blocks.push_back({more, PortSet::Of({{2, 2}})});
    const Footprint a = Footprint::Of(**ScanSpace::Create(blocks, 1));
    const IpSet other = make(random() % 2 == 0 ? 2 : 40);
    const Footprint b = Footprint::Of(**ScanSpace::Create({{other, PortSet::Of({{1, 1}})}}, 1));
    ASSERT_LE(a.ranges().size(), Footprint::kMaxRanges);
    for (size_t i = 1; i < a.ranges().size(); ++i)
      ASSERT_LT(a.ranges()[i - 1].last, a.ranges()[i].first);
    bool common = false;
    for (const IpRange& r : other.ranges()) {
      const IpRange whole{IpAddress::V4(static_cast<uint32_t>(r.first.value()) & ~0xFFu),
                          IpAddress::V4(static_cast<uint32_t>(r.last.value()) | 0xFFu)};
      common = common || one.Intersects(whole) || more.Intersects(whole);
    }
    ASSERT_TRUE(!common || (a.Intersects(b) && b.Intersects(a))) << seed;
    if (one.ranges().size() <= 3 && other.ranges().size() <= 2) {
      ASSERT_EQ(common, a.Intersects(b)) << "exact while there are few";
    }
  }
}

}  // namespace
}  // namespace portolan
