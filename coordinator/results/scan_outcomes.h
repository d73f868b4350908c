#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_address.h"
#include "common/scan/observation.h"
#include "coordinator/results/lane_group.h"
#include "coordinator/results/position_pages.h"
#include "coordinator/store/store.h"

namespace portolan {

// What one scan knows of single positions, from each of its lanes: for questions about a few ports
// among many, where reading everything page by page would be too much. Not thread-safe; blocks on
// the store. Borrows the store.
class ScanOutcomes {
 public:
  struct Outcome {
    Symbol symbol;                 // not observed: why there is no verdict
    uint32_t rtt_us = 0;           // open ports only
    WallTime when;                 // open: when it was seen; others: when its chunk began
    bool time_of_receipt = false;  // the agent's clock could not be believed; see Observation
    std::string agent;             // empty: not known
  };

  // NotFound: no such scan.
  static absl::StatusOr<std::unique_ptr<ScanOutcomes>> Open(Store& store, const std::string& scan,
                                                            size_t max_cached_bytes = 64u << 20);

  const ScanSpec& spec() const { return *scan_.spec; }
  const std::vector<ResultScan::Lane>& lanes() const { return scan_.lanes; }
  // nullopt: not in the scan's space, no lane of this vantage, or nothing is known yet.
  absl::StatusOr<std::optional<Outcome>> At(const std::string& vantage, const IpAddress& address,
                                            uint16_t port);

 private:
  ScanOutcomes(Store& store, ResultScan scan, size_t max_cached_bytes)
      : store_(store), groups_(store, max_cached_bytes), scan_(std::move(scan)) {}
  const GroupView& ViewOf(const ScanSpace::Group& group);

  Store& store_;
  LaneGroupCache groups_;
  const ResultScan scan_;
  std::map<uint64_t, std::unique_ptr<const GroupView>> views_;  // by where the group begins
};

}  // namespace portolan
