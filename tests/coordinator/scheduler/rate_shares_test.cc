#include "coordinator/scheduler/rate_shares.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace portolan {
namespace {

const Time kNow;

TEST(RateShares, DividesEvenly) {
  RateShares s(90);
  s.SetTargets({{"a", 0}, {"b", 0}, {"c", 0}});
  EXPECT_DOUBLE_EQ(s.Target("a"), 30);
  EXPECT_TRUE(s.Promise("a", 1, kNow));
  EXPECT_DOUBLE_EQ(s.Promised("a"), 30);
  EXPECT_DOUBLE_EQ(s.Promised("b"), 0);
}

TEST(RateShares, WhatOneCannotUseTheOthersGet) {
  RateShares s(90);
  s.SetTargets({{"a", 10}, {"b", 0}, {"c", 35}});
  EXPECT_DOUBLE_EQ(s.Target("a"), 10);
  EXPECT_DOUBLE_EQ(s.Target("c"), 35);
  EXPECT_DOUBLE_EQ(s.Target("b"), 45);
}

TEST(RateShares, ANewcomerWaitsUntilTheOthersHaveConfirmedLess) {
  RateShares s(100);
  s.SetTargets({{"a", 0}});
  s.Promise("a", 1, kNow);
  s.SetTargets({{"a", 0}, {"b", 0}});
  EXPECT_FALSE(s.Promise("b", 2, kNow));
  EXPECT_TRUE(s.Promise("a", 3, kNow));
  EXPECT_DOUBLE_EQ(s.Promised("a"), 50);
  EXPECT_FALSE(s.Promise("b", 4, kNow)) << "a may still be using 100";
  EXPECT_FALSE(s.Confirm("a", 2)) << "an older answer";
  EXPECT_TRUE(s.Confirm("a", 3));
  EXPECT_TRUE(s.Promise("b", 5, kNow));
  EXPECT_DOUBLE_EQ(s.Promised("b"), 50);
}

TEST(RateShares, ThoseGoneLeaveTheirShareAtOnce) {
  RateShares s(100);
  s.SetTargets({{"a", 0}, {"b", 0}});
  s.Promise("a", 1, kNow);
  s.Promise("b", 1, kNow);
  EXPECT_TRUE(s.Release("a"));
  s.SetTargets({{"b", 0}});
  EXPECT_TRUE(s.Promise("b", 2, kNow));
  EXPECT_DOUBLE_EQ(s.Promised("b"), 100);
  EXPECT_FALSE(s.Knows("a"));
}

TEST(RateShares, NothingRisesWhileAFormerHolderIsExpected) {
  RateShares s(100);
  s.Expect("old");
  s.SetTargets({{"old", 0}, {"new", 0}});
  EXPECT_FALSE(s.Promise("new", 1, kNow));
  s.Adopt("old", 80);
  EXPECT_DOUBLE_EQ(s.bound_sum(), 80);
  EXPECT_TRUE(s.Promise("new", 2, kNow));
  EXPECT_DOUBLE_EQ(s.Promised("new"), 20);
  EXPECT_TRUE(s.Promise("old", 3, kNow));
  EXPECT_TRUE(s.Confirm("old", 3));
  EXPECT_TRUE(s.Promise("new", 4, kNow));
  EXPECT_DOUBLE_EQ(s.Promised("new"), 50);
}

TEST(RateShares, SmallDifferencesAreLeftAlone) {
  RateShares s(100);
  std::vector<RateShares::Claimant> c;
  for (int i = 0; i < 40; ++i) c.push_back({"a" + std::to_string(i), 0});
  s.SetTargets(c);
  for (const auto& x : c) s.Promise(x.agent, 1, kNow);
  EXPECT_TRUE(s.Unsettled().empty());
  c.pop_back();
  s.Release("a39");
  s.SetTargets(c);
  EXPECT_FALSE(s.Promise("a0", 2, kNow)) << "2.5 % more";
  EXPECT_TRUE(s.Unsettled().empty());
}

TEST(RateShares, TwoThatBecomeOneAreLoweredBeforeAnythingRises) {
  RateShares s(1), other(1);
  s.SetTargets({{"a", 0}});
  s.Promise("a", 1, kNow);
  other.SetTargets({{"b", 0}});
  other.Promise("b", 2, kNow);
  s.Absorb(other);
  EXPECT_TRUE(s.over());
  s.SetTargets({{"a", 0}, {"b", 0}, {"c", 0}});
  EXPECT_FALSE(s.Promise("c", 3, kNow));
  EXPECT_TRUE(s.Promise("a", 4, kNow));
  EXPECT_EQ(s.Promised("a"), 0) << "b may be using all";
  EXPECT_TRUE(s.Confirm("a", 4));
  EXPECT_FALSE(s.over());
  EXPECT_TRUE(s.Promise("b", 5, kNow));
  EXPECT_TRUE(s.Confirm("b", 5));
  for (const char* name : {"a", "b", "c"}) {
    s.Promise(name, 6, kNow);  // b has it already
    EXPECT_DOUBLE_EQ(s.Promised(name), 1.0 / 3);
  }
}

TEST(RateShares, AnAgentOfBothIsToldAnewWhateverItsPromises) {
  RateShares s(1), other(1);
  s.SetTargets({{"a", 0.25}, {"b", 0}});
  s.Promise("a", 1, kNow);
  other.SetTargets({{"a", 0.5}});
  other.Promise("a", 2, kNow);
  s.Absorb(other);
  EXPECT_DOUBLE_EQ(s.Promised("a"), 0.25);
  EXPECT_FALSE(s.Confirm("a", 2)) << "that was not of the one limit";
  s.SetTargets({{"a", 0.25}, {"b", 0}});
  EXPECT_TRUE(s.Promise("a", 3, kNow)) << "told, though it is the same";
  EXPECT_DOUBLE_EQ(s.bound_sum(), 0.5);
  EXPECT_FALSE(s.Promise("a", 4, kNow));
  EXPECT_TRUE(s.Confirm("a", 3));
  EXPECT_DOUBLE_EQ(s.bound_sum(), 0.25);
  const RateShares part = s.Of({"a"});
  EXPECT_DOUBLE_EQ(part.Promised("a"), 0.25);
  EXPECT_FALSE(part.Knows("b"));
}

// The physical rule: agents use what they heard last; whatever is lost or late, together they never
// use more than the rate.
TEST(RateShares, AgentsNeverUseMoreThanTheRateWhateverIsLost) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 rng(seed);
    const double rate = 1 + static_cast<double>(rng() % 1000);
    RateShares s(rate);
    struct Agent {
      double in_use = 0;
      uint64_t seen = 0;
    };
    std::map<std::string, Agent> agents;
    uint64_t revision = 1;
    for (int step = 0; step < 300; ++step) {
      const std::string name = "a" + std::to_string(rng() % 8);
      switch (rng() % 5) {
        case 0: {
          std::vector<RateShares::Claimant> c;
          for (int i = 0; i < 8; ++i) {
            if (rng() % 2)
              c.push_back(
                  {"a" + std::to_string(i), rng() % 3 ? 0 : static_cast<double>(rng() % 300)});
          }
          s.SetTargets(c);
          break;
        }
        case 1:
          agents[name].in_use = 0;
          s.Release(name);
          break;
        default:
          s.Confirm(name, agents[name].seen);
          s.Promise(name, revision, kNow);
          if (rng() % 3) agents[name] = {s.Promised(name), revision};  // else the answer was lost
          ++revision;
      }
      double sum = 0;
      for (const auto& entry : agents) sum += entry.second.in_use;
      ASSERT_LE(sum, rate * (1 + 1e-9)) << "seed " << seed << " step " << step;
      ASSERT_LE(s.bound_sum(), rate * (1 + 1e-9));
    }
  }
}

}  // namespace
}  // namespace portolan
