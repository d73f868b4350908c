#include "coordinator/monitors/schedule.h"

#include <algorithm>
#include <limits>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr int64_t kLatestUs = int64_t{253'370'764'800} * 1'000'000;  // the year 9999

uint64_t Mixed(uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t HashOfName(std::string_view name) {
  uint64_t h = 0xCBF29CE484222325u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return Mixed(h);
}

int64_t Micros(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// When a minute of the wall clock has its slot; never earlier for a later minute.
int64_t SlotOf(absl::CivilMinute minute, const absl::TimeZone& zone) {
  const auto info = zone.At(absl::CivilSecond(minute));
  return absl::ToUnixMicros(info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre);
}

}  // namespace

absl::StatusOr<Schedule> Schedule::Create(const MonitorSchedule& spec, std::string_view monitor) {
  const uint64_t seed = HashOfName(monitor);
  if (spec.every.has_value() == !spec.cron.empty())
    return InvalidArgument("schedule: give one of every and cron");
  if (spec.every.has_value()) {
    Interval interval;
    interval.every_us = Micros(*spec.every);
    if (interval.every_us < 60'000'000 || interval.every_us > int64_t{366} * 86'400'000'000)
      return InvalidArgument("schedule: every is not between 1m and 366d");
    interval.phase_us =
        spec.at.has_value()
            ? Micros(*spec.at) % interval.every_us
            // Whole seconds: what people are shown is when it starts.
            : static_cast<int64_t>(seed % static_cast<uint64_t>(interval.every_us / 1'000'000)) *
                  1'000'000;
    return Schedule(interval, spec.jitter, seed);
  }
  PORTOLAN_ASSIGN_OR_RETURN(const CronExpression cron, CronExpression::Parse(spec.cron));
  PORTOLAN_ASSIGN_OR_RETURN(const absl::TimeZone zone, FindTimeZone(spec.time_zone));
  return Schedule(Cron{cron, zone}, spec.jitter, seed);
}

std::optional<WallTime> Schedule::NextAfter(WallTime t) const {
  const int64_t us = std::max<int64_t>(ToUnixMicros(t), -1);
  if (us >= kLatestUs) return std::nullopt;
  if (const Interval* i = std::get_if<Interval>(&rule_)) {
    const int64_t n = FloorDiv(us - i->phase_us, i->every_us) + 1;
    return FromUnixMicros(n * i->every_us + i->phase_us);
  }
  const Cron& cron = std::get<Cron>(rule_);
  const std::optional<int64_t> slot =
      cron.expression.recurs() ? NextRecurring(cron, us) : NextFixed(cron, us);
  if (!slot.has_value()) return std::nullopt;
  return FromUnixMicros(*slot);
}

std::optional<int64_t> Schedule::NextRecurring(const Cron& cron, int64_t us) {
  // One stretch of time with the same offset from UTC per turn. 12 years have two changes a year in
  // most zones, and four in some.
  for (int i = 0; i < 100; ++i) {
    const auto now = cron.zone.At(absl::FromUnixMicros(us));
    const std::optional<absl::CivilMinute> next =
        cron.expression.NextAfter(absl::CivilMinute(now.cs));
    absl::TimeZone::CivilTransition change;
    const bool changes = cron.zone.NextTransition(absl::FromUnixMicros(us), &change);
    const int64_t end = changes ? absl::ToUnixMicros(cron.zone.At(change.to).post)
                                : std::numeric_limits<int64_t>::max();
    if (next.has_value()) {
      const int64_t slot =
          ((absl::CivilSecond(*next) - absl::CivilSecond(1970, 1, 1)) - now.offset) * 1'000'000;
      if (slot < end) return slot;
    }
    if (!changes) return std::nullopt;
    if (change.to.second() == 0 && cron.expression.Matches(absl::CivilMinute(change.to)))
      return end;
    us = end;
  }
  return std::nullopt;
}

std::optional<int64_t> Schedule::NextFixed(const Cron& cron, int64_t us) {
  absl::CivilMinute at(cron.zone.At(absl::FromUnixMicros(us)).cs);
  // In the second pass of an hour that comes twice, minutes whose slot was in the first are passed
  // over: about 1,500 at most, a day and an hour.
  for (int i = 0; i < 3000; ++i) {
    const std::optional<absl::CivilMinute> next = cron.expression.NextAfter(at);
    if (!next.has_value()) return std::nullopt;
    const int64_t slot = SlotOf(*next, cron.zone);
    if (slot > us) return slot;
    at = *next;
  }
  return std::nullopt;
}

Schedule::Slots Schedule::Between(WallTime after, WallTime until) const {
  Slots out;
  if (until <= after) return out;
  if (const Interval* i = std::get_if<Interval>(&rule_)) {
    const int64_t from =
        FloorDiv(std::max<int64_t>(ToUnixMicros(after), -1) - i->phase_us, i->every_us);
    const int64_t to =
        FloorDiv(std::min(ToUnixMicros(until), kLatestUs) - i->phase_us, i->every_us);
    if (to <= from) return out;
    out.count = static_cast<uint64_t>(to - from);
    out.newest = FromUnixMicros(to * i->every_us + i->phase_us);
    return out;
  }
  for (WallTime at = after; out.count < kMaxCounted; at = out.newest) {
    const std::optional<WallTime> next = NextAfter(at);
    if (!next.has_value() || *next > until) break;
    out.newest = *next;
    ++out.count;
  }
  return out;
}

Duration Schedule::JitterOf(uint64_t number) const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(jitter_).count();
  if (ms <= 0) return Duration::zero();
  const uint64_t drawn = Mixed(seed_ ^ Mixed(number)) % (static_cast<uint64_t>(ms) + 1);
  return std::chrono::milliseconds(drawn);
}

}  // namespace portolan
