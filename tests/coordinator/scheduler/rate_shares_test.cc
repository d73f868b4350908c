#include "coordinator/scheduler/rate_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
  EXPECT_FALSE(s.Confirm("a", 2, kNow)) << "an older answer";
  EXPECT_TRUE(s.Confirm("a", 3, kNow));
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
  s.Adopt("old", 80, kNow);
  EXPECT_DOUBLE_EQ(s.bound_sum(), 80);
  EXPECT_TRUE(s.Promise("new", 2, kNow));
  EXPECT_DOUBLE_EQ(s.Promised("new"), 20);
  EXPECT_TRUE(s.Promise("old", 3, kNow));
  EXPECT_TRUE(s.Confirm("old", 3, kNow));
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
  EXPECT_TRUE(s.Confirm("a", 4, kNow));
  EXPECT_FALSE(s.over());
  EXPECT_TRUE(s.Promise("b", 5, kNow));
  EXPECT_TRUE(s.Confirm("b", 5, kNow));
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
  EXPECT_FALSE(s.Confirm("a", 2, kNow)) << "that was not of the one limit";
  s.SetTargets({{"a", 0.25}, {"b", 0}});
  EXPECT_TRUE(s.Promise("a", 3, kNow)) << "told, though it is the same";
  EXPECT_DOUBLE_EQ(s.bound_sum(), 0.5);
  EXPECT_FALSE(s.Promise("a", 4, kNow));
  EXPECT_TRUE(s.Confirm("a", 3, kNow));
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
          s.Confirm(name, agents[name].seen, kNow);
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

TEST(RateShares, WhatWasGivenUpIsFreeOnceWhatWasBegunIsOver) {
  const auto at = [](double t) { return kNow + FromSeconds(t); };
  RateShares s(1, seconds(2));
  s.SetTargets({{"a", 0}});
  s.Promise("a", 1, at(0));
  s.SetTargets({{"a", 0}, {"b", 0}});
  s.Promise("a", 2, at(0));
  EXPECT_FALSE(s.Confirm("a", 2, at(1))) << "it has still as much in flight";
  EXPECT_EQ(s.next_lapse(), at(3));
  EXPECT_FALSE(s.Confirm("a", 2, at(2)));
  EXPECT_FALSE(s.Lapse(at(2.9)));
  EXPECT_FALSE(s.Promise("b", 3, at(2.9)));
  EXPECT_TRUE(s.Lapse(at(3)));
  EXPECT_EQ(s.next_lapse(), kNever);
  EXPECT_TRUE(s.Promise("b", 3, at(3)));
  EXPECT_DOUBLE_EQ(s.Promised("b"), 0.5);
  // Lowered again before that has lapsed: each part falls in its own time.
  s.SetTargets({{"a", 0}, {"b", 0}, {"c", 0}});
  s.Promise("a", 4, at(4));
  EXPECT_FALSE(s.Confirm("a", 4, at(4)));
  s.SetTargets({{"a", 0}, {"b", 0}, {"c", 0}, {"d", 0}});
  s.Promise("a", 5, at(5));
  EXPECT_FALSE(s.Confirm("a", 5, at(5)));
  EXPECT_TRUE(s.Lapse(at(6)));
  EXPECT_NEAR(s.bound_sum(), 0.5 + 1.0 / 3, 1e-9);
  EXPECT_TRUE(s.Lapse(at(7)));
  EXPECT_NEAR(s.bound_sum(), 0.5 + 0.25, 1e-9);
  EXPECT_TRUE(s.Release("a")) << "who holds no lease has nothing in flight";
  EXPECT_NEAR(s.bound_sum(), 0.5, 1e-9);
}

TEST(RateShares, NothingRisesWhileWhatAnAdoptedAgentBeganBeforeMayLast) {
  RateShares s(1, seconds(2));
  s.Expect("old");
  s.SetTargets({{"old", 0}, {"new", 0}});
  s.Adopt("old", 0.25, kNow);
  EXPECT_FALSE(s.Promise("new", 1, kNow)) << "it may have been told 0.25 just now";
  EXPECT_FALSE(s.Lapse(kNow + milliseconds(1900)));
  EXPECT_TRUE(s.Lapse(kNow + seconds(2)));
  EXPECT_TRUE(s.Promise("new", 2, kNow + seconds(2)));
  EXPECT_DOUBLE_EQ(s.Promised("new"), 0.5);
}

// Likewise of what is in flight: an agent has as much of it as it was allowed at any moment of the
// last `linger`.
TEST(RateShares, WhatAgentsHaveInFlightNeverExceedsTheLimitWhateverIsLost) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 rng(seed);
    const Duration linger = milliseconds(1 + rng() % 5000);
    RateShares s(1, linger);
    struct Agent {
      uint64_t seen = 0;
      std::vector<std::pair<Time, double>> used;  // since when it is allowed that
    };
    std::map<std::string, Agent> agents;
    uint64_t revision = 1;
    Time now = kNow;
    double best = 0;
    for (int step = 0; step < 600; ++step) {
      now += milliseconds(rng() % 400);
      const std::string name = "a" + std::to_string(rng() % 6);
      Agent& agent = agents[name];
      switch (rng() % 8) {
        case 0: {
          std::vector<RateShares::Claimant> c;
          for (int i = 0; i < 6; ++i) {
            if (rng() % 3) c.push_back({"a" + std::to_string(i), 0});
          }
          s.SetTargets(c);
          break;
        }
        case 1:
          if (rng() % 4) break;
          agent.used.clear();
          s.Release(name);
          break;
        case 2:
          s.Lapse(now);
          break;
        default:
          s.Confirm(name, agent.seen, now);
          s.Promise(name, revision, now);
          if (rng() % 3) {  // else the answer was lost
            agent.seen = revision;
            agent.used.emplace_back(now, s.Promised(name));
          }
          ++revision;
      }
      double sum = 0;
      for (const auto& entry : agents) {
        const auto& used = entry.second.used;
        double most = 0;
        for (size_t i = 0; i < used.size(); ++i) {
          const bool over = i + 1 < used.size() && used[i + 1].first + linger <= now;
          if (!over) most = std::max(most, used[i].second);
        }
        sum += most;
      }
      best = std::max(best, sum);
      ASSERT_LE(sum, 1 + 1e-9) << "seed " << seed << " step " << step;
      ASSERT_LE(s.bound_sum(), 1 + 1e-9);
    }
    EXPECT_GT(best, 0.9) << "seed " << seed << ": it is used as well";
  }
}

}  // namespace
}  // namespace portolan
