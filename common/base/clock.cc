#include "common/base/clock.h"

#include <time.h>

namespace portolan {
namespace {

class RealClock final : public Clock {
 public:
  Time Now() const override {
    timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return Time(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
  }
  WallTime Wall() const override {
    timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return FromUnixMicros(int64_t{ts.tv_sec} * 1'000'000 + ts.tv_nsec / 1000);
  }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

}  // namespace portolan
