#include "agent/link/balance.h"

#include <gmock/gmock.h>

#include <random>

namespace portolan {
namespace {

TEST(Balance, NextLeaseGoesToTheThreadWithTheLeastToProbe) {
  EXPECT_EQ(LeastLoaded({{100, {{"a", 1}}}, {50, {{"a", 3}}}, {70, {}}}), 1u);
  EXPECT_EQ(LeastLoaded({{0, {{"a", 1}}}, {0, {}}}), 1u);
  EXPECT_EQ(LeastLoaded({{0, {}}}), 0u);
}

TEST(Balance, ShareIsDividedByLeases) {
  const auto parts = DivideShares({{"a", 90}, {"b", -1}, {"c", 0}}, {{0, {{"a", 2}, {"c", 1}}}, {0, {{"a", 1}}}});
  EXPECT_DOUBLE_EQ(parts[0].at("a"), 60);
  EXPECT_DOUBLE_EQ(parts[1].at("a"), 30);
  EXPECT_LT(parts[0].at("b"), 0);
  EXPECT_LT(parts[1].at("b"), 0);
  EXPECT_EQ(parts[0].at("c"), 0);
  EXPECT_EQ(parts[1].at("c"), 0);
}

TEST(Balance, PartsNeverSumToMoreThanTheShare) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    const double share = static_cast<double>(random() % 1'000'000) / 7;
    std::vector<ThreadLoad> loads(1 + random() % 8);
    bool any = false;
    for (ThreadLoad& load : loads) {
      if (const auto n = static_cast<uint32_t>(random() % 5); n > 0) {
        load.weight["a"] = n;
        any = true;
      }
    }
    double sum = 0;
    for (const auto& part : DivideShares({{"a", share}}, loads)) sum += part.at("a");
    EXPECT_LE(sum, share * (1 + 1e-12));
    EXPECT_GE(sum, any ? share * (1 - 1e-12) : 0);
    EXPECT_LE(sum, any ? share * 2 : 0);
  }
}

TEST(Balance, OwnLimitGoesToThreadsWithWork) {
  EXPECT_THAT(DivideRate(0, {{5, {{"a", 1}}}, {0, {}}}), testing::ElementsAre(0, 0));
  EXPECT_DOUBLE_EQ(DivideRate(100, {{5, {{"a", 1}}}, {0, {}}})[0], 100);
  const auto both = DivideRate(100, {{5, {{"a", 1}}}, {5, {{"a", 1}}}});
  EXPECT_DOUBLE_EQ(both[0] + both[1], 100);
  const auto idle = DivideRate(100, {{0, {}}, {0, {}}});
  EXPECT_DOUBLE_EQ(idle[0] + idle[1], 100);
}

}  // namespace
}  // namespace portolan
