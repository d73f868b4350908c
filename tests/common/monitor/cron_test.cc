#include "common/monitor/cron.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "common/base/status.h"

namespace portolan {
namespace {

std::string Text(absl::CivilMinute m) {
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", m.year(), m.month(), m.day(), m.hour(),
                     m.minute());
}

// 2026-11-23 is a Monday.
const absl::CivilMinute kFrom(2026, 11, 23, 10, 7);

TEST(CronExpression, NextTimesOfKnownDates) {
  struct Case {
    const char* expression;
    const char* next;
  };
  const Case cases[] = {
      {"* * * * *", "2026-11-23 10:08"},
      {"7 * * * *", "2026-11-23 11:07"},
      {"*/15 * * * *", "2026-11-23 10:15"},
      {"10-50/20 * * * *", "2026-11-23 10:10"},
      {"5,6,9 * * * *", "2026-11-23 10:09"},
      {"0 6 * * *", "2026-11-24 06:00"},
      {"30 6 * * mon-fri", "2026-11-24 06:30"},
      {"0 0 * * 0", "2026-11-29 00:00"},
      {"0 0 * * 7", "2026-11-29 00:00"},
      {"0 0 * * Sun", "2026-11-29 00:00"},
      {"0 0 * * fri-sun", "2026-11-27 00:00"},
      {"0 0 * * 5-7", "2026-11-27 00:00"},
      {"0 9 1 * *", "2026-12-01 09:00"},
      {"0 9 31 * *", "2026-12-31 09:00"},
      {"0 9 29 2 *", "2028-02-29 09:00"},
      {"0 0 1 jan,JUL *", "2027-01-01 00:00"},
      {"0 0 1 */5 *", "2027-01-01 00:00"},
      {"0 0 */10 * *", "2026-12-01 00:00"},
      // Both days restricted: either is enough. The 13th, or a Friday.
      {"0 0 13 * fri", "2026-11-27 00:00"},
      {"0 0 24 * fri", "2026-11-24 00:00"},
      // A field that begins with * restricts: both must be met.
      {"0 0 */2 * tue", "2026-12-01 00:00"},
      {"@hourly", "2026-11-23 11:00"},
      {"@daily", "2026-11-24 00:00"},
      {"@midnight", "2026-11-24 00:00"},
      {"@weekly", "2026-11-29 00:00"},
      {"@monthly", "2026-12-01 00:00"},
      {"@YEARLY", "2027-01-01 00:00"},
      {"@annually", "2027-01-01 00:00"},
      {" 0  6\t* * * ", "2026-11-24 06:00"},
  };
  for (const Case& c : cases) {
    const auto cron = CronExpression::Parse(c.expression);
    ASSERT_TRUE(cron.ok()) << cron.status();
    const auto next = cron->NextAfter(kFrom);
    ASSERT_TRUE(next.has_value()) << c.expression;
    EXPECT_EQ(Text(*next), c.next) << c.expression;
  }
}

TEST(CronExpression, LeapDayOfACenturyIsFoundAfterEightYears) {
  const auto cron = CronExpression::Parse("0 0 29 2 *");
  EXPECT_EQ(Text(*cron->NextAfter(absl::CivilMinute(2096, 3, 1))), "2104-02-29 00:00");
}

TEST(CronExpression, RefusesWithFieldValueAndRemedy) {
  struct Case {
    const char* expression;
    const char* message;
  };
  const Case cases[] = {
      {"", "has 0 fields; write five"},
      {"* * * *", "has 4 fields"},
      {"* * * * * *", "more than 5 fields"},
      {"60 * * * *", "minute \"60\" is not a value; write 0 to 59"},
      {"* 24 * * *", "hour \"24\""},
      {"* * 0 * *", "day of month \"0\" is not a value; write 1 to 31"},
      {"* * * 13 *", "month \"13\" is not a value; write 1 to 12, or a name such as jan"},
      {"* * * * 8", "day of week \"8\""},
      {"* * * * mo", "day of week \"mo\""},
      {"5/15 * * * *", "write 5-59/15"},
      {"*/0 * * * *", "the step is not 1 to 59"},
      {"50-10 * * * *", "the first value is above the last; write two ranges, as in 50-59,0-10"},
      {"1,,2 * * * *", "minute \"\""},
      {"-5 * * * *", "minute \"\""},
      {"0 0 30 2 *", "no date ever meets it"},
      {"0 0 31 4,6,9,11 *", "no date ever meets it"},
      {"@reboot", "there are @hourly"},
      {"* * * * *\x1b[2J", "day of week"},
  };
  for (const Case& c : cases) {
    const auto cron = CronExpression::Parse(c.expression);
    ASSERT_FALSE(cron.ok()) << c.expression;
    EXPECT_NE(Message(cron.status()).find(c.message), std::string_view::npos) << cron.status();
    EXPECT_EQ(Message(cron.status()).find('\x1b'), std::string_view::npos);
  }
}

// Minute by minute, the obvious way.
TEST(CronExpression, NextAfterIsTheFirstMatchingMinute) {
  std::mt19937_64 rng(7);
  const auto field = [&](int first, int last) {
    const int a = first + static_cast<int>(rng() % (last - first + 1));
    const int b = a + static_cast<int>(rng() % (last - a + 1));
    switch (rng() % 4) {
      case 0:
        return std::string("*");
      case 1:
        return fmt::format("{}", a);
      case 2:
        return fmt::format("{}-{}/{}", a, b, 1 + rng() % 5);
      default:
        return fmt::format("{},{}", a, b);
    }
  };
  int compared = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string text =
        fmt::format("{} {} {} * {}", field(0, 59), field(0, 23), field(1, 28), field(0, 7));
    const auto cron = CronExpression::Parse(text);
    ASSERT_TRUE(cron.ok()) << cron.status();
    const absl::CivilMinute from = kFrom + static_cast<int64_t>(rng() % (400 * 1440));
    const auto next = cron->NextAfter(from);
    ASSERT_TRUE(next.has_value());
    ASSERT_TRUE(cron->Matches(*next)) << text;
    for (absl::CivilMinute m = from + 1; m < *next && m < from + 20'000; ++m) {
      ASSERT_FALSE(cron->Matches(m)) << text << " " << Text(m);
      ++compared;
    }
  }
  EXPECT_GT(compared, 10'000);
}

TEST(CronExpression, RecursWhenTheMinuteOrTheHourBeginsWithAStar) {
  for (const char* text : {"* * * * *", "*/15 * * * *", "0 * * * *", "0 */2 * * *", "*/5 2 * * *",
                           "*,30 2 * * *", "@hourly"}) {
    EXPECT_TRUE(CronExpression::Parse(text)->recurs()) << text;
  }
  for (const char* text : {"0 2 * * *", "0-59/15 0-23 * * *", "30 6 * * mon-fri", "@daily",
                           "@weekly", "0,15 2 1 * *"}) {
    EXPECT_FALSE(CronExpression::Parse(text)->recurs()) << text;
  }
}

TEST(FindTimeZone, TakesOnlyNamesOfTheDatabase) {
  EXPECT_TRUE(FindTimeZone("UTC").ok());
  for (const char* name : {"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Etc/GMT+5",
                           "America/Argentina/Buenos_Aires"}) {
    EXPECT_TRUE(FindTimeZone(name).ok()) << name << ": is tzdata installed?";
  }
  for (const char* name : {"", "Mars/Olympus", "localtime", "/etc/passwd", "../../etc/passwd",
                           "Europe/../UTC", "file:/etc/passwd", "libc:localtime", "Europe/", "."}) {
    EXPECT_FALSE(FindTimeZone(name).ok()) << name;
  }
}

}  // namespace
}  // namespace portolan
