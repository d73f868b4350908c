#include "coordinator/control/rate_meter.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

Time At(double s) { return Time(FromSeconds(s)); }

TEST(RateMeter, IsTheMeanOfTheWindow) {
  RateMeter meter(std::chrono::seconds(10));
  EXPECT_EQ(meter.rate(), 0);
  meter.Sample(At(1), 1000);
  EXPECT_EQ(meter.rate(), 0);
  for (int i = 1; i <= 5; ++i) meter.Sample(At(1 + i), 1000 + static_cast<uint64_t>(i) * 100);
  EXPECT_DOUBLE_EQ(meter.rate(), 100);
}

TEST(RateMeter, ForgetsWhatIsOlderThanTheWindow) {
  RateMeter meter(std::chrono::seconds(10));
  uint64_t count = 0;
  for (int i = 0; i <= 20; ++i) meter.Sample(At(i), count += 1000);
  for (int i = 21; i <= 31; ++i) meter.Sample(At(i), count);  // nothing more
  EXPECT_EQ(meter.rate(), 0);
}

TEST(RateMeter, HoldsFewPointsHoweverOftenItIsAsked) {
  RateMeter meter(std::chrono::seconds(10));
  for (int i = 0; i < 100'000; ++i) meter.Sample(At(i * 0.001), static_cast<uint64_t>(i));
  EXPECT_NEAR(meter.rate(), 1000, 20);
}

TEST(RateMeter, BeginsAnewWhenTheCountFalls) {
  RateMeter meter;
  meter.Sample(At(1), 1000);
  meter.Sample(At(2), 2000);
  meter.Sample(At(3), 10);
  EXPECT_EQ(meter.rate(), 0);
  meter.Sample(At(4), 20);
  EXPECT_DOUBLE_EQ(meter.rate(), 10);
}

}  // namespace
}  // namespace portolan
