#pragma once

#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "coordinator/store/sqlite_db.h"
#include "coordinator/store/store.h"

namespace portolan {

// Puts batches into an open transaction. Owned by the thread of the writing connection; borrows the
// connection. On an error the caller takes the transaction back and calls Forget.
class SqliteWriter {
 public:
  explicit SqliteWriter(Connection& db) : db_(db) {}

  absl::Status Apply(const WriteBatch& batch);
  absl::Status Apply(const CompactedGroup& group);
  // Marks finished scans deleted. Others are left as they are.
  absl::Status Delete(const ScanId& id);
  // Removes a part of what deleted scans left behind; small enough not to hold up commits. False:
  // nothing is left to remove.
  absl::StatusOr<bool> PurgeSlice();

  // After a transaction was taken back: forgets what was learnt in it.
  void Forget() {
    origins_.clear();
    last_origin_ = 0;
  }

  // Since the last call.
  struct Counts {
    uint64_t rows = 0, chunks = 0, outcome_bytes = 0, compacted = 0, findings = 0,
             findings_dropped = 0;
  };
  Counts TakeCounts() { return std::exchange(counts_, {}); }

 private:
  absl::StatusOr<int64_t> Origin(const std::string& agent, const std::string& vantage,
                                 const IpAddress* source);
  absl::Status PutScan(const ScanRecord& record);
  absl::Status PutChunk(const StoredChunk& chunk);
  absl::Status PutRows(const std::vector<StoredRow>& rows);
  absl::Status PutFinding(const StoredFinding& stored);
  absl::Status AddToLedger(LaneId lane, const Ledger& counts);
  absl::Status Put(const PutLease& change);
  absl::Status Put(const DropLease& change);
  absl::Status Put(const PutGaps& change);
  absl::Status Put(const PutAttempts& change);
  absl::Status Put(const FinishLane& change);
  absl::Status Put(const PutScanState& change);
  absl::Status Put(const PutOverlay& change);

  Connection& db_;
  Counts counts_;
  std::unordered_map<std::string, int64_t> origins_;
  // The origin used last: most rows of a batch share it.
  std::string last_agent_, last_vantage_;
  IpAddress last_source_;
  int64_t last_origin_ = 0;
};

}  // namespace portolan
