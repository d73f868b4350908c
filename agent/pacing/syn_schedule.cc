#include "agent/pacing/syn_schedule.h"

#include <array>

namespace portolan {

uint32_t KernelRetransmits(Duration silent) {
  constexpr std::array<int, 9> kSentAfterSeconds = {1, 2, 3, 4, 5, 7, 11, 19, 35};
  uint32_t count = 0;
  for (int seconds : kSentAfterSeconds) {
    if (silent > std::chrono::seconds(seconds)) ++count;
  }
  return count;
}

}  // namespace portolan
