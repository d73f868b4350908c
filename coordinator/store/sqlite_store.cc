#include "coordinator/store/sqlite_store.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "coordinator/store/sqlite_load.h"

namespace portolan {
namespace {

// bounds how long one commit takes, and thereby the wait for an acknowledgement
constexpr size_t kMaxCommitCost = 16u << 20;
constexpr size_t kRowCost = 1000;  // a row costs as much as so many bytes of outcomes: about 10 us
constexpr size_t kMaxCommitItems = 1024;
constexpr Duration kFirstRetry = std::chrono::milliseconds(100);
constexpr Duration kLastRetry = std::chrono::seconds(2);
// Pages change often in the tables' indexes: the longer the log, the more of these changes reach
// the database as one. 64 MiB of 4 KiB pages.
constexpr int kCheckpointPages = 16 * 1024;
// readers kept the log from being reused: wait for them
constexpr int kTruncatePages = 16 * kCheckpointPages;
constexpr int kPurgeEvery = 8;  // commits, while there is no idle time

uint64_t FileSize(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

}  // namespace

class SqliteStore::Lease {
 public:
  explicit Lease(SqliteStore& store) : store_(store) {
    MutexLock lock(store_.mutex_);
    while (store_.free_readers_.empty()) store_.reader_free_.Wait(store_.mutex_);
    reader_ = store_.free_readers_.back();
    store_.free_readers_.pop_back();
  }
  ~Lease() {
    MutexLock lock(store_.mutex_);
    store_.free_readers_.push_back(reader_);
    store_.reader_free_.NotifyOne();
  }
  SqliteReader* operator->() { return reader_; }

