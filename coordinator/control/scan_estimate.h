#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "common/scan/scan_spec.h"

// How long a scan takes at the least, before it is begun. Pure.
namespace portolan {

// Probes a second that an agent without a limit of its own is taken to send.
inline constexpr double kAssumedAgentRate = 100'000;

// Probes a second that the agents of each vantage send together: their limits, or
// kAssumedAgentRate. A vantage that is not in it is taken to get one agent without a limit.
using FleetPace = std::map<std::string, double>;

struct ScanEstimate {
  double seconds = 0;
  double probes = 0;  // positions of all lanes, each probed once
  double rate = 0;    // probes a second, of what takes the longest
  std::string limit;  // what that rate is, for people: "to one /64 (prefix_rate)"
};

// A lower bound, where targets stay silent: each position is probed once, without retries, by as
// much as max_rate, the limits on targets and the fleet allow.
ScanEstimate EstimateScan(const ScanSpec& spec, const FleetPace& fleet);

// OK, or FailedPrecondition when the estimate is above a year and `allow_long` is false: with the
// estimate, why, and the remedy.
absl::Status CheckLength(const ScanSpec& spec, const FleetPace& fleet, bool allow_long);

// "3 years", "1.2 million years".
std::string YearsText(double seconds);

}  // namespace portolan
