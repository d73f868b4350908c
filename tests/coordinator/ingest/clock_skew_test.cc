#include "coordinator/ingest/clock_skew.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kNow = FromUnixMicros(1'800'000'000'000'000);
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(ClockSkew, IsNotKnownBeforeTheFirstCall) { EXPECT_FALSE(ClockSkew().ahead().has_value()); }

TEST(ClockSkew, TheCallThatWasUnderWayForTheShortestTimeCounts) {
  ClockSkew skew;
  for (const int delay : {900, 30, 400, 20, 1500})
    skew.Add(kNow + hours(2), kNow + milliseconds(delay));
  EXPECT_EQ(*skew.ahead(), hours(2) - milliseconds(20));
}

TEST(ClockSkew, ALateCallDoesNotMakeAClockLookSlow) {
  ClockSkew skew;
  for (int i = 0; i < 8; ++i) skew.Add(kNow, kNow + milliseconds(10));
  skew.Add(kNow, kNow + minutes(3));  // parked in a network for three minutes
  skew.Add(kNow, kNow + minutes(3));
  EXPECT_EQ(*skew.ahead(), -milliseconds(10));
}

TEST(ClockSkew, AClockThatWasSetIsFollowed) {
  ClockSkew skew;
  for (int i = 0; i < 20; ++i) skew.Add(kNow + hours(2), kNow);
  for (int i = 0; i < 2; ++i) skew.Add(kNow, kNow);
  EXPECT_EQ(*skew.ahead(), hours(2));
  skew.Add(kNow, kNow);
  EXPECT_EQ(*skew.ahead(), seconds(0));
  skew.Add(kNow + hours(1), kNow);  // forward: at once
  EXPECT_EQ(*skew.ahead(), hours(1));
}

TEST(ClockSkew, NoTimeOverflows) {
  ClockSkew skew;
  skew.Add(FromUnixMicros(kLeast), FromUnixMicros(kMost));
  EXPECT_TRUE(TimeJudge::IsBeyond(*skew.ahead()));
  skew.Add(FromUnixMicros(kMost), FromUnixMicros(kLeast));
  EXPECT_TRUE(TimeJudge::IsBeyond(*skew.ahead()));
}

TEST(TimeJudge, ASmallSkewIsCorrected) {
  const TimeJudge behind(-minutes(2), kNow);
  EXPECT_EQ(behind.Judge(kNow - minutes(10)).when, kNow - minutes(8));
  EXPECT_FALSE(behind.Judge(kNow - minutes(10)).replaced);
  const TimeJudge ahead(minutes(4), kNow);
  EXPECT_EQ(ahead.Judge(kNow + minutes(3)).when, kNow - minutes(1));
  EXPECT_FALSE(ahead.Judge(kNow + minutes(3)).replaced);
}

TEST(TimeJudge, AClockThatIsFarOffIsNotBelievedAtAll) {
  for (const ClockDifference off : {ClockDifference(minutes(5)), ClockDifference(hours(2)),
                                    ClockDifference(-minutes(5)), ClockDifference(-hours(9000))}) {
    const TimeJudge::Judged j = TimeJudge(off, kNow).Judge(kNow - seconds(1) + off);
    EXPECT_EQ(j.when, kNow);
    EXPECT_TRUE(j.replaced);
  }
}

TEST(TimeJudge, WhatLiesOutsideOf1970ToNowIsReplaced) {
  for (const std::optional<ClockDifference>& ahead :
       {std::optional<ClockDifference>(), std::optional<ClockDifference>(seconds(0))}) {
    for (const int64_t us : {kLeast, int64_t{-1}, kMost, int64_t{253'402'300'800'000'000},
                             ToUnixMicros(kNow + seconds(2))}) {
      const TimeJudge::Judged j = TimeJudge(ahead, kNow).Judge(FromUnixMicros(us));
      EXPECT_EQ(j.when, kNow) << us;
      EXPECT_TRUE(j.replaced) << us;
    }
    EXPECT_FALSE(TimeJudge(ahead, kNow).Judge(FromUnixMicros(1)).replaced);
    EXPECT_FALSE(TimeJudge(ahead, kNow).Judge(kNow).replaced);
  }
}

// A measurement is wrong by as long as the calls were under way.
TEST(TimeJudge, ATimeThatComesOutALittleAfterNowIsNow) {
  const TimeJudge::Judged j = TimeJudge(seconds(0), kNow).Judge(kNow + milliseconds(300));
  EXPECT_EQ(j.when, kNow);
  EXPECT_FALSE(j.replaced);
}

TEST(TimeJudge, NoTimeEverLiesInTheFutureOrBefore1970) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const int64_t said = static_cast<int64_t>(random()) >> (random() % 64);
    std::optional<ClockDifference> ahead;
    if (random() % 4 != 0)
      ahead = ClockDifference(static_cast<int64_t>(random()) >> (8 + random() % 50));
    const TimeJudge::Judged j = TimeJudge(ahead, kNow).Judge(FromUnixMicros(said));
    ASSERT_LE(j.when, kNow) << said;
    ASSERT_GE(ToUnixMicros(j.when), 0) << said;
  }
}

TEST(TimeJudge, ABatchIsJudgedAsAWhole) {
  ParsedBatch batch;
  batch.chunks.emplace_back().start = kNow + hours(2);
  batch.opens.emplace_back().row.when = kNow + hours(2);
  ParsedFinding& silent = batch.findings.emplace_back();
  silent.finding.when = kNow + hours(2);
  silent.finding.since = kNow + hours(2) - seconds(30);
  batch.findings.emplace_back().finding.when = kNow + hours(2);  // of a kind without `since`
  TimeJudge(hours(2), kNow).Apply(batch);
  EXPECT_EQ(batch.chunks[0].start, kNow);
  EXPECT_TRUE(batch.chunks[0].time_of_receipt);
  EXPECT_EQ(batch.opens[0].row.when, kNow);
  EXPECT_TRUE(batch.opens[0].time_of_receipt);
  EXPECT_EQ(batch.findings[0].finding.when, kNow);
  EXPECT_EQ(batch.findings[0].finding.since, kNow - seconds(30))
      << "how long it was silent is known";
  EXPECT_EQ(batch.findings[1].finding.since, WallTime());
  for (const ParsedFinding& f : batch.findings) EXPECT_TRUE(f.time_of_receipt);

  ParsedBatch corrected;
  corrected.findings.emplace_back().finding.when = kNow + seconds(20);
  TimeJudge(seconds(30), kNow).Apply(corrected);
  EXPECT_EQ(corrected.findings[0].finding.when, kNow - seconds(10));
  EXPECT_FALSE(corrected.findings[0].time_of_receipt);
}

}  // namespace
}  // namespace portolan
