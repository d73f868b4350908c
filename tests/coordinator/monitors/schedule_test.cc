#include "coordinator/monitors/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "common/base/status.h"
#include "tests/coordinator/monitors/plan_fixture.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;

Schedule Cron(const std::string& expression, const std::string& zone = "UTC") {
  MonitorSchedule s;
  s.cron = expression;
  s.time_zone = zone;
  auto out = Schedule::Create(s, "m");
  EXPECT_TRUE(out.ok()) << out.status();
  return *std::move(out);
}

Schedule Every(Duration every, std::optional<Duration> at = {}, const std::string& name = "m",
               Duration jitter = {}) {
  MonitorSchedule s;
  s.every = every;
  s.at = at;
  s.jitter = jitter;
  return *Schedule::Create(s, name);
}

std::vector<std::string> Next(const Schedule& s, const std::string& from, int n) {
  std::vector<std::string> out;
  WallTime t = At(from);
  for (int i = 0; i < n; ++i) {
    t = *s.NextAfter(t);
    out.push_back(DateText(t));
  }
  return out;
}

TEST(Schedule, IntervalsCountFromTheEpochPlusAt) {
  EXPECT_THAT(Next(Every(hours(1), minutes(10)), "2026-11-23T10:07:00Z", 3),
              ElementsAre("2026-11-23T10:10:00Z", "2026-11-23T11:10:00Z", "2026-11-23T12:10:00Z"));
  EXPECT_THAT(Next(Every(hours(24), hours(2)), "2026-11-23T02:00:00Z", 2),
              ElementsAre("2026-11-24T02:00:00Z", "2026-11-25T02:00:00Z"));
}

TEST(Schedule, HourlyMonitorsDoNotStartTogether) {
  std::map<int64_t, int> by_minute;
  for (int i = 0; i < 200; ++i) {
    const Schedule s = Every(hours(1), {}, "monitor-" + std::to_string(i));
    const WallTime t = *s.NextAfter(At("2026-11-23"));
    ++by_minute[ToUnixMicros(t) / 60'000'000 % 60];
    EXPECT_EQ(*s.NextAfter(t), t + hours(1));
    EXPECT_EQ(ToUnixMicros(t) % 1'000'000, 0);
  }
  EXPECT_GT(by_minute.size(), 50u);
  for (const auto& [minute, n] : by_minute) EXPECT_LT(n, 15) << minute;
}

