#pragma once

#include "common/base/time.h"

namespace portolan {

// Where time comes from. The only place of the program that reads a clock; tests and simulations
// give a fake (tests/fakes/fake_clock.h). Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;       // CLOCK_BOOTTIME
  virtual WallTime Wall() const = 0;  // CLOCK_REALTIME
};

// The machine's own clocks. Never destroyed.
const Clock& SystemClock();

}  // namespace portolan
