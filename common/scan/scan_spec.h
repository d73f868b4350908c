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

// How a probe is made. Travels to agents with the scan. The defaults here wait for a fixed time and
// spare nobody; common/scan/timing_template.h has what people are given.
struct ProbeTiming {
  // Waiting for an answer to one SYN, 50 ms to 60 s: at most, and always on the last try.
  Duration timeout = std::chrono::milliseconds(1500);
  uint32_t retries = 1;  // further tries after silence, 0 to 10
  // between a timeout and the next try, 0 to 60 s
  Duration retry_delay = std::chrono::milliseconds(1000);
  // Waiting at least, where the round trips of the address or its neighbours are known to be short.
  // As long as `timeout`, or longer: always `timeout`.
  Duration min_timeout = std::chrono::milliseconds(1500);
  // What an agent sends to one address, and to one /24 or /64, while they do not answer: attempts a
  // second and in flight; 0: no limit. Answers raise them, up to `growth` times. Loopback is not
  // limited.
  double address_rate = 0;
  uint32_t address_in_flight = 0;
  double prefix_rate = 0;
  uint32_t growth = 1;  // 1 to 1000
  friend bool operator==(const ProbeTiming&, const ProbeTiming&) = default;
};

// A validated scan, as planned: targets resolved, exclusions subtracted. Immutable once submitted,
// but for the overlay.
struct ScanSpec {
  std::string name;  // may be empty; at most 200 bytes of UTF-8
  // as the user wrote them (cut to the first 100, for people to read)
  std::vector<std::string> target_texts;
  std::string ports_text;
  std::shared_ptr<const ScanSpace> space;
  std::vector<ResolvedName> names;
  // Names of targets that were left out because they could not be looked up: how many, and the
  // first 100. They have no positions.
  uint64_t names_skipped = 0;
  std::vector<SkippedName> skipped_names;
  ScanMode mode = ScanMode::kSplit;
  // split: which may help, empty = all. each-vantage: one lane each, never empty.
  std::vector<std::string> vantages;
  Priority priority = Priority::kNormal;
  double max_rate = 0;  // probes/s over all agents and lanes; 0 = no limit of the scan's own
  ProbeTiming timing;
  // High ports that may be probed on every address of the space, to confirm that a host answers
  // everywhere (host_finding.h). Empty: none may.
  PortSet confirm_ports;
  // Agents that get work of it only while their vantage has no other agent that takes work: who saw
  // something is not asked again whether it is so.
  std::vector<std::string> avoid_agents;
  std::string monitor;        // that made it; empty: a person or a program did
  uint32_t max_attempts = 5;  // grants of a position that ended without a verdict, 1 to 100
  Duration lane_timeout = std::chrono::minutes(10);  // a lane without any agent for this long ends
  Duration retention = std::chrono::hours(24 * 30);  // after its end
};

}  // namespace portolan
