#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/net/target_parser.h"
#include "common/scan/scan_space.h"

namespace portolan {

// split: one lane, any agent of the named vantages (all, when none is named); each position is
// probed once; for speed. each-vantage: a lane for each vantage; each position is probed once from
// every vantage; for comparison.
enum class ScanMode : uint8_t { kSplit = 1, kEachVantage = 2 };

enum class Priority : uint8_t {
  kLow = 1,
  kNormal = 2,
  kHigh = 3
};  // shares of 1 : 4 : 16 while scans compete

// How a probe is made. Travels to agents with the scan.
struct ProbeTiming {
  Duration timeout =
      std::chrono::milliseconds(1500);  // waiting for an answer to one SYN; 50 ms to 60 s
  uint32_t retries = 1;                 // further tries after silence, 0 to 10
  Duration retry_delay =
      std::chrono::milliseconds(1000);  // between a timeout and the next try, 0 to 60 s
  friend bool operator==(const ProbeTiming&, const ProbeTiming&) = default;
};

// A validated scan, as planned: targets resolved, exclusions subtracted. Immutable once submitted,
// but for the overlay.
struct ScanSpec {
  std::string name;  // may be empty; at most 200 bytes of UTF-8
  std::vector<std::string>
      target_texts;  // as the user wrote them (cut to the first 100, for people to read)
  std::string ports_text;
  std::shared_ptr<const ScanSpace> space;
  std::vector<ResolvedName> names;
  ScanMode mode = ScanMode::kSplit;
  std::vector<std::string>
      vantages;  // split: which may help, empty = all. each-vantage: one lane each, never empty.
  Priority priority = Priority::kNormal;
  double max_rate = 0;  // probes/s over all agents and lanes; 0 = no limit of the scan's own
  ProbeTiming timing;
  uint32_t max_attempts = 5;  // grants of a position that ended without a verdict, 1 to 100
  Duration lane_timeout = std::chrono::minutes(10);  // a lane without any agent for this long ends
  Duration retention = std::chrono::hours(24 * 30);  // after its end
};

}  // namespace portolan
