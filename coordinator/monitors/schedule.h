#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/time.h"
#include "common/monitor/cron.h"
#include "common/monitor/monitor_spec.h"

namespace portolan {

// The slots of a monitor: the times at which it should run, before jitter.
//
// every: slots are `every` apart, counted from 1970-01-01 UTC plus `at`, whatever the clocks on the
// wall show. Without `at` the offset is drawn from the monitor's name.
//
// cron: minutes of the time zone's wall clock. When clocks change, as in Vixie's cron:
// - an expression whose minute or hour field begins with * has a slot at each matching minute that
//   the wall clock shows: twice for an hour that comes twice, never for one that is skipped;
// - any other expression has its slot once. A minute that is skipped has it at the moment of the
//   change (several skipped ones share that slot); one that comes twice has it the first time only.
//
// Immutable value, pure.
class Schedule {
 public:
  // InvalidArgument: as CheckMonitor says.
  static absl::StatusOr<Schedule> Create(const MonitorSchedule& spec, std::string_view monitor);

  // The first slot after `t`. Nullopt: none within 12 years, or before the year 9999.
  std::optional<WallTime> NextAfter(WallTime t) const;

  // What is due in (after, until].
  struct Slots {
    uint64_t count = 0;  // cut at kMaxCounted for cron; then `newest` is the last one counted
    WallTime newest{};   // of count > 0
  };
  static constexpr uint64_t kMaxCounted = 10'000;
  Slots Between(WallTime after, WallTime until) const;

  // How much later than its slot the run of this number starts: 0 to the monitor's jitter.
  Duration JitterOf(uint64_t number) const;

 private:
  struct Interval {
    int64_t every_us = 0, phase_us = 0;
  };
  struct Cron {
    CronExpression expression;
    absl::TimeZone zone;
  };
  static std::optional<int64_t> NextRecurring(const Cron& cron, int64_t us);
  static std::optional<int64_t> NextFixed(const Cron& cron, int64_t us);
  Schedule(const std::variant<Interval, Cron>& rule, Duration jitter, uint64_t seed)
      : rule_(rule), jitter_(jitter), seed_(seed) {}

  std::variant<Interval, Cron> rule_;
  Duration jitter_;
  uint64_t seed_;  // of the monitor's name
};

}  // namespace portolan
