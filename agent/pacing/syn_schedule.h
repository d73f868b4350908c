#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace portolan {

// How many SYNs the kernel has sent again, by itself and from the same port, for an attempt that
// has been silent this long: after 1 s, 2, 3, 4, 5 s, then after twice the time each. Linux
// before 6.5 waits longer (1, 3, 7 s), so there this counts a few that were not sent; never too
// few. An attempt whose timeout is at most 1 s is never retransmitted.
uint32_t KernelRetransmits(Duration silent);

}  // namespace portolan
