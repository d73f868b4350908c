#pragma once

#include <chrono>
#include <cstdint>

namespace portolan {

using Duration = std::chrono::nanoseconds;

// The clock that leases, timeouts and rates are counted on: CLOCK_BOOTTIME, which never goes back
// and does not stop while a machine sleeps, so that an agent that was suspended past its lease
// knows it. Pure code takes a Time as an argument and never reads a clock.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using Time = BootClock::time_point;

// What people and databases are shown: microseconds since the Unix epoch, UTC. May jump.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

inline constexpr Time kNever = Time::max();

inline double ToSeconds(Duration d) { return std::chrono::duration<double>(d).count(); }
// Saturates instead of overflowing; negative and NaN become zero.
inline Duration FromSeconds(double s) {
  if (!(s > 0)) return Duration::zero();
  if (s > 9e9) return Duration::max();
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}
inline int64_t ToUnixMicros(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime FromUnixMicros(int64_t us) { return WallTime(std::chrono::microseconds(us)); }

}  // namespace portolan
