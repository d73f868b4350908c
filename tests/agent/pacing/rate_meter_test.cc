#include "agent/pacing/rate_meter.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

using std::chrono::milliseconds;

TEST(ProbeRateMeter, KnowsNothingBeforeASecondOfWork) {
  ProbeRateMeter meter;
  Time now(std::chrono::seconds(1));
  for (int i = 0; i < 10; ++i)
    meter.Observe(now += milliseconds(90), static_cast<uint64_t>(i) * 90, true);
  EXPECT_EQ(meter.rate(), 0);
}

TEST(ProbeRateMeter, AFastAgentIsKnownSooner) {
  ProbeRateMeter meter;
  Time now(std::chrono::seconds(1));
  uint64_t done = 0;
  meter.Observe(now, done, true);
  meter.Observe(now += milliseconds(5), done += 600, true);
  meter.Observe(now += milliseconds(4), done += 600, true);
  EXPECT_EQ(meter.rate(), 0) << "a burst says nothing";
  meter.Observe(now += milliseconds(3), done, true);
  EXPECT_NEAR(meter.rate(), 100'000, 1);
  for (int i = 0; i < 300; ++i) meter.Observe(now += milliseconds(10), done += 100, true);
  EXPECT_NEAR(meter.rate(), 10'000, 15'000) << "and is corrected each second";
}

TEST(ProbeRateMeter, IdleTimeDoesNotCount) {
  ProbeRateMeter meter;
  Time now(std::chrono::seconds(1));
  uint64_t done = 0;
  meter.Observe(now, 0, false);
  for (int lease = 0; lease < 20; ++lease) {
    for (int i = 0; i < 50; ++i) meter.Observe(now += milliseconds(10), done += 100, true);
    meter.Observe(now += std::chrono::hours(1), done, false);
  }
  EXPECT_NEAR(meter.rate(), 10'000, 300);
}

TEST(ProbeRateMeter, FollowsAChangeWithinSeconds) {
  ProbeRateMeter meter;
  Time now(std::chrono::seconds(1));
  uint64_t done = 0;
  for (int i = 0; i < 1000; ++i) meter.Observe(now += milliseconds(10), done += 1000, true);
  EXPECT_NEAR(meter.rate(), 100'000, 2'000);
  for (int i = 0; i < 1500; ++i) meter.Observe(now += milliseconds(10), done += 10, true);
  EXPECT_NEAR(meter.rate(), 1'000, 500);
}

}  // namespace
}  // namespace portolan
