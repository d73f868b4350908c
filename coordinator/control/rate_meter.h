#pragma once

#include <cstdint>
#include <deque>

#include "common/base/time.h"

namespace portolan {

// The speed of a counter over the last some seconds, from samples taken about once a second. Not
// thread-safe; no clock.
class RateMeter {
 public:
  explicit RateMeter(Duration window = std::chrono::seconds(10)) : window_(window) {}

  // `now` must not go backwards. A count below the last one starts anew.
  void Sample(Time now, uint64_t count);
  // A second; 0 until there are two samples.
  double rate() const;

 private:
  struct Point {
    Time time;
    uint64_t count;
  };
  Duration window_;
  std::deque<Point> points_;  // at most one more than fits the window
};

}  // namespace portolan
