#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace portolan {

// One thread that runs what others post, in order, and timers: the owner of state that needs no
// lock then. Thread-safe. Tasks must not block on anything that waits for this thread.
//
// The queue has a limit that TryPost keeps to: it is for work that comes from outside. Post always
// succeeds: it is for what is bounded already (an answer to something that was asked for, a timer,
// the end of a call).
class TaskRunner {
 public:
  using Task = std::function<void()>;
  using TimerId = uint64_t;

  // `name` is the thread's (at most 15 characters). `clock` must outlive this.
  TaskRunner(std::string name, const Clock& clock, size_t limit = 65'536);
  // Stop().
  ~TaskRunner();
  TaskRunner(const TaskRunner&) = delete;
  TaskRunner& operator=(const TaskRunner&) = delete;

  // False, and the task is dropped, once Stop has begun.
  bool Post(Task task) EXCLUDES(mu_);
  // False also when the queue is at its limit.
  bool TryPost(Task task) EXCLUDES(mu_);
  // Runs `task` at `when` or soon after. Timers that are due run before posted tasks. After Stop:
  // 0, dropped.
  TimerId PostAt(Time when, Task task) EXCLUDES(mu_);
  TimerId PostAfter(Duration delay, Task task) EXCLUDES(mu_);
  // True: the timer was pending and will not run.
  bool CancelTimer(TimerId id) EXCLUDES(mu_);

  // Posts and waits until it has run. False when stopped. Never from the runner's own thread.
  bool Run(Task task) EXCLUDES(mu_);

  // Runs what was posted before, drops timers, joins the thread. Not from the runner's own thread.
  // Idempotent.
  void Stop() EXCLUDES(mu_);

  // Looks at the clock again: for fake clocks, after they moved.
  void Poke() EXCLUDES(mu_);

  bool OnThread() const { return std::this_thread::get_id() == thread_.get_id(); }
  // Tasks that wait now, for metrics.
  size_t depth() const { return depth_.load(std::memory_order_relaxed); }
  size_t limit() const { return limit_; }

 private:
  void Loop() EXCLUDES(mu_);

  // Constant.
  const std::string name_;
  const Clock& clock_;
  const size_t limit_;
  // Own synchronisation.
  std::atomic<size_t> depth_{0};
  Mutex mu_;
  CondVar wake_;
  // Guarded.
  std::deque<Task> queue_ GUARDED_BY(mu_);
  std::map<std::pair<Time, TimerId>, Task> timers_ GUARDED_BY(mu_);
  std::map<TimerId, Time> timer_times_ GUARDED_BY(mu_);
  TimerId next_timer_ GUARDED_BY(mu_) = 1;
  bool stopping_ GUARDED_BY(mu_) = false;
  // Last, so that everything exists when it starts.
  std::thread thread_;
};

}  // namespace portolan
