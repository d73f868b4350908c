#include "coordinator/scheduler/fairness.h"

#include <gtest/gtest.h>

#include <map>

#include "coordinator/scheduler/lease_sizer.h"

namespace portolan {
namespace {

// Who gets how much of 10,000 grants of 10 positions.
std::map<uint64_t, uint64_t> Share(Fairness& f, const std::map<uint64_t, Priority>& lanes) {
  std::map<uint64_t, uint64_t> got;
  for (int i = 0; i < 10'000; ++i) {
    uint64_t best = 0;
    for (const auto& [id, p] : lanes) {
      if (best == 0 || f.Tag("v", LaneId{id}) < f.Tag("v", LaneId{best})) best = id;
    }
    f.Charge("v", LaneId{best}, 10, Fairness::Weight(lanes.at(best)));
    got[best] += 10;
  }
  return got;
}

TEST(Fairness, EqualPrioritiesShareEvenly) {
  Fairness f;
  const auto got =
      Share(f, {{1, Priority::kNormal}, {2, Priority::kNormal}, {3, Priority::kNormal}});
  EXPECT_NEAR(static_cast<double>(got.at(1)), 33'333, 20);
  EXPECT_NEAR(static_cast<double>(got.at(2)), 33'333, 20);
}

TEST(Fairness, PrioritiesShareBySixteenFourOne) {
  Fairness f;
  const auto got = Share(f, {{1, Priority::kHigh}, {2, Priority::kNormal}, {3, Priority::kLow}});
  EXPECT_NEAR(static_cast<double>(got.at(1)) / static_cast<double>(got.at(2)), 4, 0.1);
  EXPECT_NEAR(static_cast<double>(got.at(2)) / static_cast<double>(got.at(3)), 4, 0.1);
}

TEST(Fairness, ANewLaneIsNeitherOwedNorOwes) {
  Fairness f;
  Share(f, {{1, Priority::kNormal}});
  const auto got = Share(f, {{1, Priority::kNormal}, {2, Priority::kNormal}});
  EXPECT_NEAR(static_cast<double>(got.at(1)), static_cast<double>(got.at(2)), 20);
}

TEST(Fairness, WhoCouldNotBeServedSavesNoCredit) {
  Fairness f;
  Share(f, {{1, Priority::kNormal}, {2, Priority::kNormal}});
  Share(f, {{1, Priority::kNormal}});  // 2 has used up its rate, say
  const auto got = Share(f, {{1, Priority::kNormal}, {2, Priority::kNormal}});
  EXPECT_NEAR(static_cast<double>(got.at(1)), static_cast<double>(got.at(2)), 20);
}

AgentRecord Agent(double measured, uint64_t finished = 1 << 30) {
  AgentRecord a;
  a.measured_rate = measured;
  a.finished = finished;
  return a;
}

TEST(LeaseSizer, UnknownSpeedGetsTheFirstLease) {
  const SchedulerOptions o;
  EXPECT_EQ(LeaseGoal(o, Agent(0, 0), -1, 1'000'000'000, {1, 1, 0}), o.first_lease);
}

TEST(LeaseSizer, SecondsOfTheMeasuredSpeed) {
  const SchedulerOptions o;
  EXPECT_EQ(LeaseGoal(o, Agent(10'000), -1, 1'000'000'000, {1, 0, 10'000}), 50'000u);
}

TEST(LeaseSizer, OneOddMeasurementIsNotBelieved) {
  const SchedulerOptions o;
  EXPECT_EQ(LeaseGoal(o, Agent(1e9, 1000), -1, 1'000'000'000, {1, 0, 1e9}), o.first_lease + 4000);
}

TEST(LeaseSizer, TheShareOfTheScanLimits) {
  const SchedulerOptions o;
  EXPECT_EQ(LeaseGoal(o, Agent(10'000), 100, 1'000'000'000, {1, 0, 10'000}), 500u);
  EXPECT_EQ(LeaseGoal(o, Agent(10'000), 1, 1'000'000'000, {1, 0, 10'000}), 5u);
}

TEST(LeaseSizer, TowardsTheEndByPartOfTheSpeed) {
  const SchedulerOptions o;
  const Roster::Strength two{2, 0, 10'000};
  EXPECT_EQ(LeaseGoal(o, Agent(9'000), -1, 10'000, two), 4500u);
  EXPECT_EQ(LeaseGoal(o, Agent(1'000), -1, 10'000, two), 500u);
  EXPECT_EQ(LeaseGoal(o, Agent(9'000), -1, 10, two), 900u) << "a tenth of a second's work";
  EXPECT_EQ(LeaseGoal(o, Agent(500), -1, 10, two), o.min_lease);
  EXPECT_EQ(LeaseGoal(o, Agent(10), -1, 10, two), 10u) << "a second of a slow agent";
}

TEST(LeaseSizer, WhatWasBegunCountsBeforeItIsFinished) {
  const SchedulerOptions o;
  AgentRecord a = Agent(1e9, 1000);
  a.begun = 500;
  EXPECT_EQ(LeaseGoal(o, a, -1, 1'000'000'000, {1, 0, 1e9}), o.first_lease + 6000);
}

TEST(LeaseSizer, WhoIsAloneTakesTheRest) {
  const SchedulerOptions o;
  EXPECT_EQ(LeaseGoal(o, Agent(10'000), -1, 3'000, {1, 0, 10'000}), 3'000u);
}

TEST(LeaseSizer, NeverAboveTheLargestLease) {
  SchedulerOptions o;
  o.max_lease = 1000;
  EXPECT_EQ(LeaseGoal(o, Agent(1e6), -1, 1'000'000'000, {1, 0, 1e6}), 1000u);
}

}  // namespace
}  // namespace portolan
