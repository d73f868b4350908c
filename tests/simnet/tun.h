#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/simnet/network.h"

namespace portolan::simnet {

// OK when nothing that is sent here can leave the machine: not the machine's first network
// namespace, no default route, and no address but loopback, link-local and the simulation's own.
// FailedPrecondition says what is in the way.
absl::Status CheckIsolated();

// A TUN device, which goes with the object. The simulation's networks are routed to it.
class TunDevice {
 public:
  // `addresses`: the scanner's, given to the device. Runs ip(8).
  static absl::StatusOr<TunDevice> Open(const std::string& name,
                                        const std::vector<std::string>& addresses);
  TunDevice(TunDevice&& other) noexcept;
  TunDevice& operator=(TunDevice&&) = delete;
  ~TunDevice();

  int fd() const { return fd_; }  // non-blocking
  // Packets that it dropped because nobody read them.
  uint64_t Drops() const;

 private:
  TunDevice(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  int fd_;
  std::string name_;
};

}  // namespace portolan::simnet