// Names of the zones' rules: clocks go forward at 02:00 on 2026-03-29 (Berlin) and 2026-03-08 (New
// York), back at 03:00 on 2026-10-25 and at 02:00 on 2026-11-01.
TEST(Schedule, CronInZonesWithDaylightSavingTime) {
  struct Case {
    const char* cron;
    const char* zone;
    const char* from;
    std::vector<std::string> next;
  };
  const Case cases[] = {
      // Ordinary days: the wall clock decides, UTC moves.
      {"0 6 * * *",
       "Europe/Berlin",
       "2026-03-28",
       {"2026-03-28T05:00:00Z", "2026-03-29T04:00:00Z", "2026-03-30T04:00:00Z"}},
      // 02:30 is skipped on the 29th: once, at the moment of the change.
      {"30 2 * * *",
       "Europe/Berlin",
       "2026-03-28",
       {"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
      // All of the skipped hour, and 03:00 itself, are one slot.
      {"*/20 2,3 * * *",
       "Europe/Berlin",
       "2026-03-29T00:50:00Z",
       {"2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z"}},
      // 02:30 comes twice on 25 October: the first time only.
      {"30 2 * * *",
       "Europe/Berlin",
       "2026-10-24T12:00:00Z",
       {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
      {"30 * * * *",
       "Europe/Berlin",
       "2026-10-24T23:45:00Z",
       {"2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"}},
      // Asked in the second pass of that hour.
      {"30 2,3 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", {"2026-10-25T02:30:00Z"}},
      {"30 2 * * *",
       "America/New_York",
       "2026-03-08T06:00:00Z",
       {"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
      {"30 1 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
      // Half an hour of change (Lord Howe, 02:00 to 02:30 on 2026-10-04).
      {"15 2 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T12:00:00Z",
       {"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
      // A whole day was skipped (Apia, 2011-12-30).
      {"0 12 * * *",
       "Pacific/Apia",
       "2011-12-29T12:00:00Z",
       {"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
      // No summer time at all, and an offset of half an hour.
      {"0 9 * * mon-fri", "Asia/Kolkata", "2026-11-27T12:00:00Z", {"2026-11-30T03:30:00Z"}},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Next(Cron(c.cron, c.zone), c.from, static_cast<int>(c.next.size())), c.next)
        << c.cron << " " << c.zone;
  }
}

// Walks every minute of UTC, with the zone's wall clock beside it.
TEST(Schedule, CronAgreesWithAMinuteByMinuteWalk) {
  struct Change {
    const char* zone;
    const char* around;
  };
  for (const Change& c :
       {Change{"Europe/Berlin", "2026-03-28"}, Change{"Europe/Berlin", "2026-10-24"},
        Change{"America/New_York", "2026-03-07"}, Change{"America/New_York", "2026-10-31"},
        Change{"Australia/Lord_Howe", "2026-04-04"}, Change{"Australia/Lord_Howe", "2026-10-03"},
        Change{"UTC", "2026-01-01"}}) {
    for (const char* text :
         {"*/7 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 0 * * *", "59 1 * * sun"}) {
      const absl::TimeZone zone = *FindTimeZone(c.zone);
      const CronExpression cron = *CronExpression::Parse(text);
      const WallTime from = At(c.around), to = from + hours(72);
      std::set<WallTime> naive;
      std::set<absl::CivilMinute> seen;  // on the wall
      absl::CivilMinute before(zone.At(absl::FromUnixMicros(ToUnixMicros(from - hours(48)))).cs);
      for (WallTime t = from - hours(48) + minutes(1); t <= to; t += minutes(1)) {
        const absl::CivilMinute now(zone.At(absl::FromUnixMicros(ToUnixMicros(t))).cs);
        bool due = false;
        // Forward: what the clock jumped over counts now. Back: what it showed before does not.
        for (absl::CivilMinute m = before + 1; m <= now; ++m)
          due |= cron.Matches(m) && seen.insert(m).second;
        if (due && t > from) naive.insert(t);
        before = std::max(before, now);
      }
      std::set<WallTime> ours;
      const Schedule s = Cron(text, c.zone);
      for (auto t = s.NextAfter(from); t.has_value() && *t <= to; t = s.NextAfter(*t))
        ours.insert(*t);
      EXPECT_EQ(ours, naive) << text << " " << c.zone << " " << c.around;
      EXPECT_EQ(s.Between(from, to).count, naive.size());
      if (!naive.empty()) {
        EXPECT_EQ(s.Between(from, to).newest, *naive.rbegin());
      }
      // From any moment, the next slot is the first of the walk after it.
      std::mt19937_64 rng(1);
      for (int i = 0; i < 200; ++i) {
        const WallTime t = from + seconds(rng() % (60 * 3600));
        const auto at = naive.upper_bound(t);
        if (at == naive.end()) continue;
        ASSERT_EQ(*s.NextAfter(t), *at) << text << DateText(t);
      }
    }
  }
}

TEST(Schedule, BetweenCountsIntervalsAtOnce) {
  const Schedule s = Every(minutes(1), Duration::zero());
  const auto slots = s.Between(At("1970-01-02"), At("2026-11-23T10:00:30Z"));
  EXPECT_EQ(DateText(slots.newest), "2026-11-23T10:00:00Z");
  EXPECT_EQ(slots.count, (slots.newest - At("1970-01-02")) / minutes(1));
  EXPECT_EQ(s.Between(At("2026-01-01"), At("2026-01-01")).count, 0u);
  EXPECT_EQ(s.Between(At("2026-01-02"), At("2026-01-01")).count, 0u);
  EXPECT_EQ(Cron("* * * * *").Between(At("2020-01-01"), At("2026-01-01")).count,
            Schedule::kMaxCounted);
}

TEST(Schedule, OddTimesAreAnsweredToo) {
  for (const Schedule& s : {Every(hours(1)), Cron("30 2 * * *", "Europe/Berlin")}) {
    EXPECT_TRUE(s.NextAfter(WallTime::min()).has_value());
    EXPECT_TRUE(s.NextAfter(WallTime()).has_value());
    EXPECT_FALSE(s.NextAfter(WallTime::max()).has_value());
    EXPECT_EQ(s.Between(WallTime::max(), WallTime::min()).count, 0u);
    EXPECT_GT(s.Between(WallTime::min(), WallTime::max()).count, 1000u);
  }
}

TEST(Schedule, JitterIsBoundedSpreadAndRepeatable) {
  const Schedule a = Every(hours(1), {}, "a", minutes(10)),
                 b = Every(hours(1), {}, "b", minutes(10));
  std::set<Duration> seen;
  int early = 0;
  for (uint64_t n = 1; n <= 1000; ++n) {
    const Duration j = a.JitterOf(n);
    ASSERT_GE(j, Duration::zero());
    ASSERT_LE(j, minutes(10));
    ASSERT_EQ(j, a.JitterOf(n));
    seen.insert(j);
    early += j < minutes(5);
  }
  EXPECT_GT(seen.size(), 900u);
  EXPECT_NEAR(early, 500, 80);
  EXPECT_NE(a.JitterOf(1), b.JitterOf(1));
  EXPECT_EQ(Every(hours(1)).JitterOf(5), Duration::zero());
}

TEST(Schedule, RefusesWhatCheckMonitorRefuses) {
  MonitorSchedule s;
  EXPECT_FALSE(Schedule::Create(s, "m").ok());
  s.every = seconds(1);
  EXPECT_FALSE(Schedule::Create(s, "m").ok());
  s.every = hours(1);
  s.cron = "@daily";
  EXPECT_FALSE(Schedule::Create(s, "m").ok());
  s.every.reset();
  EXPECT_TRUE(Schedule::Create(s, "m").ok());
  s.time_zone = "Mars/Olympus";
  EXPECT_FALSE(Schedule::Create(s, "m").ok());
}

}  // namespace
}  // namespace portolan
