#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "common/scan/host_finding.h"
#include "coordinator/scheduler/known_vantages.h"
#include "coordinator/scheduler/types.h"

namespace portolan {

// A chunk's fresh part, ready to be kept.
struct StoredChunk {
  LaneId lane;
  IndexRange range;  // covers `outcomes`; within one group
  std::string agent;
  std::string vantage;  // the agent's: a split lane is seen from several
  WallTime start;
  uint32_t duration_ms = 0;
  std::string outcomes;  // chunk encoding of range.size() positions; positions without a verdict,
                         // or counted before, are `owed` here
  bool time_of_receipt = false;  // the agent's clock could not be believed, so `start` is when the
                                 // chunk was received
};

struct StoredRow {
  LaneId lane;
  OpenRow row;
  IpAddress address;  // of row.index; kept so that SQL can filter and order
  uint16_t port = 0;
  std::string agent;
  std::string vantage;
  Token token;
  bool time_of_receipt = false;  // as in StoredChunk, of row.when
};

struct StoredFinding {
  LaneId lane;
  HostFinding finding;
  std::string agent;
  std::string vantage;           // the agent's
  bool time_of_receipt = false;  // as in StoredChunk, of finding.when
};
// So many a lane are kept; what comes beyond is counted.
inline constexpr uint64_t kMaxFindingsPerLane = 65'536;

// Everything that one commit holds. Applied whole or not at all.
struct WriteBatch {
  std::vector<ScanRecord> new_scans;  // lanes: id and vantage count; a new lane has nothing done
  // Idempotency key of a request, what tells whether a second one is the same, and the scan that it
  // created.
  struct Request {
    std::string key, digest;
    ScanId scan;
  };
  std::vector<Request> requests;
  // PutGaps also adds to the lane's ledger, and removes rows of those positions, those of this
  // batch too: the ledger says that they were not probed.
  std::vector<Change> changes;
  std::vector<StoredChunk> chunks;  // disjoint from what is stored in the lane as done
  std::vector<std::pair<LaneId, Ledger>> counts;  // added to the lanes' ledgers
  std::vector<StoredRow> rows;  // replaces a row of the same (lane, index) and an older token
  // Rows of these positions by older tokens go: the range was probed again and its chunk is the
  // truth.
  struct SupersededRows {
    LaneId lane;
    IndexRange range;
    Token newer;
  };
  std::vector<SupersededRows> superseded;
  // A later one of the same lane, address and kind takes the place of the one before.
  std::vector<StoredFinding> findings;
  std::vector<KnownVantage> vantages;        // new, or with a later time
  std::vector<std::string> forget_vantages;  // after `vantages`
  Token next_token;                          // 0: unchanged
  // finished ones; invisible from the commit on, purged later, little by little
  std::vector<ScanId> delete_scans;
  bool empty() const;
  size_t bytes() const;  // about what it holds in memory
};

// A scan as the store has it, without what the scheduler alone needs: the lanes' `done` and
// `attempts`, and the leases, are empty.
struct ScanSummary {
  ScanRecord record;
  uint64_t addresses = 0;     // of the scan space, saturating
  uint64_t positions = 0;     // in one lane
  uint32_t target_names = 0;  // resolved host names
};

struct RowFilter {
  std::vector<LaneId> lanes;
  IpSet addresses;                    // empty: all
  PortSet ports;                      // empty: all
  std::vector<std::string> vantages;  // of the agents; empty: all
  // Leaves out these addresses of these lanes.
  std::shared_ptr<const std::map<LaneId, IpSet>> without = nullptr;
};

// A group whose positions are all done, in its final form.
struct CompactedGroup {
  LaneId lane;
  IndexRange range;
  // chunk encoding, in natural order (GroupView); gaps are in it as not-probed
  std::string outcomes;
  // Who saw what when. Positions in none of them: not known, or a gap.
  struct Segment {
    std::vector<IndexRange> positions;  // ascending
    std::string agent, vantage;
    WallTime start;
    bool time_of_receipt = false;  // as in StoredChunk
  };
  std::vector<Segment> segments;
  size_t chunks = 0;  // how many stored chunks it was made from
};

// Where the coordinator keeps its state and every observation. Two kinds of use:
//   Write and Compact, asynchronous: committed in order, several in one transaction (group commit),
//   by a thread of the store's own. Reads: synchronous, on the caller's thread (never a gRPC
//   callback thread), each on a connection of its own from a small pool.
// Thread-safe. A write that fails for want of space or by I/O error is not lost: it is retried
// until it succeeds, Health() tells, and the queue fills; callers must stop taking in work when
// Backlog() is above its limit.
class Store {
 public:
  // Commits what is queued, for as long as commits succeed, then closes. Callbacks may run until it
  // returns.
  virtual ~Store() = default;

  // `done` runs on the store's thread after the commit (post elsewhere at once). Never called when
  // the store is closed first.
  virtual void Write(WriteBatch batch, std::function<void()> done) = 0;
  // Bytes queued for writing.
  virtual size_t Backlog() const = 0;
  // OK, or why writes do not succeed now and the remedy ("database or disk is full: free space
  // under /var/lib/portolan").
  virtual absl::Status Health() const = 0;

