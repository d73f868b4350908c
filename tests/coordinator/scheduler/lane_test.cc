#include "coordinator/scheduler/lane.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "coordinator/scheduler/impl.h"
#include "coordinator/scheduler/token_map.h"

namespace portolan {
namespace {

IntervalSet Set(std::initializer_list<IndexRange> r) { return IntervalSet(r); }
const Time kNow = Time(std::chrono::seconds(10));

TEST(Lane, TakesFromItsStartAndWrapsAround) {
  Scan scan;
  Lane lane(scan, LaneId{1}, "", 100, 60);
  EXPECT_EQ(lane.TakePending(30, 10), Set({{60, 90}}));
  EXPECT_EQ(lane.TakePending(30, 10), Set({{90, 100}, {0, 20}}));
  EXPECT_EQ(lane.leased(), 60u);
  EXPECT_EQ(lane.pending().size(), 40u);
}

TEST(Lane, TakesNoMoreIntervalsThanAllowed) {
  Scan scan;
  Lane lane(scan, LaneId{1}, "", 100, 0);
  lane.RestoreDone({{10, 20}, {30, 40}, {50, 60}});
  EXPECT_EQ(lane.TakePending(100, 2), Set({{0, 10}, {20, 30}}));
}

TEST(Lane, ATrillionPositionsAreOneInterval) {
  Scan scan;
  Lane lane(scan, LaneId{1}, "", 1'000'000'000'000, 7);
  EXPECT_EQ(lane.pending().range_count(), 1u);
  EXPECT_EQ(lane.TakePending(1000, 1024), Set({{7, 1007}}));
  EXPECT_EQ(lane.pending().range_count(), 2u);
}

TEST(Lane, FreshPositionsGoBackToPendingOthersAreOwed) {
  Scan scan;
  Lane lane(scan, LaneId{1}, "", 100, 0);
  lane.TakePending(50, 10);
  lane.Return({{0, 10}}, {}, kNow, kNow);
  EXPECT_EQ(lane.pending().size(), 60u);
  lane.Return({{10, 20}}, {2, {}}, kNow + std::chrono::seconds(3), kNow);
  EXPECT_EQ(lane.owed().size(), 10u);
  EXPECT_EQ(lane.owed().ready_size(), 0u);
  EXPECT_FALSE(lane.Release(kNow + std::chrono::seconds(2)));
  EXPECT_TRUE(lane.Release(kNow + std::chrono::milliseconds(3250)));
  EXPECT_EQ(lane.owed().ready_size(), 10u);
  EXPECT_EQ(lane.leased(), 30u);
  EXPECT_TRUE(lane.attempts_changed);
}

TEST(OwedSet, GivesAnAgentOnlyWhatItHasNotRefused) {
  OwedSet owed;
  owed.Add({{0, 10}}, {1, {"x"}}, kNow, kNow);
  owed.Add({{20, 30}}, {0, {"x", "y"}}, kNow, kNow);
  EXPECT_FALSE(owed.HasReadyFor("x"));
  EXPECT_TRUE(owed.HasReadyFor("y"));
  EXPECT_EQ(owed.TakeReady("x", 100, 10), std::nullopt);
  EXPECT_EQ(owed.TakeReady("y", 100, 10)->positions, Set({{0, 10}}));
  EXPECT_EQ(owed.TakeReady("z", 5, 10)->positions, Set({{20, 25}}));
  EXPECT_EQ(owed.size(), 5u);
  EXPECT_TRUE(owed.has_refused());
}

TEST(OwedSet, OneBatchHasOneHistory) {
  OwedSet owed;
  owed.Add({{0, 10}}, {1, {}}, kNow, kNow);
  owed.Add({{10, 20}}, {3, {}}, kNow, kNow);
  const auto first = owed.TakeReady("x", 100, 10);
  EXPECT_EQ(first->history.attempts, 3u);
  EXPECT_EQ(first->positions, Set({{10, 20}}));
  EXPECT_EQ(owed.TakeReady("x", 100, 10)->history.attempts, 1u);
}

TEST(OwedSet, ListsAttemptsInOrder) {
  OwedSet owed;
  owed.Add({{50, 60}}, {1, {}}, kNow, kNow);
  owed.Add({{0, 10}}, {2, {"x"}}, kNow + std::chrono::seconds(1), kNow);
  owed.Add({{20, 30}}, {0, {"x"}}, kNow, kNow);
  const auto attempts = owed.Attempts();
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].first, (IndexRange{0, 10}));
  EXPECT_EQ(attempts[0].second, 2u);
  EXPECT_EQ(attempts[1].first, (IndexRange{50, 60}));
}

TEST(OwedSet, RemoveRefusedTakesWaitingOnesToo) {
  OwedSet owed;
  owed.Add({{0, 10}}, {1, {"x"}}, kNow + std::chrono::seconds(5), kNow);
  owed.Add({{10, 20}}, {1, {"x"}}, kNow, kNow);
  owed.Add({{20, 30}}, {1, {}}, kNow, kNow);
  EXPECT_EQ(owed.RemoveRefused([](const History&) { return true; }).size(), 2u);
  EXPECT_EQ(owed.size(), 10u);
  EXPECT_EQ(owed.ready_size(), 10u);
  EXPECT_FALSE(owed.has_refused());
}

// Against one token a position.
TEST(TokenMap, AgreesWithANaiveMap) {
  std::mt19937_64 rng(7);
  for (int run = 0; run < 50; ++run) {
    TokenMap map;
    std::vector<uint64_t> naive(64, 0);
    for (uint64_t step = 1; step < 200; ++step) {
      const uint64_t begin = rng() % 64, end = begin + rng() % (65 - begin);
      const IntervalSet range({{begin, end}});
      std::vector<uint64_t> taken(64, 0);
      for (const TokenMap::Piece& p : map.Take(range)) {
        for (uint64_t i = p.range.begin; i < p.range.end; ++i) taken[i] = p.token.value;
      }
      for (uint64_t i = 0; i < 64; ++i) {
        const bool in = i >= begin && i < end;
        ASSERT_EQ(taken[i], in ? naive[i] : 0);
        if (in) naive[i] = 0;
      }
      if (rng() % 3 > 0) {
        map.Assign(range, Token{step});
        for (uint64_t i = begin; i < end; ++i) naive[i] = step;
      }
      std::vector<uint64_t> now(64, 0);
      for (const TokenMap::Piece& p : map.ToVector()) {
        for (uint64_t i = p.range.begin; i < p.range.end; ++i) now[i] = p.token.value;
      }
      ASSERT_EQ(now, naive);
    }
  }
}

}  // namespace
}  // namespace portolan
