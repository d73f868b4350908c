#include "agent/pacing/syn_schedule.h"

#include <array>

#include "common/base/check.h"

namespace portolan {

Duration KernelResendsAfter(uint32_t n) {
  constexpr std::array<int, kKernelResends> kSeconds = {1, 2, 3, 4, 5, 7, 11, 19, 35};
  PORTOLAN_CHECK(n < kKernelResends);
  return std::chrono::seconds(kSeconds[n]);
}

uint32_t KernelRetransmits(Duration silent) {
  uint32_t count = 0;
  while (count < kKernelResends && silent > KernelResendsAfter(count)) ++count;
  return count;
}

}  // namespace portolan