 private:
  SqliteStore& store_;
  SqliteReader* reader_;
};

SqliteStore::SqliteStore(SqliteOptions options, int lock_fd, std::unique_ptr<Connection> writer,
                         std::vector<std::unique_ptr<SqliteReader>> readers)
    : options_(std::move(options)),
      path_(options_.directory + "/portolan.db"),
      lock_fd_(lock_fd),
      db_(std::move(writer)),
      writer_(*db_),
      readers_(std::move(readers)) {
  stats_.commit_buckets.resize(std::size(kCommitBucketsS) + 1);
  for (const auto& reader : readers_) free_readers_.push_back(reader.get());
}

SqliteStore::~SqliteStore() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  readers_.clear();
  Checkpoint(true);
  db_.reset();
  close(lock_fd_);
}

absl::StatusOr<Store::StartState> SqliteStore::Load() {
  PORTOLAN_CHECK(!loaded_);
  PORTOLAN_ASSIGN_OR_RETURN(StartState state, LoadStartState(*db_));
  loaded_ = true;
  thread_ = std::thread([this] { Run(); });
  return state;
}

void SqliteStore::Write(WriteBatch batch, std::function<void()> done) {
  const size_t bytes = batch.bytes();
  const size_t cost = bytes + kRowCost * (batch.rows.size() + 3 * batch.findings.size() +
                                          batch.superseded.size() / 4);
  Push({std::move(batch), std::move(done), bytes, cost});
}

void SqliteStore::Compact(CompactedGroup group, std::function<void()> done) {
  size_t bytes = sizeof(group) + group.outcomes.size();
  for (const CompactedGroup::Segment& s : group.segments)
    bytes += sizeof(s) + s.positions.size() * sizeof(IndexRange);
  Push({std::move(group), std::move(done), bytes, bytes});
}

void SqliteStore::Push(Item item) {
  backlog_ += item.bytes;
  MutexLock lock(mutex_);
  queue_.push_back(std::move(item));
  wake_.NotifyOne();
}

void SqliteStore::Run() {
  while (true) {
    const bool work_aside = purging_;
    std::vector<Item> items = TakeItems(!work_aside);
    if (items.empty()) {
      {
        MutexLock lock(mutex_);
        if (stop_ && queue_.empty()) return;
      }
      if (purging_) PurgeSlice();
      continue;
    }
    if (!CommitUntilDone(items)) return;
    size_t bytes = 0;
    for (Item& item : items) {
      bytes += item.bytes;
      if (const auto* batch = std::get_if<WriteBatch>(&item.what))
        purging_ |= !batch->delete_scans.empty();
      if (item.done) item.done();
    }
    backlog_ -= bytes;
    Checkpoint(false);
    if (purging_ && ++commits_since_purge_ >= kPurgeEvery) PurgeSlice();
  }
}

std::vector<SqliteStore::Item> SqliteStore::TakeItems(bool wait) {
  std::vector<Item> items;
  size_t cost = 0;
  MutexLock lock(mutex_);
  while (wait && queue_.empty() && !stop_) wake_.Wait(mutex_);
  while (!queue_.empty() && items.size() < kMaxCommitItems &&
         (items.empty() || cost + queue_.front().cost <= kMaxCommitCost)) {
    cost += queue_.front().cost;
    items.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return items;
}

bool SqliteStore::CommitUntilDone(std::vector<Item>& items) {
  for (Duration delay = kFirstRetry;; delay = std::min(2 * delay, kLastRetry)) {
    const Time begin = SystemClock().Now();
    const absl::Status status = CommitOnce(items);
    const double seconds = ToSeconds(SystemClock().Now() - begin);
    if (status.ok()) {
      const SqliteWriter::Counts counts = writer_.TakeCounts();
      MutexLock lock(mutex_);
      health_ = absl::OkStatus();
      ++stats_.commits;
      stats_.rows += counts.rows;
      stats_.chunks += counts.chunks;
      stats_.outcome_bytes += counts.outcome_bytes;
      stats_.compacted_groups += counts.compacted;
      stats_.findings += counts.findings;
      stats_.findings_dropped += counts.findings_dropped;
      stats_.last_commit_s = seconds;
      stats_.commit_seconds_total += seconds;
      const auto bucket =
          std::lower_bound(std::begin(kCommitBucketsS), std::end(kCommitBucketsS), seconds);
      ++stats_.commit_buckets[static_cast<size_t>(bucket - std::begin(kCommitBucketsS))];
      return true;
    }
    SetHealth(status);
    // What the log holds may fit into the database, and then the log starts anew.
    Checkpoint(true);
    if (absl::IsResourceExhausted(status)) {
      DeleteAhead();
      if (purging_) PurgeSlice();
    }
    MutexLock lock(mutex_);
    ++stats_.retries;
    if (!stop_) wake_.WaitFor(mutex_, delay);
    if (stop_) return false;
  }
}

absl::Status SqliteStore::CommitOnce(const std::vector<Item>& items) {
  return InTransaction([&]() -> absl::Status {
    for (const Item& item : items) {
      PORTOLAN_RETURN_IF_ERROR(
          std::visit([this](const auto& what) { return writer_.Apply(what); }, item.what));
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteStore::InTransaction(const std::function<absl::Status()>& body) {
  absl::Status status = db_->Execute("BEGIN IMMEDIATE");
  if (status.ok()) status = body();
  if (status.ok()) status = db_->Execute("COMMIT");
  if (!status.ok()) {
    db_->Rollback();
    writer_.Forget();
    (void)writer_.TakeCounts();  // of what was taken back
  }
  return status;
}

void SqliteStore::DeleteAhead() {
  std::vector<ScanId> ids;
  {
    MutexLock lock(mutex_);
    for (const Item& item : queue_) {
      if (const auto* batch = std::get_if<WriteBatch>(&item.what))
        ids.insert(ids.end(), batch->delete_scans.begin(), batch->delete_scans.end());
    }
  }
  if (ids.empty()) return;
  // Harmless when it fails or is done again: the batch that asks for it is still in the queue.
  const absl::Status status = InTransaction([&]() -> absl::Status {
    for (const ScanId& id : ids) PORTOLAN_RETURN_IF_ERROR(writer_.Delete(id));
    return absl::OkStatus();
  });
  purging_ |= status.ok();
}

void SqliteStore::PurgeSlice() {
  commits_since_purge_ = 0;
  // An error is no loss: what is deleted stays invisible, and the next delete, retry or start goes
  // on with it.
  bool more = false;
  const absl::Status status = InTransaction([&]() -> absl::Status {
    PORTOLAN_ASSIGN_OR_RETURN(more, writer_.PurgeSlice());
    return absl::OkStatus();
  });
  purging_ = status.ok() && more;
  Checkpoint(false);
}

void SqliteStore::Checkpoint(bool even_if_small) {
  const uint64_t pages = FileSize(path_ + "-wal") / 4096;
  if (!even_if_small && pages < kCheckpointPages) return;
  // Its failure is not a failure to store: commits are safe in the log, and go on there for as long
  // as it can grow.
  int in_log = 0, done = 0;
  (void)sqlite3_wal_checkpoint_v2(
      db_->raw(), nullptr,
      pages >= kTruncatePages ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &in_log,
      &done);
}

void SqliteStore::SetHealth(absl::Status status) {
  MutexLock lock(mutex_);
  health_ = std::move(status);
}

absl::Status SqliteStore::Health() const {
  MutexLock lock(mutex_);
  return health_;
}

Store::Stats SqliteStore::stats() const {
  const uint64_t bytes = FileSize(path_) + FileSize(path_ + "-wal");
  MutexLock lock(mutex_);
  Stats out = stats_;
  out.database_bytes = bytes;
  return out;
}

absl::StatusOr<std::optional<ScanSummary>> SqliteStore::GetScan(const ScanId& id) {
  return Lease(*this)->GetScan(id);
}
absl::StatusOr<std::vector<ScanSummary>> SqliteStore::ListScans(size_t limit, const ScanId& after) {
  return Lease(*this)->ListScans(limit, after);
}
absl::StatusOr<std::vector<ScanId>> SqliteStore::FindScansNamed(const std::string& name,
                                                                size_t limit) {
  return Lease(*this)->FindScansNamed(name, limit);
}

absl::StatusOr<std::vector<ScanId>> SqliteStore::FindScans(const std::string& prefix,
                                                           size_t limit) {
  return Lease(*this)->FindScans(prefix, limit);
}
absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> SqliteStore::FindRequest(
    const std::string& key) {
  return Lease(*this)->FindRequest(key);
}
absl::StatusOr<Store::RowPage> SqliteStore::ReadRows(const RowFilter& filter,
                                                     std::optional<RowKey> after, size_t limit) {
  return Lease(*this)->ReadRows(filter, after, limit);
}
absl::StatusOr<std::vector<StoredRow>> SqliteStore::ReadRowsAt(
    LaneId lane, const std::vector<uint64_t>& positions) {
  return Lease(*this)->ReadRowsAt(lane, positions);
}
absl::StatusOr<std::vector<Store::FindingCounts>> SqliteStore::CountFindings(
    const std::vector<LaneId>& lanes) {
  return Lease(*this)->CountFindings(lanes);
}
absl::StatusOr<Store::FindingPage> SqliteStore::ReadFindings(LaneId lane,
                                                             std::optional<FindingKey> after,
                                                             size_t limit, bool count_rows) {
  return Lease(*this)->ReadFindings(lane, after, limit, count_rows);
}
absl::StatusOr<Store::GroupOutcomes> SqliteStore::ReadGroup(LaneId lane, IndexRange group) {
  return Lease(*this)->ReadGroup(lane, group);
}
absl::StatusOr<uint64_t> SqliteStore::GroupVersion(LaneId lane, IndexRange group) {
  return Lease(*this)->GroupVersion(lane, group);
}
absl::StatusOr<std::vector<Gap>> SqliteStore::ReadGaps(LaneId lane, IndexRange range) {
  return Lease(*this)->ReadGaps(lane, range);
}
absl::StatusOr<std::optional<uint64_t>> SqliteStore::NextStored(LaneId lane, uint64_t from,
                                                                Kinds kinds) {
  return Lease(*this)->NextStored(lane, from, kinds);
}
absl::StatusOr<std::vector<ScanId>> SqliteStore::Expired(WallTime now, size_t limit) {
  return Lease(*this)->Expired(now, limit);
}

}  // namespace portolan
