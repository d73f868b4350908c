#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/scan/observation.h"
#include "coordinator/scheduler/types.h"

namespace portolan {

// What a coordinator has committed, and the judge of it: each position gets one outcome, once.
// Survives the coordinator's crashes.
class SimStore {
 public:
  struct Counted {
    LaneId lane;
    std::vector<std::pair<uint64_t, Symbol>> outcomes;
    Ledger counts;
  };
  struct Batch {
    std::vector<ScanRecord> new_scans;
    std::vector<Change> changes;
    std::vector<Counted> counted;
    Token next_token;
  };

  void Commit(const Batch& batch);
  // Scans that are not finished, as a coordinator finds them at its start.
  std::vector<ScanRecord> Unfinished() const;
  Token next_token() const { return next_token_; }
  const std::map<ScanId, ScanRecord>& scans() const { return scans_; }
  // Outcome of each position; kOwed: none yet.
  const std::vector<Symbol>& outcomes(LaneId lane) const { return outcomes_.at(lane); }
  // What went wrong first; empty: nothing.
  const std::string& error() const { return error_; }
  // For a finished scan: every position has an outcome, the ledger is their count, and nothing is
  // left over.
  void CheckFinished(const ScanRecord& scan);

 private:
  void Apply(const Change& change);
  void Set(LaneId lane, uint64_t index, Symbol symbol);
  LaneRecord& lane(LaneId id);
  void Fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  std::map<ScanId, ScanRecord> scans_;  // leases: kept in leases_
  std::map<LaneId, ScanId> scan_of_;
  std::map<Token, LeaseRecord> leases_;
  std::map<LaneId, std::vector<Symbol>> outcomes_;
  Token next_token_{1};
  Token newest_;
  std::string error_;
};

}  // namespace portolan
