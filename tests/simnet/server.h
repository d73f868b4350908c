#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tests/simnet/network.h"
#include "tests/simnet/tun.h"

namespace portolan::simnet {

// Where the counters go; "-" is standard output, "" nowhere. Files are renamed into place when
// complete.
struct ReportFiles {
  std::string counters, hosts;
};

// Joins the network to the device, on the caller's thread.
class Server {
 public:
  // `world` must outlive it.
  Server(const World& world, const NetworkOptions& options, TunDevice device, ReportFiles files);

  // Until `until`, or until `signals` (a signalfd) reads another signal than SIGUSR1, which asks
  // for a report. Reports at the end.
  absl::Status Run(Time until, int signals);

 private:
  // True: there may be more.
  bool ReadSome();
  // Whether so many packets come that waking up for each would cost more than it is worth.
  bool Busy(Time now);
  absl::Status Report();

  TunDevice device_;
  const ReportFiles files_;
  const std::unique_ptr<PacketSink> sink_;
  Network network_;
  Time window_start_{};
  uint64_t window_packets_ = 0;
  bool busy_ = false;
  uint8_t buffer_[kMaxPacket];
};

}  // namespace portolan::simnet
