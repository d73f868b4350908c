#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/exposure/baseline.h"
#include "coordinator/exposure/subject.h"

namespace portolan {

// A port of which it is known what it is. Canaries say whether a vantage can still see: it is
// judged by them before, during and after each run.
struct Canary {
  Subject subject;
  IpAddress address;   // where; of a name, evidence
  bool open = true;    // what it is known to be
  bool given = false;  // by the monitor; else chosen
  friend bool operator==(const Canary&, const Canary&) = default;
};

struct CanaryOptions {
  size_t quorum = 3;  // fewer with an answer say nothing; at least 3
  size_t open = 6;    // how many are chosen, each at another address
  size_t closed = 3;
  uint32_t stable_runs = 3;  // complete runs in a row that an open one must have been seen in
  size_t tries = 32;         // ports asked of each address for one that is known to be closed
};

// The canaries of one vantage for the next run. Those given are taken as they are; if they are
// fewer than the quorum, others are chosen besides. Chosen earlier (`previous`) and still what they
// were: kept. The rest is chosen from the baseline: open for `stable_runs`, one an address, spread
// evenly over the prefixes (/24, /64) and then over their addresses, the port that was there
// longest. The closed ones are ports of the same hosts that answered with a RST (`lookup`, of the
// last run; null: none are chosen): silence would prove nothing. Deterministic. O(open ports).
std::vector<Canary> ChooseCanaries(const std::vector<Canary>& given,
                                   const std::vector<Canary>& previous,
                                   const VantageBaseline& baseline, const OutcomeLookup& lookup,
                                   const CanaryOptions& options);

// The numbers are stored: never change one.
enum class CanaryState : uint8_t {
  kUnknown = 1,  // fewer than the quorum are possible or answered: nothing can be said
  kHealthy = 2,
  kQuarantined = 3,  // what is seen from here is not believed
};
std::string_view CanaryStateName(CanaryState s);  // "quarantined"

struct CanaryResult {
  Canary canary;
  std::optional<Symbol> seen;  // nullopt, or not observed: no verdict, a failure of our own
};

struct CanaryVerdict {
  CanaryState state = CanaryState::kUnknown;
  // "3 of 4 open canaries do not answer: 10.0.0.1:22 (filtered/no-response), ..."
  std::string reason;
  friend bool operator==(const CanaryVerdict&, const CanaryVerdict&) = default;
};

// Quarantined: at least two canaries of one kind (open, closed), and at least half of that kind,
// are not what they are known to be. One alone may have changed by itself.
CanaryVerdict JudgeCanaries(std::span<const CanaryResult> results, const CanaryOptions& options);

// What a vantage is believed to be.
struct VantageHealth {
  CanaryVerdict verdict{CanaryState::kUnknown, "no canary was probed yet"};
  WallTime since;
  bool tainted = false;  // quarantined at some time of the run that goes on
  friend bool operator==(const VantageHealth&, const VantageHealth&) = default;
};

// When a verdict is given, as seen from a run.
enum class CanaryPhase : uint8_t { kBefore = 1, kDuring = 2, kAfter = 3 };

// Takes a verdict. Out of quarantine leads a healthy verdict alone: not an unknown one. A run is
// tainted when any of its phases ends in quarantine.
void TakeVerdict(const CanaryVerdict& verdict, CanaryPhase phase, WallTime now,
                 VantageHealth& health);

}  // namespace portolan
