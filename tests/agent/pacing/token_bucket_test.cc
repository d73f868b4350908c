#include "agent/pacing/token_bucket.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace portolan {
namespace {

using std::chrono::milliseconds;
constexpr Time kStart = Time(std::chrono::seconds(100));

TEST(TokenBucket, WithoutLimitAlwaysHas) {
  TokenBucket bucket;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(bucket.Has(kStart));
    bucket.Take();
  }
  EXPECT_EQ(bucket.Next(kStart), kStart);
}

TEST(TokenBucket, ZeroLetsNothingThrough) {
  TokenBucket bucket(0);
  EXPECT_FALSE(bucket.Has(kStart));
  EXPECT_FALSE(bucket.Has(kStart + std::chrono::hours(1)));
  EXPECT_EQ(bucket.Next(kStart), kNever);
  bucket.SetRate(std::nan(""));
  EXPECT_FALSE(bucket.Has(kStart + std::chrono::hours(2)));
}

TEST(TokenBucket, NextIsWhenItHas) {
  for (double rate : {0.01, 0.3, 1.0, 7.0, 99.9, 1000.0, 12345.678, 1e6}) {
    TokenBucket bucket(rate);
    Time now = kStart;
    for (int i = 0; i < 200; ++i) {
      now = bucket.Next(now);
      ASSERT_TRUE(bucket.Has(now)) << rate;
      bucket.Take();
    }
  }
}

// A thread that wakes up to 9 ms late keeps the rate within 1 %, and no window of any length ever
// exceeds it by more than the allowance.
TEST(TokenBucket, KeepsTheRateAndNeverExceedsItOverAnyWindow) {
  for (double rate : {2.0, 50.0, 100.0, 333.0, 5000.0}) {
    SCOPED_TRACE(rate);
    std::mt19937_64 random(static_cast<uint64_t>(rate));
    TokenBucket bucket(rate);
    Time now = kStart;
    std::vector<Time> taken;
    const double seconds = 3000 / rate + 10;
    const Time end = kStart + FromSeconds(seconds);
    while (now < end) {
      while (bucket.Has(now)) {
        bucket.Take();
        taken.push_back(now);
      }
      now = bucket.Next(now) + Duration(random() % 9'000'000);
    }
    EXPECT_NEAR(static_cast<double>(taken.size()), rate * seconds, rate * seconds * 0.01 + 2);
    for (size_t i = 0; i < taken.size(); ++i) {
      for (size_t j = i; j < std::min(taken.size(), i + 200); ++j) {
        const double window = ToSeconds(taken[j] - taken[i]);
        const double count = static_cast<double>(j - i + 1);
        ASSERT_LE(count, 1.001 + rate * (window + ToSeconds(TokenBucket::kCatchUp)));
        if (window < 0.01) {
          ASSERT_LE(count, std::ceil(2 * rate * 0.01));
        }
      }
    }
  }
}

TEST(TokenBucket, WhatWasDoneUnaskedIsWaitedFor) {
  TokenBucket bucket(10);
  ASSERT_TRUE(bucket.Has(kStart));
  bucket.Take();
  bucket.Charge(10);
  EXPECT_FALSE(bucket.Has(kStart + milliseconds(1000)));
  EXPECT_TRUE(bucket.Has(kStart + milliseconds(1101)));
}

TEST(TokenBucket, LowerRateHoldsAtOnce) {
  TokenBucket bucket(1e6);
  ASSERT_TRUE(bucket.Has(kStart + std::chrono::hours(1)));
  bucket.SetRate(1);
  Time now = kStart + std::chrono::hours(1);
  int count = 0;
  for (; bucket.Has(now); ++count) bucket.Take();
  EXPECT_LE(count, 1);
}

TEST(TokenBucket, ClockThatStepsBackGivesNothing) {
  TokenBucket bucket(1);
  ASSERT_TRUE(bucket.Has(kStart));
  bucket.Take();
  EXPECT_FALSE(bucket.Has(kStart - std::chrono::hours(1)));
  EXPECT_FALSE(bucket.Has(kStart + milliseconds(900)));
  EXPECT_TRUE(bucket.Has(kStart + milliseconds(1000)));
}

}  // namespace
}  // namespace portolan
