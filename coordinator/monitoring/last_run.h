#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/net/ip_address.h"

namespace portolan {

// A complete run whose results say what its baselines do not keep: how a port is not open. The
// results are the scan's, and end by its retention. Value type.
struct LookedRun {
  uint64_t number = 0;
  std::string scan;   // its id
  WallTime finished;  // of the run
  // Where the names of its targets led, in the spelling of TargetKey::OfName; only what the scan
  // looked at.
  std::map<std::string, std::vector<IpAddress>, std::less<>> names;
  friend bool operator==(const LookedRun&, const LookedRun&) = default;
};

// The last such run of each vantage. Immutable ones, that vantages and readers on other threads
// share.
using LastRuns = std::map<std::string, std::shared_ptr<const LookedRun>>;

}  // namespace portolan
