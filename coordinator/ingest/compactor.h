#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "coordinator/ingest/ingest.h"
#include "coordinator/store/store.h"

namespace portolan {

// Brings finished groups into their final form, in natural order, in a thread of its own.
// Thread-safe. Borrows the store. Idempotent and safe to interrupt: a group stays as chunks until
// the commit that replaces them. What is dropped because the queue is full is found again by the
// next sweep.
class Compactor {
 public:
  struct Options {
    size_t max_queue = 4096;               // groups, and lanes to sweep, waiting
    size_t max_backlog_bytes = 64u << 20;  // waits while the store has more to write than this
  };
  Compactor(Store& store, Options options);
  explicit Compactor(Store& store) : Compactor(store, Options{}) {}
  ~Compactor();  // stops after the group at hand

  // Call after the chunks' commit. A group that turns out to be unfinished is left alone.
  void Offer(const FinishedGroup& group);
  // Looks through a lane for groups that are finished and still in chunks: at start, when a lane
  // ends, and now and then.
  void Sweep(LaneId lane, std::shared_ptr<const ScanSpace> space);
  // Waits until nothing is queued or at work. For tests and shutdown.
  void Drain();

  struct Counters {
    uint64_t groups = 0, positions = 0, unfinished = 0, dropped = 0, errors = 0;
    size_t queued = 0;
  };
  Counters counters() const;

 private:
  struct Job {
    LaneId lane;
    std::shared_ptr<const ScanSpace> space;
    IndexRange range;
    bool sweep = false;
  };
  void Push(Job job);
  void Run();
  void DoSweep(const Job& job);
  void DoGroup(const Job& job);
  bool WaitForStore();  // false: stopping

  Store& store_;
  const Options options_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<Job> queue_ GUARDED_BY(mutex_);
  Counters counters_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// One group's final form out of what is stored. FailedPrecondition: some position has neither an
// outcome nor a gap yet.
absl::StatusOr<CompactedGroup> CompactGroup(LaneId lane,
                                            const std::shared_ptr<const ScanSpace>& space,
                                            IndexRange range, const Store::GroupOutcomes& outcomes,
                                            const std::vector<Gap>& gaps);

}  // namespace portolan
