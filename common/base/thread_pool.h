#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"

namespace portolan {

// A few threads for work that blocks (reads from disk, name resolution), with a bounded queue: when
// it is full the caller is told and says so to whoever asked. Thread-safe.
class ThreadPool {
 public:
  using Task = std::function<void()>;
  ThreadPool(std::string name, int threads, size_t limit);
  ~ThreadPool();  // Stop()
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // False, and the task is dropped: the queue is full, or Stop has begun.
  bool TryPost(Task task) EXCLUDES(mu_);
  // Runs what was posted before and joins. Not from one of its threads. Idempotent.
  void Stop() EXCLUDES(mu_);

  size_t depth() const { return depth_.load(std::memory_order_relaxed); }
  size_t limit() const { return limit_; }

 private:
  void Loop(int number) EXCLUDES(mu_);

  const std::string name_;
  const size_t limit_;
  std::atomic<size_t> depth_{0};
  Mutex mu_;
  CondVar wake_;
  std::deque<Task> queue_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace portolan
