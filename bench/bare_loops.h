#pragma once

#include <cstdint>
#include <functional>

#include "common/base/time.h"

namespace portolan::bench {

// What a bare loop probes.
struct BareTargets {
  struct Target {
    uint32_t address = 0;  // IPv4
    uint16_t port = 0;
  };
  std::function<Target(uint64_t n)> target;  // the n-th
  uint64_t count = UINT64_MAX;               // of them
};

// Loops that make every system call that a correct engine must, and nothing else: no timeouts, no
// judgement, no outcomes kept. Each probes until `until`, or all of the targets, with `window` in
// flight and returns how many were answered, by refusal or (a few) by acceptance.
//
// socket, connect, epoll_ctl, SO_ERROR, error queue, close.
uint64_t BarePlain(const BareTargets& targets, uint32_t window, Time until);
// connect, SO_ERROR, error queue, connect(AF_UNSPEC).
uint64_t BareReusing(const BareTargets& targets, uint32_t window, Time until);
// CONNECT in batches over io_uring on registered files, poll() for error queues over a batch,
// connect(AF_UNSPEC). 0: the kernel or a sandbox refuses io_uring.
uint64_t BareUring(const BareTargets& targets, uint32_t window, Time until);

}  // namespace portolan::bench
