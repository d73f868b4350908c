#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace portolan {

// How often the kernel sends a SYN again at most, within the longest timeout of an attempt (60 s).
inline constexpr uint32_t kKernelResends = 9;

// How long an attempt has been silent when the kernel, by itself and from the same port, sends its
// SYN again for the (n + 1)th time, n below kKernelResends: 1 s, 2, 3, 4, 5 s, then twice the time
// each. Linux before 6.5 waits longer (1, 3, 7 s), so there this counts a few that were not sent;
// never too few. An attempt whose timeout is at most 1 s is never retransmitted.
Duration KernelResendsAfter(uint32_t n);

// How many SYNs it has sent again for an attempt that has been silent this long.
uint32_t KernelRetransmits(Duration silent);

}  // namespace portolan
