#include "common/base/duration_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/base/status.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

std::string Refusal(std::string_view text) {
  const auto d = ParseDurationText(text);
  if (d.ok()) return "accepted as " + DurationText(*d);
  EXPECT_EQ(d.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(Message(d.status()));
}

TEST(DurationText, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*ParseDurationText("45s"), seconds(45));
  EXPECT_EQ(*ParseDurationText("1500ms"), milliseconds(1500));
  EXPECT_EQ(*ParseDurationText("1h30m"), minutes(90));
  EXPECT_EQ(*ParseDurationText("30d"), hours(720));
  EXPECT_EQ(*ParseDurationText("2w1d"), hours(24 * 15));
  EXPECT_EQ(*ParseDurationText("0s"), Duration::zero());
  EXPECT_EQ(*ParseDurationText("36525d"), hours(24 * 36'525));
}

TEST(DurationText, ReadsFractionsExactly) {
  EXPECT_EQ(*ParseDurationText("1.5s"), milliseconds(1500));
  EXPECT_EQ(*ParseDurationText("0.25h"), minutes(15));
  EXPECT_EQ(*ParseDurationText("1.125h"), seconds(4050));
  EXPECT_EQ(*ParseDurationText("0.5d12h"), hours(24));
  EXPECT_EQ(*ParseDurationText("1.0000s"), seconds(1));
  EXPECT_THAT(Refusal("1.0001s"), HasSubstr("finer than a millisecond"));
  EXPECT_THAT(Refusal("0.5ms"), HasSubstr("finer than a millisecond"));
}

TEST(DurationText, ANumberAloneIsRefusedWithWhatItMayMean) {
  EXPECT_EQ(Refusal("30"), "duration \"30\" has no unit; write 30s, 30m, 30h or 30d");
  EXPECT_EQ(Refusal("1500"), "duration \"1500\" has no unit; write 1500ms, 1500s, 1500m or 1500h");
  EXPECT_EQ(Refusal("1.5"), "duration \"1.5\" has no unit; write 1.5s, 1.5m, 1.5h or 1.5d");
  EXPECT_EQ(Refusal("1h30"), "duration \"1h30\" has no unit; write 30s, 30m, 30h or 30d");
  EXPECT_THAT(Refusal("00"), HasSubstr("has no unit"));
  // Zero of anything is nothing.
  EXPECT_EQ(*ParseDurationText("0"), Duration::zero());
}

TEST(DurationText, RefusesWithTheRemedy) {
  for (const char* text : {"", "s", "-5s", "+5s", " 5s", "5 s", "5x", "5M", "5sm", "5s ", ".5s",
                           "5.s", "1e3s", "nan", "inf", "1,5s", "5\xc2\xb5s"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("write numbers with units")) << text;
  }
  for (const char* text : {"36526d", "99999999999999999999s", "9223372036854775807w", "36525d1ms",
                           "36525.5d", "9223372036854775807ms9223372036854775807ms"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("too long")) << text;
  }
  EXPECT_THAT(Refusal("5\x1b[31m"), HasSubstr("\"5\\x1b[31m\""));  // safe on a terminal
  EXPECT_LT(Refusal(std::string(100'000, '1')).size(), 300u);
}

TEST(DurationText, BoundsAreSaidInTheSameUnits) {
  EXPECT_EQ(*ParseDurationText("50ms", milliseconds(50), seconds(60)), milliseconds(50));
  EXPECT_EQ(*ParseDurationText("60s", milliseconds(50), seconds(60)), seconds(60));
  const auto little = ParseDurationText("30ms", milliseconds(50), seconds(60));
  EXPECT_EQ(Message(little.status()), "30ms is not between 50ms and 1m");
  EXPECT_FALSE(ParseDurationText("61s", milliseconds(50), seconds(60)).ok());
  EXPECT_FALSE(ParseDurationText("0", seconds(1), seconds(60)).ok());
  EXPECT_FALSE(ParseDurationText("30", seconds(1), seconds(60)).ok());
}

TEST(DurationText, CanonicalTextReadsBack) {
  EXPECT_EQ(DurationText(minutes(90)), "1h30m");
  EXPECT_EQ(DurationText(hours(24 * 30)), "30d");
  EXPECT_EQ(DurationText(milliseconds(1500)), "1s500ms");
  EXPECT_EQ(DurationText(Duration::zero()), "0s");
  std::mt19937_64 rng(3);
  for (int i = 0; i < 2000; ++i) {
    const Duration d = milliseconds((rng() >> (rng() % 60)) % 3'000'000'000'000);
    ASSERT_EQ(*ParseDurationText(DurationText(d)), d) << DurationText(d);
  }
}

}  // namespace
}  // namespace portolan
