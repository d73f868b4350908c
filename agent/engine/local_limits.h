#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"

namespace portolan {

// What of this machine limits an agent, for people: what, how much, and the remedy. Some is known
// at the start; the rest shows only while it scans, so it is looked at again then. One thread.
class LocalLimits {
 public:
  struct Options {
    std::string window_limited_by;  // of the engines: the file limit
    uint32_t window = 0;            // over all engines
    uint32_t sources = 1;           // source addresses, of IPv4
    double max_rate = 0;            // probes/s; 0: no limit
    std::string proc = "/proc";
  };
  // Before anything is known of this machine: nothing limits.
  LocalLimits() = default;
  explicit LocalLimits(Options options);

  // What the agent's probe threads say, together.
  struct Signs {
    uint64_t in_flight = 0;     // probes now
    uint64_t out_of_ports = 0;  // attempts so far that failed with EADDRNOTAVAIL
    uint64_t table_waits = 0;   // so far, for room in the table of tracked connections
  };

  // Reads files, but at most every 5 s, and only while it scans. What was seen then is told for a
  // minute, so that one who asks after a scan still learns it. Empty: nothing limits.
  std::string Describe(Time now, const Signs& signs);

 private:
  void Look(Time now, const Signs& signs);

  Options options_;
  std::string constant_;
  std::string seen_;  // at the last look that saw something
  Time seen_until_{};
  Time next_look_{};
  uint64_t out_of_ports_ = 0, table_waits_ = 0;  // as told last
};

}  // namespace portolan
