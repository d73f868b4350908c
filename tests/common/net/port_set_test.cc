#include "common/net/port_set.h"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

namespace portolan {
namespace {

TEST(PortSet, MergesAndPrints) {
  EXPECT_EQ(PortSet::Of({{8000, 8100}, {22, 22}, {81, 90}, {80, 80}, {85, 100}}).ToString(),
            "22,80-100,8000-8100");
  EXPECT_EQ(PortSet::Of({{0, 65535}}).size(), 65536u);
  EXPECT_EQ(PortSet::Of({{65535, 65535}, {0, 0}}).ToString(), "0,65535");
  EXPECT_EQ(PortSet().ToString(), "");
}

TEST(PortSet, AgreesWithABitsetOnRandomSets) {
  using Model = std::bitset<65536>;
  std::mt19937 random(3);
  const auto make = [&random](Model* model) {
    std::vector<PortRange> ranges;
    for (int n = static_cast<int>(random() % 8); n > 0; --n) {
      // Both ends of the number space are crowded, where overflow hides.
      const uint32_t base = random() % 3 == 0 ? 65536 - 40 : random() % 2 ? 0 : random() % 65000;
      uint32_t a = base + random() % 40;
      uint32_t b = base + random() % 40;
      if (a > b) std::swap(a, b);
      ranges.push_back({static_cast<uint16_t>(a), static_cast<uint16_t>(b)});
      for (uint32_t p = a; p <= b; ++p) model->set(p);
    }
    return PortSet::Of(std::move(ranges));
  };
  const auto expect_equal = [](const PortSet& set, const Model& model) {
    ASSERT_EQ(set.size(), model.count());
    uint32_t rank = 0;
    for (uint32_t p = 0; p < 65536; ++p) {
      const auto port = static_cast<uint16_t>(p);
      ASSERT_EQ(set.Contains(port), model.test(p)) << p;
      if (!model.test(p)) continue;
      ASSERT_EQ(set.Rank(port), rank);
      ASSERT_EQ(set.Select(rank++), port);
    }
  };
  for (int round = 0; round < 25; ++round) {
    Model ma, mb;
    const PortSet a = make(&ma);
    const PortSet b = make(&mb);
    expect_equal(a, ma);
    expect_equal(a.Union(b), ma | mb);
    expect_equal(a.Minus(b), ma & ~mb);
    expect_equal(a.Intersection(b), ma & mb);
    EXPECT_EQ(a == b, ma == mb);
  }
}

}  // namespace
}  // namespace portolan
