#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "common/base/task_runner.h"
#include "common/base/thread_pool.h"

namespace portolan {

// Brings calls to the control thread and to the threads that read. Whatever happens, `done` is
// called exactly once: by the task, or here with why the task was not taken. Thread-safe; borrows
// what it is given.
class ControlCalls {
 public:
  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;

  // `stopping`: nothing is taken any more once it is true.
  ControlCalls(TaskRunner& control, ThreadPool& readers, const std::atomic<bool>& stopping)
      : control_(control), readers_(readers), stopping_(stopping) {}

  static absl::Status Stopping();  // Unavailable
  static absl::Status Busy();      // ResourceExhausted

  template <typename T>
  void OnControl(Done<T> done, std::function<void(Done<T>)> task) {
    Run<T>(control_, std::move(done), std::move(task));
  }
  template <typename T>
  void OnReader(Done<T> done, std::function<void(Done<T>)> task) {
    Run<T>(readers_, std::move(done), std::move(task));
  }

 private:
  template <typename T, typename Threads>
  void Run(Threads& threads, Done<T> done, std::function<void(Done<T>)> task) {
    auto shared = std::make_shared<Done<T>>(std::move(done));  // needed on both ways
    if (!stopping_ &&
        threads.TryPost([shared, task = std::move(task)] { task(std::move(*shared)); }))
      return;
    (*shared)(stopping_ ? Stopping() : Busy());
  }

  TaskRunner& control_;
  ThreadPool& readers_;
  const std::atomic<bool>& stopping_;
};

}  // namespace portolan