  // ---- reads ----
  struct StartState {
    uint64_t epoch = 0;  // of this start: the stored one, plus one, committed
    Token next_token;
    uint64_t next_lane = 1;
    std::vector<ScanRecord> unfinished;
    std::vector<KnownVantage> vantages;
  };
  // Once, before the first Write. DataLoss: the file is damaged, says what to do.
  virtual absl::StatusOr<StartState> Load() = 0;
  // With its whole spec. Scans that run are as of the last commit.
  virtual absl::StatusOr<std::optional<ScanSummary>> GetScan(const ScanId& id) = 0;
  // Newest first, finished or not; `spec` comes without its space and names. `after`: continue
  // behind this id (NotFound when it is gone); empty: from the newest.
  virtual absl::StatusOr<std::vector<ScanSummary>> ListScans(size_t limit, const ScanId& after) = 0;
  // Ids that begin with `prefix`, at most `limit`; "last": the newest.
  virtual absl::StatusOr<std::vector<ScanId>> FindScans(const std::string& prefix,
                                                        size_t limit) = 0;
  // Ids of the scans of exactly this name (not empty), the newest first, at most `limit`.
  virtual absl::StatusOr<std::vector<ScanId>> FindScansNamed(const std::string& name,
                                                             size_t limit) = 0;
  // Scan and digest of an idempotency key.
  virtual absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> FindRequest(
      const std::string& key) = 0;

  struct RowKey {
    IpAddress address;
    uint16_t port = 0;
    uint64_t lane = 0;
  };
  struct RowPage {
    std::vector<StoredRow> rows;
    std::optional<RowKey> next;  // where to continue; nullopt: that was all
  };
  // Open rows by (address, port, lane) after `after`, at most `limit`. Looks at a bounded number of
  // rows: a page may have fewer than `limit`, even none, and still a `next`.
  virtual absl::StatusOr<RowPage> ReadRows(const RowFilter& filter, std::optional<RowKey> after,
                                           size_t limit) = 0;
  // The rows of these positions, those that exist, in any order.
  virtual absl::StatusOr<std::vector<StoredRow>> ReadRowsAt(
      LaneId lane, const std::vector<uint64_t>& positions) = 0;

  struct FindingCounts {
    uint64_t kept = 0, dropped = 0;
    friend bool operator==(const FindingCounts&, const FindingCounts&) = default;
  };
  // One for each of the lanes, in their order. Cheap; `kept` and `dropped` only ever grow.
  virtual absl::StatusOr<std::vector<FindingCounts>> CountFindings(
      const std::vector<LaneId>& lanes) = 0;
  // Where a listing of findings stands: behind this one.
  struct FindingKey {
    IpAddress address;
    HostFindingKind kind = HostFindingKind::kAnswersEverywhere;
  };
  struct FindingPage {
    struct Entry {
      StoredFinding finding;
      uint64_t open_rows = 0;  // of its address, in its lane; when they were asked for
    };
    std::vector<Entry> findings;
    std::optional<FindingKey> next;  // nullopt: that was all
  };
  // Findings of a lane by (address, kind), at most `limit`. With `count_rows` the rows of open
  // ports of each address are counted, at most some hundred thousand for a page, which is then
  // shorter.
  virtual absl::StatusOr<FindingPage> ReadFindings(LaneId lane, std::optional<FindingKey> after,
                                                   size_t limit, bool count_rows) = 0;

  // Outcomes of one group of a lane, whether it is compacted or still in chunks.
  struct GroupOutcomes {
    uint64_t version = 0;                   // 0: nothing stored. Changes whenever the content does.
    std::optional<CompactedGroup> natural;  // when compacted; else
    std::vector<StoredChunk> chunks;        // in the order in which they were stored
  };
  virtual absl::StatusOr<GroupOutcomes> ReadGroup(LaneId lane, IndexRange group) = 0;
  // Only its version; cheap.
  virtual absl::StatusOr<uint64_t> GroupVersion(LaneId lane, IndexRange group) = 0;
  // Gaps that meet `range`, cut to it, ascending.
  virtual absl::StatusOr<std::vector<Gap>> ReadGaps(LaneId lane, IndexRange range) = 0;
  // The first position >= `from` that begins, or lies in, something of these kinds; nullopt: none.
  struct Kinds {
    bool chunks = true, groups = true, gaps = true;
  };
  virtual absl::StatusOr<std::optional<uint64_t>> NextStored(LaneId lane, uint64_t from,
                                                             Kinds kinds) = 0;
  // Ends of retention: scans whose finished + retention is before `now`, at most `limit`.
  virtual absl::StatusOr<std::vector<ScanId>> Expired(WallTime now, size_t limit) = 0;

  // Replaces the chunks of a group by one encoding. Does nothing when the group has other chunks by
  // now than `group.chunks` many, or its scan is gone.
  virtual void Compact(CompactedGroup group, std::function<void()> done) = 0;

  struct Stats {
    uint64_t commits = 0, rows = 0, chunks = 0, outcome_bytes = 0, retries = 0,
             compacted_groups = 0, findings = 0, findings_dropped = 0;
    double last_commit_s = 0, commit_seconds_total = 0;
    // counts by kCommitBucketsS, and one more for what took longer
    std::vector<uint64_t> commit_buckets;
    uint64_t database_bytes = 0;  // with its write-ahead log
  };
  static constexpr double kCommitBucketsS[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                               0.1,   0.25,   0.5,   1,    2.5};
  virtual Stats stats() const = 0;
};

// Opens or creates DIR/portolan.db and brings its schema up to date. FailedPrecondition: another
// coordinator has it open (it holds a lock file), or its schema is newer than this program.
// PermissionDenied, NotFound, Unavailable: the directory cannot be made or written.
struct SqliteOptions {
  std::string directory;                  // made with mode 0700 when it is not there
  size_t max_backlog_bytes = 256u << 20;  // callers' limit; the store itself only counts
  bool sync_full = true;                  // fsync at each commit; false in benchmarks that say so
  uint64_t max_bytes = 0;  // the database file may grow to this; beyond, it is "full". 0: no limit
  size_t readers = 4;      // connections for reads
};
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteOptions& options);

}  // namespace portolan
