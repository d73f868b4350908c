#include "coordinator/monitors/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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
      // What begins with * recurs, and so does in both passes of that hour.
      {"30 * * * *",
       "Europe/Berlin",
       "2026-10-24T23:45:00Z",
       {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
      {"*/15 * * * *",
       "Europe/Berlin",
       "2026-10-25T00:35:00Z",
       {"2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:15:00Z",
        "2026-10-25T01:30:00Z", "2026-10-25T01:45:00Z", "2026-10-25T02:00:00Z"}},
      {"*/15 2 * * *",
       "Europe/Berlin",
       "2026-10-25T00:35:00Z",
       {"2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:15:00Z",
        "2026-10-25T01:30:00Z", "2026-10-25T01:45:00Z", "2026-10-26T01:00:00Z"}},
      {"0 */2 * * *",
       "Europe/Berlin",
       "2026-10-24T23:45:00Z",
       {"2026-10-25", "2026-10-25T01:00:00Z", "2026-10-25T03:00:00Z"}},
      // Asked for at a time of day: the first pass only.
      {"0,15,30,45 0-23 * * *",
       "Europe/Berlin",
       "2026-10-25T00:35:00Z",
       {"2026-10-25T00:45:00Z", "2026-10-25T02:00:00Z"}},
      // What recurs does not make up for the times that are skipped.
      {"*/30 * * * *",
       "Europe/Berlin",
       "2026-03-29T00:20:00Z",
       {"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
      {"20 */2 * * *",
       "Europe/Berlin",
       "2026-03-28T23:30:00Z",
       {"2026-03-29T02:20:00Z", "2026-03-29T04:20:00Z"}},
      {"20 * * * *",
       "Pacific/Apia",
       "2011-12-30T09:10:00Z",
       {"2011-12-30T09:20:00Z", "2011-12-30T10:20:00Z"}},
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

// What Vixie's cron would start, by walking every minute of UTC with the zone's wall clock beside
// it.
std::set<WallTime> Walk(const CronExpression& cron, const absl::TimeZone& zone, WallTime from,
                        WallTime to) {
  const auto wall = [&](WallTime t) {
    return absl::CivilMinute(zone.At(absl::FromUnixMicros(ToUnixMicros(t))).cs);
  };
  std::set<WallTime> due;
  // Long enough before, so that what an earlier pass has shown is known.
  const WallTime begin = from - hours(48);
  absl::CivilMinute latest = wall(begin);
  for (WallTime t = begin + minutes(1); t <= to; t += minutes(1)) {
    const absl::CivilMinute now = wall(t);
    bool matches = cron.recurs() && cron.Matches(now);
    // At a time of day: what the clock jumped over counts now, what it showed before does not.
    for (absl::CivilMinute m = latest + 1; !cron.recurs() && m <= now; ++m)
      matches |= cron.Matches(m);
    latest = std::max(latest, now);
    if (matches && t > from) due.insert(t);
  }
  return due;
}

void ExpectAsWalked(const char* text, const char* zone, WallTime from, WallTime to,
                    std::mt19937_64& rng) {
  const std::set<WallTime> walked =
      Walk(*CronExpression::Parse(text), *FindTimeZone(zone), from, to);
  const Schedule s = Cron(text, zone);
  std::set<WallTime> ours;
  for (auto t = s.NextAfter(from); t.has_value() && *t <= to; t = s.NextAfter(*t)) ours.insert(*t);
  ASSERT_EQ(ours, walked) << text << " " << zone << " " << DateText(from);
  EXPECT_EQ(s.Between(from, to).count, walked.size());
  if (!walked.empty()) {
    EXPECT_EQ(s.Between(from, to).newest, *walked.rbegin());
  }
  // From any moment, the next slot is the first of the walk after it.
  for (int i = 0; i < 50; ++i) {
    const WallTime t = from + seconds(rng() % static_cast<uint64_t>((to - from) / seconds(1)));
    const auto at = walked.upper_bound(t);
    if (at == walked.end()) continue;
    ASSERT_EQ(*s.NextAfter(t), *at) << text << " " << zone << " " << DateText(t);
  }
}

// At the changes of many zones' clocks over half a century: by an hour, by half an hour (Lord
// Howe), by two (Troll), at midnight (Beirut), four times a year (Casablanca), by a whole day
// (Apia), three hours back (Casey).
TEST(Schedule, CronAgreesWithAMinuteByMinuteWalkWheneverClocksChange) {
  std::mt19937_64 rng(20261130);
  int changes = 0;
  for (const char* name :
       {"Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Sao_Paulo",
        "America/St_Johns", "Australia/Lord_Howe", "Antarctica/Troll", "Antarctica/Casey",
        "Asia/Beirut", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia"}) {
    const absl::TimeZone zone = *FindTimeZone(name);
    std::vector<WallTime> moments;
    absl::TimeZone::CivilTransition change;
    for (absl::Time t = absl::FromUnixSeconds(3 * 365 * 86'400);  // before, offsets had seconds
         zone.NextTransition(t, &change) && change.to.year() < 2038;) {
      t = zone.At(change.to).post;
      moments.push_back(FromUnixMicros(absl::ToUnixMicros(t)));
    }
    ASSERT_FALSE(moments.empty()) << name;
    std::shuffle(moments.begin(), moments.end(), rng);
    if (moments.size() > 8) moments.resize(8);
    if (name == std::string("Pacific/Apia")) moments.push_back(At("2011-12-30T10:00:00Z"));
    for (const WallTime moment : moments) {
      ++changes;
      for (const char* text : {"*/7 * * * *", "* */3 * * *", "0 */2 * * *", "30 2 * * *",
                               "15,45 0-3 * * *", "0 0 * * *", "59 1 * * sun", "@hourly"}) {
        ExpectAsWalked(text, name, moment - hours(6), moment + hours(30), rng);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(changes, 60);
  ExpectAsWalked("*/7 * * * *", "UTC", At("2026-01-01"), At("2026-01-03"), rng);
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
