#include "common/scan/permutation.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <utility>
#include <vector>

namespace portolan {
namespace {

TEST(Permutation, MapsAsVersionOneDidWhenItWasFixed) {
  // Computed by an independent program from the description in the header. If this fails, stored
  // scans would be read wrongly: it is a new version.
  ASSERT_EQ(Permutation::kVersion, 1u);
  EXPECT_EQ(MixSeed(0, 0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(MixSeed(1, 2), 0xf893a2eefb32555eu);
  EXPECT_EQ(MixSeed(0xdeadbeef, 41), 0xf5dfbdab76a2839du);
  struct Golden {
    uint64_t size, seed;
    std::vector<std::pair<uint64_t, uint64_t>> forward;
  };
  const std::vector<Golden> goldens = {
      {1u, 0x0u, {{0u, 0u}}},
      {2u, 0x1u, {{0u, 1u}, {1u, 0u}}},
      {3u, 0x1u, {{0u, 2u}, {1u, 0u}, {2u, 1u}}},
      {10u, 0x2au, {{0u, 2u}, {1u, 4u}, {5u, 9u}, {9u, 6u}}},
      {1000u, 0x7u, {{0u, 139u}, {1u, 371u}, {500u, 535u}, {999u, 317u}}},
      {65536u, 0x0u, {{0u, 52936u}, {1u, 15472u}, {32768u, 63912u}, {65535u, 12823u}}},
      {16777216u,
       0x75bcd15u,
       {{0u, 16134236u}, {1u, 11252497u}, {8388608u, 9737347u}, {16777215u, 1278343u}}},
      {16776960u,
       0x63u,
       {{0u, 2903602u}, {1u, 11645925u}, {8388480u, 483307u}, {16776959u, 13184274u}}},
      {4611686018427387847u,
       0xdeadbeefcafef00du,
       {{0u, 4322394706298718181u},
        {1u, 2025944115770961081u},
        {2305843009213693923u, 1440113184917453008u},
        {4611686018427387846u, 2258460264163703214u}}},
      {4611686018427387904u,
       0x5u,
       {{0u, 1605754911761658292u},
        {1u, 1625199860162332442u},
        {2305843009213693952u, 1137195108839605390u},
        {4611686018427387903u, 8868238293896373u}}},
      {18446744073709551615u,
       0x3u,
       {{0u, 467636140836073244u},
        {1u, 2488527424429556646u},
        {9223372036854775807u, 10795778358742922598u},
        {18446744073709551614u, 6634256520442805303u}}},
  };
  for (const Golden& g : goldens) {
    const Permutation p(g.size, g.seed);
    for (const auto& [position, value] : g.forward) {
      EXPECT_EQ(p.Forward(position), value) << "size " << g.size << " position " << position;
      EXPECT_EQ(p.Inverse(value), position) << "size " << g.size << " value " << value;
    }
  }
}

TEST(Permutation, IsABijectionOfEverySmallSize) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> sizes;
  for (uint64_t n = 1; n <= 300; ++n) sizes.push_back(n);
  for (uint64_t n :
       {511u, 512u, 513u, 1023u, 1024u, 1025u, 4095u, 4096u, 4097u, 10007u, 65535u, 65536u, 65537u})
    sizes.push_back(n);
  for (uint64_t size : sizes) {
    const Permutation p(size, random());
    EXPECT_EQ(p.size(), size);
    std::vector<bool> seen(size);
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t v = p.Forward(i);
      ASSERT_LT(v, size);
      ASSERT_FALSE(seen[v]) << "size " << size << " value " << v << " twice";
      seen[v] = true;
      ASSERT_EQ(p.Inverse(v), i) << "size " << size;
    }
  }
}

TEST(Permutation, InverseUndoesForwardOnHugeSizes) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    const uint64_t size = (random() >> (random() % 63)) | 1;
    const Permutation p(size, random());
    for (uint64_t i : {uint64_t{0}, size - 1, random() % size, random() % size}) {
      const uint64_t v = p.Forward(i);
      ASSERT_LT(v, size);
      ASSERT_EQ(p.Inverse(v), i) << "size " << size << " position " << i;
    }
  }
}

TEST(Permutation, DefaultIsTheOnlyPermutationOfOne) {
  const Permutation p;
  EXPECT_EQ(p.size(), 1u);
  EXPECT_EQ(p.Forward(0), 0u);
  EXPECT_EQ(p.Inverse(0), 0u);
}

TEST(Permutation, SpreadsEveryWindowOfPositionsEvenly) {
  // 16 M values in 256 bins, windows of 65,536 consecutive positions: chi-square with 255 degrees
  // of freedom has mean 255 and deviation 22.6; drawing without replacement only lowers it. A
  // linear pattern (say, v = a * p + c) would give nearly 0 or very much.
  for (uint64_t seed : {1u, 2u, 3u}) {
    const Permutation p(uint64_t{1} << 24, seed);
    for (uint64_t start : {uint64_t{0}, uint64_t{5'000'000}, (uint64_t{1} << 24) - 65536}) {
      for (int shift : {16, 8, 0}) {  // the high, middle and low byte of the value
        std::vector<double> bins(256);
        for (uint64_t i = 0; i < 65536; ++i) ++bins[p.Forward(start + i) >> shift & 255];
        double chi = 0;
        for (double n : bins) chi += (n - 256) * (n - 256) / 256;
        EXPECT_LT(chi, 255 + 6 * 22.6)
            << "seed " << seed << " start " << start << " shift " << shift;
        EXPECT_GT(chi, 255 - 6 * 22.6)
            << "seed " << seed << " start " << start << " shift " << shift;
      }
    }
  }
}

TEST(Permutation, NeighbouringPositionsFallInDifferentNetworks) {
  const Permutation p(uint64_t{1} << 24, 7);  // a /8 by addresses
  uint64_t same = 0;
  constexpr uint64_t kPositions = 200'000;
  for (uint64_t i = 0; i + 1 < kPositions; ++i) same += p.Forward(i) >> 8 == p.Forward(i + 1) >> 8;
  EXPECT_LT(same, 30u);  // 1 in 65,536 /24s: 3 expected
}

TEST(Permutation, SeedsGiveDifferentOrders) {
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Permutation p(64, seed);
    std::vector<uint64_t> order;
    for (uint64_t i = 0; i < 64; ++i) order.push_back(p.Forward(i));
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 100u);
}

}  // namespace
}  // namespace portolan
