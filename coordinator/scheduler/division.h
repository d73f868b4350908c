#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "coordinator/scheduler/rate_shares.h"

namespace portolan {

struct Scan;

// One limit that is divided over agents: the rate of a scan, or the limits on targets of all scans
// that have targets in common, directly or through others between them (then as fractions of 1: an
// agent is held to the same fraction of each scan's limits, and what it sends to an address for
// several scans counts for each of them). An agent without a lease of these scans uses nothing.
struct Division {
  // `linger`: as of RateShares.
  Division(double limit, Time now, Duration linger = Duration::zero())
      : shares(limit, linger), divided_at(now) {}

  RateShares shares;
  std::vector<Scan*> scans;                 // unfinished, in the order of their start; never empty
  std::map<std::string, uint32_t> holders;  // live leases of these scans, by agent
  bool changed = true;                      // who may claim changed since it was divided
  Time divided_at;
  size_t claimants = 0;
  bool all_claim = false;  // everybody who could probe claimed when it was divided
  bool freed = false;      // something was given up since those who wait for it were woken
  // agents that were found to be unable to use their even part, and what they can use
  std::map<std::string, double> usable;

  bool Holds(const std::string& agent) const { return holders.count(agent) > 0; }
  // Who may claim must be found anew, unless all did anyway.
  void ClaimantsMayHaveChanged() { changed = changed || !all_claim; }
};

}  // namespace portolan
