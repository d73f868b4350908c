#include "agent/runner/lease_walk.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/agent/runner/runner_harness.h"

namespace portolan {
namespace {

LeaseWalk Walk(std::shared_ptr<const ScanSpace> space, IntervalSet ranges) {
  AgentLease lease;
  lease.token = Token{1};
  lease.ranges = std::move(ranges);
  return LeaseWalk(std::move(lease), std::move(space));
}

TEST(LeaseWalk, VisitsEachPositionInOrderWithTheEndpointsOfTheSpace) {
  const auto space = MakeSpace(1, 5000, 3);
  LeaseWalk walk = Walk(space, IntervalSet{{10, 20}, {4000, 9000}, {12'000, 15'000}});
  uint64_t visited = 0, last = 0, runs = 0;
  while (walk.unbegun() > 0) {
    const LeaseWalk::Next next = walk.Peek();
    ASSERT_EQ(walk.Peek().index, next.index);
    ASSERT_GT(next.index + 1, last);
    ASSERT_TRUE(next.new_run || next.index == last);
    if (next.new_run) ++runs;
    const ScanSpace::Endpoint expected = space->At(next.index);
    ASSERT_EQ(next.endpoint.address, expected.address);
    ASSERT_EQ(next.endpoint.port, expected.port);
    last = next.index + 1;
    ++visited;
    walk.Take();
  }
  EXPECT_EQ(visited, 10u + 5000 + 3000);
  EXPECT_GE(runs, 3u);
}

TEST(LeaseWalk, RunsEndAtGroups) {
  const auto space = MakeSpace(1, 5000, 3);
  LeaseWalk walk = Walk(space, IntervalSet{{0, space->size()}});
  uint64_t boundary = space->GroupOf(0).range.end;
  ASSERT_LT(boundary, space->size());
  for (uint64_t i = 0; i + 1 < boundary; ++i) {
    walk.Peek();
    ASSERT_FALSE(walk.Take());
  }
  walk.Peek();
  EXPECT_TRUE(walk.Take());
  EXPECT_TRUE(walk.Peek().new_run);
}

TEST(LeaseWalk, ShrinkKeepsWhatWasBegun) {
  const auto space = MakeSpace(1, 100, 100);
  LeaseWalk walk = Walk(space, IntervalSet{{0, 1000}, {2000, 3000}});
  for (int i = 0; i < 100; ++i) {
    walk.Peek();
    walk.Take();
  }
  // beyond the run that is being walked
  EXPECT_FALSE(walk.Shrink(IntervalSet{{0, 1000}, {2500, 2600}}));
  EXPECT_EQ(walk.ranges(), (IntervalSet{{0, 1000}, {2500, 2600}}));
  EXPECT_EQ(walk.unbegun(), 1000u);
  EXPECT_TRUE(walk.Shrink(IntervalSet{{50, 60}, {200, 300}}));
  EXPECT_EQ(walk.ranges(), (IntervalSet{{0, 100}, {200, 300}}));
  EXPECT_EQ(walk.unbegun(), 100u);
  EXPECT_EQ(walk.Peek().index, 200u);
  EXPECT_TRUE(walk.Peek().new_run);
  walk.GiveBack();
  EXPECT_EQ(walk.ranges(), (IntervalSet{{0, 100}}));
  EXPECT_EQ(walk.unbegun(), 0u);
}

TEST(LeaseWalk, GrowingDesireGivesNothingNew) {
  LeaseWalk walk = Walk(MakeSpace(1, 100, 100), IntervalSet{{0, 10}});
  EXPECT_FALSE(walk.Shrink(IntervalSet{{0, 10'000}}));
  EXPECT_EQ(walk.ranges(), (IntervalSet{{0, 10}}));
}

TEST(LeaseWalk, RandomShrinksAgreeWithSets) {
  const auto space = MakeSpace(1, 3000, 7);
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    IntervalSet unbegun, begun;
    for (int i = 0; i < 5; ++i) {
      const uint64_t at = random() % 20'000;
      unbegun.Add({at, at + 1 + random() % 900});
    }
    LeaseWalk walk = Walk(space, unbegun);
    for (int step = 0; step < 3000 && walk.unbegun() > 0; ++step) {
      if (random() % 200 == 0) {
        IntervalSet desired;
        for (int i = 0; i < 6; ++i) {
          const uint64_t at = random() % 20'000;
          desired.Add({at, at + random() % 6000});
        }
        walk.Shrink(desired);
        unbegun = unbegun.Intersection(desired);
      } else {
        const uint64_t index = walk.Peek().index;
        ASSERT_EQ(index, unbegun.First());
        walk.Take();
        unbegun.Remove({index, index + 1});
        begun.Add({index, index + 1});
      }
      ASSERT_EQ(walk.unbegun(), unbegun.size());
      IntervalSet all = begun;
      all.Add(unbegun);
      ASSERT_EQ(walk.ranges(), all);
    }
  }
}

}  // namespace
}  // namespace portolan
