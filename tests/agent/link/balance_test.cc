#include "agent/link/balance.h"

#include <gmock/gmock.h>

#include <random>

namespace portolan {
namespace {

std::vector<ThreadLoad> Loads(std::vector<uint64_t> unprobed) {
  std::vector<ThreadLoad> out;
  for (const uint64_t n : unprobed) {
    out.emplace_back();
    out.back().unprobed = n;
  }
  return out;
}

TEST(Balance, WorkIsPouredOverTheLeastLoadedThreads) {
  EXPECT_THAT(SplitWork(100, Loads({0}), 10), testing::ElementsAre(100));
  EXPECT_THAT(SplitWork(100, Loads({0, 0}), 10), testing::ElementsAre(50, 50));
  EXPECT_THAT(SplitWork(100, Loads({80, 20}), 10), testing::ElementsAre(20, 80));
  EXPECT_THAT(SplitWork(100, Loads({500, 20, 40}), 10), testing::ElementsAre(0, 60, 40));
  EXPECT_THAT(SplitWork(15, Loads({0, 0}), 10), testing::ElementsAre(15, 0))
      << "too little to divide";
  EXPECT_THAT(SplitWork(5, Loads({7, 3}), 10), testing::ElementsAre(0, 5));
}

TEST(Balance, SplitIsCompleteAndEven) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 5000; ++round) {
    std::vector<uint64_t> before(1 + random() % 6);
    for (uint64_t& n : before) n = random() % 5000;
    const uint64_t size = 1 + random() % 20'000;
    const uint64_t least = random() % 3000;
    const auto parts = SplitWork(size, Loads(before), least);
    uint64_t sum = 0, highest = 0, lowest = UINT64_MAX;
    for (size_t i = 0; i < parts.size(); ++i) {
      sum += parts[i];
      if (parts[i] == 0) continue;
      EXPECT_TRUE(parts[i] >= least || parts[i] == size);
      highest = std::max(highest, before[i] + parts[i]);
      lowest = std::min(lowest, before[i] + parts[i]);
    }
    EXPECT_EQ(sum, size);
    EXPECT_LE(highest - lowest, parts.size()) << "the threads that got some end at one level";
    for (size_t i = 0; i < parts.size(); ++i) {
      for (size_t k = 0; k < parts.size(); ++k) {
        if (parts[i] > 0 || parts[k] == 0) continue;
        EXPECT_GE(before[i], before[k]) << "left out though it had less";
      }
    }
  }
}

TEST(Balance, ShareIsDividedByLeases) {
  const auto parts =
      DivideShares({{"a", 90}, {"b", -1}, {"c", 0}}, {{0, {{"a", 2}, {"c", 1}}}, {0, {{"a", 1}}}});
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
