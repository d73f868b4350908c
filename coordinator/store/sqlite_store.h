#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "coordinator/store/sqlite_db.h"
#include "coordinator/store/sqlite_reader.h"
#include "coordinator/store/sqlite_writer.h"
#include "coordinator/store/store.h"

namespace portolan {

// The store in one SQLite file. One thread writes, over one connection; readers have a pool of
// their own (the write-ahead log lets them read while it writes). Deleted scans are purged in
// slices, between commits.
class SqliteStore final : public Store {
 public:
  // Takes the lock file's descriptor, which is closed (and thereby unlocked) at the end.
  SqliteStore(SqliteOptions options, int lock_fd, std::unique_ptr<Connection> writer,
              std::vector<std::unique_ptr<SqliteReader>> readers);
  ~SqliteStore() override;

  void Write(WriteBatch batch, std::function<void()> done) override;
  void Compact(CompactedGroup group, std::function<void()> done) override;
  size_t Backlog() const override { return backlog_.load(std::memory_order_relaxed); }
  absl::Status Health() const override;
  absl::StatusOr<StartState> Load() override;
  absl::StatusOr<std::optional<ScanSummary>> GetScan(const ScanId& id) override;
  absl::StatusOr<std::vector<ScanSummary>> ListScans(size_t limit, const ScanId& after) override;
  absl::StatusOr<std::vector<ScanId>> FindScans(const std::string& prefix, size_t limit) override;
  absl::StatusOr<std::vector<ScanId>> FindScansNamed(const std::string& name,
                                                     size_t limit) override;
  absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> FindRequest(
      const std::string& key) override;
  absl::StatusOr<RowPage> ReadRows(const RowFilter& filter, std::optional<RowKey> after,
                                   size_t limit) override;
  absl::StatusOr<std::vector<StoredRow>> ReadRowsAt(
      LaneId lane, const std::vector<uint64_t>& positions) override;
  absl::StatusOr<std::vector<FindingCounts>> CountFindings(
      const std::vector<LaneId>& lanes) override;
  absl::StatusOr<FindingPage> ReadFindings(LaneId lane, std::optional<FindingKey> after,
                                           size_t limit, bool count_rows) override;
  absl::StatusOr<GroupOutcomes> ReadGroup(LaneId lane, IndexRange group) override;
  absl::StatusOr<uint64_t> GroupVersion(LaneId lane, IndexRange group) override;
  absl::StatusOr<std::vector<Gap>> ReadGaps(LaneId lane, IndexRange range) override;
  absl::StatusOr<std::optional<uint64_t>> NextStored(LaneId lane, uint64_t from,
                                                     Kinds kinds) override;
  absl::StatusOr<std::vector<ScanId>> Expired(WallTime now, size_t limit) override;
  Stats stats() const override;

 private:
  struct Item {
    std::variant<WriteBatch, CompactedGroup> what;
    std::function<void()> done;
    size_t bytes = 0;
    size_t cost = 0;  // how long it takes to commit, as if each byte took the same
  };
  class Lease;  // a reader out of the pool

  void Push(Item item);
  void Run();
  // The next items to be committed together; empty: there are none. Waits when `wait`.
  std::vector<Item> TakeItems(bool wait);
  // Commits until it succeeds. False: the store is closing and it did not.
  bool CommitUntilDone(std::vector<Item>& items);
  absl::Status CommitOnce(const std::vector<Item>& items);
  absl::Status InTransaction(const std::function<absl::Status()>& body);
  // While there is no room: deletions that wait behind what does not fit are done before it.
  void DeleteAhead();
  void PurgeSlice();
  void Checkpoint(bool even_if_small);
  void SetHealth(absl::Status status);

  // Constant.
  const SqliteOptions options_;
  const std::string path_;
  const int lock_fd_;

  // The writing thread's. Load uses them before it starts.
  std::unique_ptr<Connection> db_;
  SqliteWriter writer_;
  bool purging_ = true;  // something may be left to purge
  int commits_since_purge_ = 0;

  std::atomic<size_t> backlog_{0};

  mutable Mutex mutex_;
  CondVar wake_;  // the writing thread
  CondVar reader_free_;
  std::deque<Item> queue_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  absl::Status health_ GUARDED_BY(mutex_);
  Stats stats_ GUARDED_BY(mutex_);
  std::vector<SqliteReader*> free_readers_ GUARDED_BY(mutex_);

  std::vector<std::unique_ptr<SqliteReader>> readers_;
  bool loaded_ = false;
  std::thread thread_;
};

}  // namespace portolan
