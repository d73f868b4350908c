#include "coordinator/ingest/compactor.h"

#include <sys/resource.h>

#include <future>
#include <utility>

#include "common/base/status.h"

namespace portolan {

Compactor::Compactor(Store& store, Options options)
    : store_(store), options_(options), thread_([this] { Run(); }) {}

Compactor::~Compactor() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    wake_.NotifyAll();
  }
  thread_.join();
}

void Compactor::Offer(const FinishedGroup& group) {
  Push({group.lane, group.space, group.range, false});
}

void Compactor::Sweep(LaneId lane, std::shared_ptr<const ScanSpace> space) {
  Push({lane, std::move(space), {}, true});
}

void Compactor::Push(Job job) {
  MutexLock lock(mutex_);
  if (queue_.size() >= options_.max_queue) {
    ++counters_.dropped;
    return;
  }
  queue_.push_back(std::move(job));
  wake_.NotifyAll();
}

void Compactor::Drain() {
  {
    MutexLock lock(mutex_);
    while (!queue_.empty() || busy_) wake_.Wait(mutex_);
  }
  // Commits are in order: once this one is done, so are the groups before it.
  std::promise<void> committed;
  store_.Write(WriteBatch(), [&] { committed.set_value(); });
  committed.get_future().wait();
}

Compactor::Counters Compactor::counters() const {
  MutexLock lock(mutex_);
  Counters out = counters_;
  out.queued = queue_.size();
  return out;
}

void Compactor::Run() {
  // What comes in is counted first; its final form can wait. On Linux this is the priority of the
  // calling thread alone. Refused: no harm.
  (void)setpriority(PRIO_PROCESS, 0, 10);
  while (true) {
    Job job;
    {
      MutexLock lock(mutex_);
      busy_ = false;
      wake_.NotifyAll();
      while (queue_.empty() && !stop_) wake_.Wait(mutex_);
      if (stop_) return;
      busy_ = true;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    if (job.sweep) {
      DoSweep(job);
    } else {
      DoGroup(job);
    }
  }
}

bool Compactor::WaitForStore() {
  MutexLock lock(mutex_);
  // The store tells nobody when its queue shrinks: look again now and then.
  while (!stop_ && store_.Backlog() > options_.max_backlog_bytes)
    wake_.WaitFor(mutex_, std::chrono::milliseconds(100));
  return !stop_;
}

void Compactor::DoSweep(const Job& job) {
  for (uint64_t from = 0; WaitForStore();) {
    const auto next =
        store_.NextStored(job.lane, from, {.chunks = true, .groups = false, .gaps = false});
    if (!next.ok()) {
      MutexLock lock(mutex_);
      ++counters_.errors;
      return;
    }
    if (!next->has_value() || **next >= job.space->size()) return;
    const IndexRange range = job.space->GroupOf(**next).range;
    DoGroup({job.lane, job.space, range, false});
    from = range.end;
  }
}

void Compactor::DoGroup(const Job& job) {
  if (!WaitForStore()) return;
  const auto outcomes = store_.ReadGroup(job.lane, job.range);
  if (outcomes.ok() && outcomes->chunks.empty()) return;  // compacted already, or deleted
  const auto gaps = outcomes.ok() ? store_.ReadGaps(job.lane, job.range) : outcomes.status();
  auto group =
      gaps.ok() ? CompactGroup(job.lane, job.space, job.range, *outcomes, *gaps) : gaps.status();
  const absl::Status status = group.status();
  if (status.ok()) store_.Compact(*std::move(group), nullptr);
  MutexLock lock(mutex_);
  if (status.ok()) {
    ++counters_.groups;
    counters_.positions += job.range.size();
  } else if (absl::IsFailedPrecondition(status)) {
    ++counters_.unfinished;
  } else {
    ++counters_.errors;
  }
}

}  // namespace portolan
