#include "common/net/ip_set.h"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

#include "common/base/status.h"

namespace portolan {
namespace {

IpAddress A(std::string_view text) { return *IpAddress::Parse(text); }
IpRange R(std::string_view first, std::string_view last) { return {A(first), A(last)}; }

std::string Cidr(std::string_view text, bool strict = false) {
  const auto r = ParseCidr(text, strict);
  return r.ok() ? r->ToString() : "error: " + std::string(Message(r.status()));
}

TEST(ParseCidr, ClearsHostBitsUnlessStrict) {
  EXPECT_EQ(Cidr("10.0.0.0/8"), "10.0.0.0/8");
  EXPECT_EQ(Cidr("10.0.0.1/24"), "10.0.0.0/24");
  EXPECT_EQ(Cidr("10.0.0.1/32"), "10.0.0.1");
  EXPECT_EQ(Cidr("0.0.0.0/0"), "0.0.0.0/0");
  EXPECT_EQ(Cidr("::/0"), "::/0");
  EXPECT_EQ(Cidr("2001:db8::5/64"), "2001:db8::/64");
  EXPECT_EQ(Cidr("2001:db8::5/128"), "2001:db8::5");
  EXPECT_EQ(Cidr("10.0.0.1/24", true),
            "error: network \"10.0.0.1/24\": bits are set beyond the mask; write 10.0.0.0/24");
}

TEST(ParseCidr, MappedNetworkIsTheV4Network) {
  EXPECT_EQ(Cidr("::ffff:10.0.0.0/104"), "10.0.0.0/8");
  EXPECT_EQ(Cidr("::ffff:0:0/96"), "0.0.0.0/0");
  EXPECT_FALSE(ParseCidr("::ffff:0:0/95").ok());
}

TEST(ParseCidr, TakesDottedMasks) {
  EXPECT_EQ(Cidr("10.0.0.0/255.0.0.0"), "10.0.0.0/8");
  EXPECT_EQ(Cidr("10.0.0.1/255.255.255.255"), "10.0.0.1");
}

TEST(ParseCidr, RefusesBadMasks) {
  EXPECT_EQ(Cidr("10.0.0.0/33"),
            "error: network \"10.0.0.0/33\": mask is above 32; write /0 to /32");
  EXPECT_EQ(Cidr("::/129"), "error: network \"::/129\": mask is above 128; write /0 to /128");
  for (const char* text :
       {"10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8/8",
        "10/8", "10.0.0.0/255.0.255.0", "10.0.0.0/255.0.0", "10.0.0.0/ 8", "10.0.0.0/4294967304",
        "::1%lo/128", ""}) {
    EXPECT_FALSE(ParseCidr(text).ok()) << text;
  }
}

TEST(IpRange, PrintsPrefixesAsPrefixes) {
  EXPECT_EQ(R("10.0.0.0", "10.0.0.1").ToString(), "10.0.0.0/31");
  EXPECT_EQ(R("10.0.0.1", "10.0.0.2").ToString(), "10.0.0.1-10.0.0.2");
  EXPECT_EQ(R("10.0.0.128", "10.0.1.127").ToString(), "10.0.0.128-10.0.1.127");
}

TEST(IpSet, MergesOverlappingAndAdjacentRangesButNotFamilies) {
  const IpSet set = IpSet::Of({R("::", "::5"), R("255.255.255.0", "255.255.255.255"),
                               R("10.0.0.4", "10.0.0.9"), R("10.0.0.0", "10.0.0.3"),
                               R("10.0.0.2", "10.0.0.5"), R("10.0.0.11", "10.0.0.11")});
  EXPECT_EQ(set.ToString(), "10.0.0.0-10.0.0.9,10.0.0.11,255.255.255.0/24,::-::5");
  EXPECT_TRUE(set.size() == 10 + 1 + 256 + 6);
}

TEST(IpSet, SizeSaturatesForAllOfV6) {
  const IpSet all =
      IpSet::Of({R("0.0.0.0", "255.255.255.255"), {IpAddress::V6(0), IpAddress::V6(~uint128{0})}});
  EXPECT_TRUE(all.size() == uint128{1} << 127);
  EXPECT_EQ(all.Select(uint128{1} << 32), IpAddress::V6(0));
  EXPECT_TRUE(all.Rank(IpAddress::V6(7)) == (uint128{1} << 32) + 7);
  EXPECT_TRUE(all.Rank(IpAddress::V6(~uint128{0})) == uint128{1} << 127);
  const IpSet half = IpSet::Of({{IpAddress::V6(0), IpAddress::V6((uint128{1} << 127) - 1)}});
  EXPECT_TRUE(half.size() == uint128{1} << 127);
  EXPECT_TRUE(half.Union(IpSet::Of({R("10.0.0.1", "10.0.0.1")})).size() == uint128{1} << 127);
  EXPECT_EQ(all.Minus(IpSet::Of({R("::1", "::1")})).ToString(),
            "0.0.0.0/0,::,::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_TRUE(all.Minus(all).empty());
}

TEST(IpSet, EmptySetAnswersEverything) {
  const IpSet none;
  EXPECT_TRUE(none.size() == 0);
  EXPECT_FALSE(none.Contains(A("10.0.0.1")));
  EXPECT_FALSE(none.Intersects(R("0.0.0.0", "255.255.255.255")));
  EXPECT_FALSE(none.Rank(A("::")).has_value());
  EXPECT_EQ(none.ToString(), "");
  EXPECT_EQ(none.Union(none), none);
}

// The naive model: 64 addresses around the border of the families (the last 32 of IPv4, the first
// 32 of IPv6).
constexpr int kUniverse = 64;
using Model = std::bitset<kUniverse>;
IpAddress Nth(int i) {
  return i < 32 ? IpAddress::V4(0xffffffff - 31 + static_cast<uint32_t>(i))
                : IpAddress::V6(static_cast<uint128>(i - 32));
}
std::pair<IpSet, Model> RandomSet(std::mt19937& random) {
  std::vector<IpRange> ranges;
  Model model;
  for (int n = static_cast<int>(random() % 7); n > 0; --n) {
    const int half = random() % 2 ? 32 : 0;
    int a = half + static_cast<int>(random() % 32);
    int b = half + static_cast<int>(random() % 32);
    if (random() % 3 == 0) b = a;
    if (a > b) std::swap(a, b);
    ranges.push_back({Nth(a), Nth(b)});
    for (int i = a; i <= b; ++i) model.set(i);
  }
  return {IpSet::Of(std::move(ranges)), model};
}
void ExpectEqual(const IpSet& set, const Model& model) {
  ASSERT_TRUE(set.size() == model.count());
  uint128 rank = 0;
  for (int i = 0; i < kUniverse; ++i) {
    ASSERT_EQ(set.Contains(Nth(i)), model.test(i)) << i;
    ASSERT_EQ(set.Rank(Nth(i)).has_value(), model.test(i)) << i;
    if (!model.test(i)) continue;
    ASSERT_TRUE(*set.Rank(Nth(i)) == rank);
    ASSERT_EQ(set.Select(rank), Nth(i));
    ++rank;
  }
  for (size_t i = 1; i < set.ranges().size(); ++i) {
    ASSERT_LT(set.ranges()[i - 1].last, set.ranges()[i].first);
    if (set.ranges()[i - 1].last.is_v6() == set.ranges()[i].first.is_v6()) {
      ASSERT_TRUE(set.ranges()[i].first.value() - set.ranges()[i - 1].last.value() > 1)
          << "ranges left unmerged";
    }
  }
}

TEST(IpSet, AgreesWithABitsetOnRandomSets) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const auto a = RandomSet(random);
    const auto b = RandomSet(random);
    ExpectEqual(a.first, a.second);
    ExpectEqual(a.first.Union(b.first), a.second | b.second);
    ExpectEqual(a.first.Minus(b.first), a.second & ~b.second);
    ExpectEqual(a.first.Intersection(b.first), a.second & b.second);
    ASSERT_EQ(a.first == b.first, a.second == b.second);
    for (const IpRange& r : b.first.ranges()) {
      bool hit = false;
      for (int i = 0; i < kUniverse; ++i)
        hit |= a.second.test(i) && r.first <= Nth(i) && Nth(i) <= r.last;
      ASSERT_EQ(a.first.Intersects(r), hit);
    }
  }
}

}  // namespace
}  // namespace portolan
