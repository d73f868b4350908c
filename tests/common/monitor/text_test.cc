#include <gtest/gtest.h>

#include <random>

#include "common/base/status.h"
#include "common/monitor/duration_text.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(DurationText, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*ParseDurationText("45s"), seconds(45));
  EXPECT_EQ(*ParseDurationText("250ms"), milliseconds(250));
  EXPECT_EQ(*ParseDurationText("1h30m"), minutes(90));
  EXPECT_EQ(*ParseDurationText("2w1d"), hours(24 * 15));
  EXPECT_EQ(*ParseDurationText("0s"), Duration::zero());
  EXPECT_EQ(*ParseDurationText("36525d"), hours(24 * 36'525));
}

TEST(DurationText, RefusesWithTheRemedy) {
  for (const char* text :
       {"", "s", "-5s", "+5s", " 5s", "5 s", "1.5h", "5x", "5M", "1h30", "5sm"}) {
    const auto d = ParseDurationText(text);
    ASSERT_FALSE(d.ok()) << text;
    EXPECT_NE(Message(d.status()).find("write"), std::string_view::npos) << d.status();
  }
  for (const char* text : {"36526d", "99999999999999999999s", "9223372036854775807w", "36525d1ms",
                           "9223372036854775807ms9223372036854775807ms"}) {
    const auto d = ParseDurationText(text);
    ASSERT_FALSE(d.ok()) << text;
    EXPECT_NE(Message(d.status()).find("too long"), std::string_view::npos) << d.status();
  }
  EXPECT_NE(Message(ParseDurationText("30").status()).find("has no unit"), std::string_view::npos);
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

TEST(DateText, ReadsAndWritesUtc) {
  EXPECT_EQ(ToUnixMicros(*ParseDateText("1970-01-01")), 0);
  EXPECT_EQ(ToUnixMicros(*ParseDateText("2026-11-23T10:07:01Z")), 1795428421LL * 1'000'000);
  for (const char* text : {"2027-04-01", "2027-04-01T00:00:01Z", "9999-12-31T23:59:59Z"})
    EXPECT_EQ(DateText(*ParseDateText(text)), text);
  EXPECT_EQ(DateText(*ParseDateText("2027-04-01T00:00:00Z")), "2027-04-01");
  for (const char* text :
       {"", "2027", "2027-4-1", "2027-02-29", "2027-13-01", "1969-12-31", "2027-04-01T24:00:00Z",
        "2027-04-01T10:00:00", "01.04.2027", "2027-04-01 10:00:00Z", "2027-04-01T10:00:60Z"}) {
    EXPECT_FALSE(ParseDateText(text).ok()) << text;
  }
}

}  // namespace
}  // namespace portolan
