#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/exposure/baseline.h"
#include "coordinator/monitoring/run_input.h"
#include "coordinator/monitoring/scan_client.h"

namespace portolan {

// Whether a vantage has looked at everything that it will ever look at: what is excluded or outside
// its agents' scope does not count as missing, a few lost positions neither.
bool IsComplete(const LaneStatus& lane);

// What each vantage has seen in a scan that has finished, in the words of exposure. O(open ports);
// blocks. `space` must outlive the lookups in the result, which read the scan from disk when they
// are asked.
absl::StatusOr<std::vector<VantageRun>> ReadRun(ScanClient& scans, const ScanStatus& scan,
                                                std::shared_ptr<const RunSpace> space,
                                                const std::set<std::string>& unresolved);

// The same of a run that had nothing to scan, because no name resolved.
std::vector<VantageRun> RunWithoutScan(const RunInput& input,
                                       std::shared_ptr<const RunSpace> space);

}  // namespace portolan
