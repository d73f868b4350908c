#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/interval_set.h"
#include "common/base/strong_id.h"
#include "common/base/time.h"
#include "common/scan/observation.h"
#include "common/scan/scan_spec.h"
#include "common/scope/scope.h"

// The words of the scheduler: what goes in, what comes out, what must be stored.
namespace portolan {

using ScanId = std::string;  // 10 characters of [a-z2-7], random

enum class ScanState : uint8_t {
  kRunning = 1,
  kPaused = 2,
  kCancelling = 3,
  kComplete = 4,
  kPartial = 5,
  kCancelled = 6
};
inline bool IsFinished(ScanState s) { return s >= ScanState::kComplete; }
std::string_view StateText(ScanState s);  // "being cancelled"

// Positions that will never be known, and why.
struct Gap {
  IndexRange range;
  Reason cause = Reason::kNone;
};

// ---- what the store gives back at start ----

struct LeaseRecord {
  Token token;
  LaneId lane;
  std::string agent;
  std::vector<IndexRange> ranges;  // for which this token is the newest
  uint32_t attempt = 1;
  bool live = true;  // false: expired, but still the newest token of these positions
};

struct LaneRecord {
  LaneId id;
  std::string vantage;  // empty: any of the spec's
  IntervalSet done;     // counted in the ledger: reported outcomes and gaps
  std::vector<Gap> gaps;
  Ledger ledger;
  // positions that were granted before without a verdict, and how often
  std::vector<std::pair<IndexRange, uint32_t>> attempts;
  bool finished = false;
};

struct ScanRecord {
  ScanId id;
  std::shared_ptr<const ScanSpec> spec;
  ScanState state = ScanState::kRunning;
  DenyOverlay overlay;
  WallTime created, started, finished;  // epoch 0: not yet
  std::vector<LaneRecord> lanes;
  std::vector<LeaseRecord> leases;
};

// ---- what an agent says ----

struct HeldLease {
  Token token;
  IntervalSet ranges;
  uint64_t unprobed = 0;
};

struct AgentReport {
  std::string name;
  std::string vantage;
  std::string incarnation;
  uint64_t revision_seen = 0;  // 0: none of this epoch
  std::vector<HeldLease> leases;
  std::map<ScanId, double> shares;  // in force; negative: no limit
  // Of the limits on targets, in force; 0 to 1. A scan that is in `shares` and not here: the agent
  // knows nothing of fractions and uses all.
  std::map<ScanId, double> fractions;
  std::map<ScanId, uint64_t> known_scans;  // overlay version in force
  bool draining = false;
  bool leaving = false;      // the process ends as soon as it holds no lease
  double measured_rate = 0;  // positions/s; 0: not known
  double sent_rate = 0;      // SYNs/s, which is what shares limit; 0: not known
  double max_rate = 0;
  uint64_t room = 0;
};

// ---- what it is answered ----

struct GrantedLease {
  Token token;
  LaneId lane;
  ScanId scan;
  IntervalSet ranges;
  uint32_t attempt = 1;
};

struct ScanContextRef {
  ScanId scan;
  bool with_space = false;  // the agent does not have the scan at all
};

struct SyncDecision {
  uint64_t revision = 0;
  std::vector<GrantedLease> leases;
  std::map<ScanId, double> shares;     // negative: no limit
  std::map<ScanId, double> fractions;  // of the limits on targets; none: all
  std::vector<ScanContextRef> contexts;
  bool drain = false;
  // Not zero: another process works under this name. The caller is not registered, holds nothing,
  // and calls again after this long; no other field but `news` is set.
  Duration wait{};
  bool left = false;  // the agent has said good-bye and is no longer part of the fleet
  // differs from what the agent said it has seen: answer at once. false: may be parked
  bool news = false;
};

// ---- results ----

// A chunk as far as the scheduler cares.
struct ChunkClaim {
  Token token;
  std::string agent;
  IndexRange range;
  IntervalSet owed;              // positions of `range` without a verdict
  IntervalSet refused_by_scope;  // the part of `owed` that this agent may not probe at all
  Ledger counts;  // of the positions that are not owed; CHECKed to add up to range - owed
  // Counts just these positions of `range` (none of them owed). Called at most once, within
  // Complete, and only when a part of the chunk was counted before (kTrim), which is rare. Without
  // it such a chunk is refused as kFenced.
  std::function<Ledger(const IntervalSet& fresh)> count_part;
};

enum class Verdict : uint8_t {
  kAccept,     // count it whole (but for what is owed)
  kTrim,       // a part is done already: count only ChunkVerdict::fresh
  kDuplicate,  // nothing of it is to be counted or stored (done already, or all owed); acknowledge
               // it once the changes are committed
  kFenced,  // the token is not the newest for what is not done yet: nothing changes, tell the agent
            // to drop the lease
};

struct ChunkVerdict {
  Verdict verdict = Verdict::kFenced;
  LaneId lane;
  ScanId scan;
  IntervalSet fresh;  // positions to count: range - owed - already done
  Ledger counts;  // of `fresh`; add it to the lane's ledger in the store. The scheduler has added
                  // it to its own.
  uint32_t attempt = 1;
};

// ---- what must be stored, in order, before what depends on it is said to anybody ----

struct PutLease {
  LeaseRecord lease;
};  // new, shrunk, or expired
struct DropLease {
  Token token;
};
struct PutGaps {
  LaneId lane;
  std::vector<Gap> gaps;
};  // added to the lane's ledger and done set
struct PutAttempts {
  LaneId lane;
  std::vector<std::pair<IndexRange, uint32_t>> attempts;
};  // replaces the lane's list
struct FinishLane {
  LaneId lane;
};
struct PutScanState {
  ScanId scan;
  ScanState state;
  WallTime started, finished;
};
struct PutOverlay {
  ScanId scan;
  DenyOverlay overlay;
};
using Change =
    std::variant<PutLease, DropLease, PutGaps, PutAttempts, FinishLane, PutScanState, PutOverlay>;

}  // namespace portolan
