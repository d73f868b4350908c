#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/scan/scan_spec.h"
#include "tests/simnet/world.h"

namespace portolan {

// A scan of a simulated network (tests/simnet) in virtual time: one runner, an engine that
// exchanges packets with the network by function calls, and as much of a coordinator as grants
// leases and grants again what is owed. A function of its options alone, so what it measures does
// not depend on the machine or on what else runs there.
struct VirtualScanOptions {
  simnet::WorldOptions world;
  std::string targets = "198.19.0.1";
  std::string ports = "1-1000";
  ProbeTiming timing;
  // What starting one attempt costs the agent's thread. Real engines: 8 to 14 us.
  Duration cost = std::chrono::microseconds(12);
  uint32_t window = 16'384;
  Duration limit = std::chrono::hours(1);  // a scan that takes longer is abandoned
};

struct VirtualScanResult {
  double seconds = 0;  // from the first grant to the last chunk
  bool finished = false;
  uint64_t planned = 0;
  uint64_t open = 0, found = 0;  // open ports in truth, and of these reported open
  uint64_t false_open = 0;
  uint64_t false_filtered = 0;  // reported filtered, but the port would have answered
  uint64_t unresolved = 0;      // no verdict after the last grant
  uint64_t owed = 0;            // positions that were granted again
  uint64_t syns = 0, prefix_limited = 0;
  uint64_t max_syn_second_address = 0, max_syn_second_prefix = 0;
  uint64_t max_half_open_address = 0;
  std::vector<uint64_t> syns_by_second;

  double recall() const {
    return open == 0 ? 1 : static_cast<double>(found) / static_cast<double>(open);
  }
};

VirtualScanResult RunVirtualScan(const VirtualScanOptions& options);

// The options of a preset of simnet with changes ("rtt=20 open=0.01"). Empty `ports`: the preset's.
VirtualScanOptions VirtualWorld(const std::string& preset, const std::string& changes,
                                uint64_t seed, uint32_t timing_template,
                                const std::string& ports = "");

}  // namespace portolan
