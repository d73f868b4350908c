#pragma once

#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "coordinator/store/sqlite_db.h"
#include "coordinator/store/store.h"

namespace portolan {

// The questions that a store answers, over one connection; the comments are in store.h. Used by one
// thread at a time; owns the connection.
class SqliteReader {
 public:
  explicit SqliteReader(std::unique_ptr<Connection> db) : db_(std::move(db)) {}

  absl::StatusOr<std::optional<ScanSummary>> GetScan(const ScanId& id);
  absl::StatusOr<std::vector<ScanSummary>> ListScans(size_t limit, const ScanId& after);
  absl::StatusOr<std::vector<ScanId>> FindScans(const std::string& prefix, size_t limit);
  absl::StatusOr<std::vector<ScanId>> FindScansNamed(const std::string& name, size_t limit);
  absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> FindRequest(const std::string& key);
  absl::StatusOr<Store::RowPage> ReadRows(const RowFilter& filter,
                                          const std::optional<Store::RowKey>& after, size_t limit);
  absl::StatusOr<std::vector<StoredRow>> ReadRowsAt(LaneId lane,
                                                    const std::vector<uint64_t>& positions);
  absl::StatusOr<std::vector<Store::FindingCounts>> CountFindings(const std::vector<LaneId>& lanes);
  absl::StatusOr<Store::FindingPage> ReadFindings(LaneId lane,
                                                  const std::optional<Store::FindingKey>& after,
                                                  size_t limit, bool count_rows);
  absl::StatusOr<Store::GroupOutcomes> ReadGroup(LaneId lane, IndexRange group);
  absl::StatusOr<uint64_t> GroupVersion(LaneId lane, IndexRange group);
  absl::StatusOr<std::vector<Gap>> ReadGaps(LaneId lane, IndexRange range);
  absl::StatusOr<std::optional<uint64_t>> NextStored(LaneId lane, uint64_t from,
                                                     Store::Kinds kinds);
  absl::StatusOr<std::vector<ScanId>> Expired(WallTime now, size_t limit);

  // Who saw something.
  struct Origin {
    std::string agent, vantage;
    IpAddress source;
  };

 private:
  // One state of the database for several statements.
  class Snapshot {
   public:
    explicit Snapshot(Connection& db) : db_(db), status_(db.Sql("BEGIN").Run()) {}
    ~Snapshot() { db_.Rollback(); }  // nothing was written
    absl::Status status() const { return status_; }

   private:
    Connection& db_;
    absl::Status status_;
  };
  absl::StatusOr<const Origin*> FindOrigin(int64_t id);
  // Of "address, port, position, reason, rtt_us, seen, origin, token".
  absl::Status FillRow(const Statement& s, LaneId lane, StoredRow& row);
  absl::Status ReadLanes(int64_t scan, ScanRecord& record);

  std::unique_ptr<Connection> db_;
  std::unordered_map<int64_t, Origin> origins_;
};

// Of "number, id, state, created, started, finished, spec, overlay" of a scan.
absl::Status DecodeScan(const Statement& s, ScanSummary& out);
// Of "id, vantage, finished, " and the ledger's columns in their order. Without `done` and
// `attempts`.
LaneRecord DecodeLane(const Statement& s);

}  // namespace portolan
