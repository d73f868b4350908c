#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "coordinator/store/store.h"

namespace portolan {

// A store on a disk that a test can fill and empty: writes wait, in order, while it is full. All
// else is the store's below.
class FullDiskStore final : public Store {
 public:
  explicit FullDiskStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  void Fill() {
    MutexLock lock(mu_);
    full_ = true;
  }
  // Writes wait, but nobody is told so: a disk that is slow, or fills this very moment.
  void HoldWrites() {
    MutexLock lock(mu_);
    hold_ = true;
  }
  void Empty() {
    std::deque<std::pair<WriteBatch, std::function<void()>>> waiting;
    {
      MutexLock lock(mu_);
      full_ = hold_ = false;
      waiting.swap(waiting_);
      backlog_ = 0;
      for (auto& [batch, done] : waiting)
        store_->Write(std::move(batch), std::move(done));  // in order
    }
  }

  // Whether something that it lets through is not committed yet.
  bool Committing() const { return store_->Backlog() > 0; }

  void Write(WriteBatch batch, std::function<void()> done) override {
    MutexLock lock(mu_);
    if (full_ || hold_) {
      backlog_ += batch.bytes();
      waiting_.emplace_back(std::move(batch), std::move(done));
    } else {
      store_->Write(std::move(batch), std::move(done));
    }
  }
  size_t Backlog() const override {
    MutexLock lock(mu_);
    return backlog_ + store_->Backlog();
  }
  absl::Status Health() const override {
    MutexLock lock(mu_);
    return full_ ? ResourceExhausted("database or disk is full: free space under /test")
                 : store_->Health();
  }
  absl::StatusOr<StartState> Load() override { return store_->Load(); }
  absl::StatusOr<std::optional<ScanSummary>> GetScan(const ScanId& id) override {
    return store_->GetScan(id);
  }
  absl::StatusOr<std::vector<ScanSummary>> ListScans(size_t limit, const ScanId& after) override {
    return store_->ListScans(limit, after);
  }
  absl::StatusOr<std::vector<ScanId>> FindScansNamed(const std::string& name,
                                                     size_t limit) override {
    return store_->FindScansNamed(name, limit);
  }
  absl::StatusOr<std::vector<ScanId>> FindScans(const std::string& prefix, size_t limit) override {
    return store_->FindScans(prefix, limit);
  }
  absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> FindRequest(
      const std::string& key) override {
    return store_->FindRequest(key);
  }
  absl::StatusOr<RowPage> ReadRows(const RowFilter& filter, std::optional<RowKey> after,
                                   size_t limit) override {
    return store_->ReadRows(filter, std::move(after), limit);
  }
  absl::StatusOr<std::vector<StoredRow>> ReadRowsAt(
      LaneId lane, const std::vector<uint64_t>& positions) override {
    return store_->ReadRowsAt(lane, positions);
  }
  absl::StatusOr<std::vector<FindingCounts>> CountFindings(
      const std::vector<LaneId>& lanes) override {
    return store_->CountFindings(lanes);
  }
  absl::StatusOr<FindingPage> ReadFindings(LaneId lane, std::optional<FindingKey> after,
                                           size_t limit, bool count_rows) override {
    return store_->ReadFindings(lane, std::move(after), limit, count_rows);
  }
  absl::StatusOr<GroupOutcomes> ReadGroup(LaneId lane, IndexRange group) override {
    return store_->ReadGroup(lane, group);
  }
  absl::StatusOr<uint64_t> GroupVersion(LaneId lane, IndexRange group) override {
    return store_->GroupVersion(lane, group);
  }
  absl::StatusOr<std::vector<Gap>> ReadGaps(LaneId lane, IndexRange range) override {
    return store_->ReadGaps(lane, range);
  }
  absl::StatusOr<std::optional<uint64_t>> NextStored(LaneId lane, uint64_t from,
                                                     Kinds kinds) override {
    return store_->NextStored(lane, from, kinds);
  }
  absl::StatusOr<std::vector<ScanId>> Expired(WallTime now, size_t limit) override {
    return store_->Expired(now, limit);
  }
  void Compact(CompactedGroup group, std::function<void()> done) override {
    store_->Compact(std::move(group), std::move(done));
  }
  Stats stats() const override { return store_->stats(); }

 private:
  const std::unique_ptr<Store> store_;
  mutable Mutex mu_;
  bool full_ GUARDED_BY(mu_) = false, hold_ GUARDED_BY(mu_) = false;
  size_t backlog_ GUARDED_BY(mu_) = 0;
  std::deque<std::pair<WriteBatch, std::function<void()>>> waiting_ GUARDED_BY(mu_);
};

}  // namespace portolan
