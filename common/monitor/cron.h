#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace portolan {

// A cron expression: minute, hour, day of month, month, day of week; or @hourly, @daily, @midnight,
// @weekly, @monthly, @yearly, @annually. A field is a list (1,15) of *, a value, a range (8-18) or
// one with a step (*/10, 8-18/2); months and days of the week also by the first three letters of
// their names; day 0 and day 7 are Sunday. As in Vixie's cron: where both days are restricted
// (neither field begins with *), a date that meets one of them is enough. Immutable value.
class CronExpression {
 public:
  // InvalidArgument names the field, the value and the remedy; also for an expression that no date
  // ever meets (30 February).
  static absl::StatusOr<CronExpression> Parse(std::string_view text);

  bool Matches(absl::CivilMinute t) const;
  // The first matching minute after `t`. Nullopt: none within 12 years (29 February of a century).
  std::optional<absl::CivilMinute> NextAfter(absl::CivilMinute t) const;
  // The minute or the hour field begins with *: the expression means "every so often" rather than
  // "at this time of day". Vixie's cron treats the two differently when clocks change.
  bool recurs() const { return recurs_; }

 private:
  bool MatchesDay(absl::CivilDay day) const;
  uint64_t minutes_ = 0;
  uint32_t hours_ = 0, days_ = 0, months_ = 0, weekdays_ = 0;  // bit n: value n
  bool any_day_ = false, any_weekday_ = false;                 // the field begins with *
  bool recurs_ = false;
};

// A time zone of the IANA database (/usr/share/zoneinfo; Debian's tzdata). UTC needs no file.
// InvalidArgument: not such a name, or not there.
absl::StatusOr<absl::TimeZone> FindTimeZone(std::string_view name);

}  // namespace portolan
