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
    // Positions so far that were left to other agents for lack of an address or route: IPv4, IPv6.
    uint64_t without_route[2] = {0, 0};
    uint64_t source_gone = 0;  // attempts so far from a --source that is not of this machine
  };

  // Reads files, but at most every 5 s, and only while it scans. What was seen then is reported for
  // a minute, so that one who asks after a scan still learns it. What needs no file (a family
  // without a route, a source that is gone) is reported from the first sign on, in a text that does
  // not change while it goes on. Empty: nothing limits.
  std::string Describe(Time now, const Signs& signs);

 private:
  void Look(Time now, const Signs& signs);

  Options options_;
  std::string constant_;
  std::string seen_;  // at the last look that saw something
  Time seen_until_{};
  Time next_look_{};
  uint64_t out_of_ports_ = 0, table_waits_ = 0;  // as told last
  // Signs that need no file: how many, and until when each is reported.
  struct Sign {
    uint64_t count = 0;
    Time until{};
    bool Shown(uint64_t now_count, Time now);
  };
  Sign without_route_[2], source_gone_;
};

}  // namespace portolan
