#pragma once

#include <cstdint>
#include <functional>

#include "common/base/time.h"

namespace portolan::bench {

// What a bare loop probes: the n-th address of it, and one closed port there.
struct BareTargets {
  std::function<uint32_t(uint64_t n)> address;  // IPv4
  uint16_t port = 0;
};

// Loops that make every system call that a correct engine must, and nothing else: no timeouts, no
// judgement, no outcomes kept. Each probes until `until` with `window` in flight and returns how
// many were answered; all must be refused.
//
// socket, connect, epoll_ctl, SO_ERROR, error queue, close.
uint64_t BarePlain(const BareTargets& targets, uint32_t window, Time until);
// connect, SO_ERROR, error queue, connect(AF_UNSPEC).
uint64_t BareReusing(const BareTargets& targets, uint32_t window, Time until);
// CONNECT in batches over io_uring on registered files, poll() for error queues over a batch,
// connect(AF_UNSPEC). 0: the kernel or a sandbox refuses io_uring.
uint64_t BareUring(const BareTargets& targets, uint32_t window, Time until);

}  // namespace portolan::bench
