#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/store/store.h"

namespace portolan {

// What a ScanId is made of.
inline constexpr std::string_view kScanIdAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
inline constexpr size_t kScanIdLength = 10;

struct LaneStatus {
  LaneId id;
  std::string vantage;
  Ledger ledger;
  uint64_t planned = 0, leased = 0, owed = 0, pending = 0;
  bool finished = false;
  std::vector<Gap> missing;      // at most the first 1,000
  WallTime without_agent_since;  // epoch 0: has one
};

// A scan as operators see it, whether the scheduler has it or only the store.
struct ScanStatus {
  ScanId id;
  // of listed scans that have finished: without space and names
  std::shared_ptr<const ScanSpec> spec;
  ScanState state = ScanState::kRunning;
  std::string message;
  WallTime created, started, finished;
  uint64_t addresses = 0;
  uint32_t target_names = 0;
  uint64_t planned = 0;  // over all lanes
  Ledger ledger;
  std::vector<LaneStatus> lanes;
  DenyOverlay overlay;
  double rate = 0;
  uint32_t agents = 0;
  double eta_s = 0;
};

// Positions that were probed: what a scan's rate counts.
inline uint64_t Probed(const Ledger& l) { return l.open + l.closed + l.filtered + l.unreachable; }

// Of a scan that the scheduler has. `rate` is the mean of the last seconds; `store_trouble` is
// shown first when it is not empty.
ScanStatus StatusOfView(const Scheduler::ScanView& view, double rate,
                        const std::string& store_trouble, Time now, WallTime wall);
// Of a scan that has finished.
ScanStatus StatusOfSummary(const ScanSummary& summary);

}  // namespace portolan
