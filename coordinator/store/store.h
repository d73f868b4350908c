#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/scheduler/types.h"

namespace portolan {

// A chunk's fresh part, ready to be kept.
struct StoredChunk {
  LaneId lane;
  IndexRange range;      // covers `outcomes`
  std::string agent;
  WallTime start;
  uint32_t duration_ms = 0;
  std::string outcomes;  // chunk encoding of range.size() positions; positions without a verdict, or counted before, are `owed` here
};

struct StoredRow {
  LaneId lane;
  OpenRow row;
  IpAddress address;  // of row.index; kept so that SQL can filter and order
  uint16_t port = 0;
  std::string agent;
  Token token;
};

// Everything that one commit holds. Applied whole or not at all.
struct WriteBatch {
  std::vector<ScanRecord> new_scans;         // with `request`, below
  std::vector<std::pair<std::string, ScanId>> request_ids;  // idempotency key + digest of the request -> scan
  std::vector<Change> changes;
  std::vector<StoredChunk> chunks;           // disjoint from what is stored in the lane as done
  std::vector<std::pair<LaneId, Ledger>> counts;  // added to the lanes' ledgers
  std::vector<StoredRow> rows;               // replaces a row of the same (lane, index) and an older token
  // Rows of these positions by older tokens go: the range was probed again and its chunk is the truth.
  struct SupersededRows { LaneId lane; IndexRange range; Token newer; };
  std::vector<SupersededRows> superseded;
  Token next_token;                          // 0: unchanged
  std::vector<ScanId> delete_scans;
  bool empty() const;
};

struct ScanSummary {  // a scan that has finished, without its lanes' interval sets
  ScanRecord record;  // lanes: done is left empty; leases: empty
};

struct RowFilter {
  std::vector<LaneId> lanes;
  IpSet addresses;  // empty: all
  PortSet ports;    // empty: all
  std::vector<std::string> agents;  // empty: all
};

// Where the coordinator keeps its state and every observation. Two kinds of use:
//   Write, asynchronous: batches are committed in order, several in one transaction (group commit), by a thread of the store's own.
//   Reads: synchronous, on the caller's thread (never a gRPC callback thread), each on a connection of its own from a small pool.
// Thread-safe. A write that fails for want of space or by I/O error is not lost: it is retried until it succeeds, Health() tells, and the queue fills;
// callers must stop taking in work when Backlog() is above its limit.
class Store {
 public:
  virtual ~Store() = default;

  // `done` runs on the store's thread after the commit (post elsewhere at once). Never called when the store is closed first.
  virtual void Write(WriteBatch batch, std::function<void()> done) = 0;
  // Bytes queued for writing.
  virtual size_t Backlog() const = 0;
  // OK, or why writes do not succeed now and the remedy ("database or disk is full: free space under /var/lib/portolan").
  virtual absl::Status Health() const = 0;

  // ---- reads ----
  struct StartState {
    uint64_t epoch = 0;  // of this start: the stored one, plus one, committed
    Token next_token;
    uint64_t next_lane = 1;
    std::vector<ScanRecord> unfinished;
  };
  // Once, before the first Write. DataLoss: the file is damaged, says what to do.
  virtual absl::StatusOr<StartState> Load() = 0;
  virtual absl::StatusOr<std::optional<ScanSummary>> GetScan(const ScanId& id) = 0;
  // Newest first. `after`: continue behind this id; empty: from the newest.
  virtual absl::StatusOr<std::vector<ScanSummary>> ListScans(size_t limit, const ScanId& after) = 0;
  // Ids that begin with `prefix`, at most `limit`; "last": the newest.
  virtual absl::StatusOr<std::vector<ScanId>> FindScans(const std::string& prefix, size_t limit) = 0;
  // Scan of an idempotency key; the digest tells whether the request was the same.
  virtual absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> FindRequest(const std::string& key) = 0;

  struct RowKey { IpAddress address; uint16_t port = 0; uint64_t lane = 0; };
  // Open rows by (address, port, lane) after `after`, at most `limit`.
  virtual absl::StatusOr<std::vector<StoredRow>> ReadRows(const RowFilter& filter, std::optional<RowKey> after, size_t limit) = 0;
  // Outcomes of one group of a lane, whether it is compacted or still in chunks. Natural order when compacted.
  struct GroupOutcomes {
    bool natural = false;
    std::vector<StoredChunk> chunks;  // compacted: one, range = the whole group, outcomes in natural order
  };
  virtual absl::StatusOr<GroupOutcomes> ReadGroup(LaneId lane, IndexRange group) = 0;
  virtual absl::StatusOr<std::vector<Gap>> ReadGaps(LaneId lane, IndexRange range) = 0;
  // Ends of retention: scans whose finished + retention is before `now`, at most `limit`.
  virtual absl::StatusOr<std::vector<ScanId>> Expired(WallTime now, size_t limit) = 0;

  // Replaces the chunks of a group whose positions are all done by one encoding in natural order. Asynchronous like Write.
  virtual void Compact(LaneId lane, IndexRange group, std::string natural_outcomes, WallTime first, std::function<void()> done) = 0;

  struct Stats {
    uint64_t commits = 0, rows = 0, chunks = 0, outcome_bytes = 0, retries = 0;
    double last_commit_s = 0, commit_seconds_total = 0;
    std::vector<uint64_t> commit_buckets;  // counts by kCommitBucketsS
    uint64_t database_bytes = 0;
  };
  static constexpr double kCommitBucketsS[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
  virtual Stats stats() const = 0;
};

// Opens or creates DIR/portolan.db and brings its schema up to date. FailedPrecondition: another coordinator has it open (it holds a
// lock file), or its schema is newer than this program.
struct SqliteOptions {
  std::string directory;
  size_t max_backlog_bytes = 256u << 20;
  bool sync_full = true;  // fsync at each commit; false in benchmarks that say so
};
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteOptions& options);

}  // namespace portolan
