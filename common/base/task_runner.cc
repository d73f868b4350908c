#include "common/base/task_runner.h"

#include <pthread.h>

#include <algorithm>

#include "common/base/check.h"

namespace portolan {

TaskRunner::TaskRunner(std::string name, const Clock& clock, size_t limit)
    : name_(std::move(name)), clock_(clock), limit_(limit), thread_([this] { Loop(); }) {}

TaskRunner::~TaskRunner() { Stop(); }

bool TaskRunner::Post(Task task) {
  {
    MutexLock lock(mu_);
    if (stopping_) return false;
    queue_.push_back(std::move(task));
    depth_.store(queue_.size(), std::memory_order_relaxed);
  }
  wake_.NotifyOne();
  return true;
}

bool TaskRunner::TryPost(Task task) {
  {
    MutexLock lock(mu_);
    if (stopping_ || queue_.size() >= limit_) return false;
    queue_.push_back(std::move(task));
    depth_.store(queue_.size(), std::memory_order_relaxed);
  }
  wake_.NotifyOne();
  return true;
}

TaskRunner::TimerId TaskRunner::PostAt(Time when, Task task) {
  TimerId id = 0;
  {
    MutexLock lock(mu_);
    if (stopping_) return 0;
    id = next_timer_++;
    timers_.emplace(std::make_pair(when, id), std::move(task));
    timer_times_.emplace(id, when);
  }
  wake_.NotifyOne();
  return id;
}

TaskRunner::TimerId TaskRunner::PostAfter(Duration delay, Task task) {
  return PostAt(clock_.Now() + delay, std::move(task));
}

bool TaskRunner::CancelTimer(TimerId id) {
  Task dropped;  // destroyed without the lock
  MutexLock lock(mu_);
  auto time = timer_times_.find(id);
  if (time == timer_times_.end()) return false;
  auto timer = timers_.find({time->second, id});
  dropped = std::move(timer->second);
  timers_.erase(timer);
  timer_times_.erase(time);
  return true;
}

bool TaskRunner::Run(Task task) {
  PORTOLAN_CHECK(!OnThread());
  struct Done {
    Mutex mu;
    CondVar cv;
    bool done GUARDED_BY(mu) = false;
  } done;
  if (!Post([&] {
        task();
        MutexLock lock(done.mu);
        done.done = true;
        done.cv.NotifyOne();
      })) {
    return false;
  }
  MutexLock lock(done.mu);
  while (!done.done) done.cv.Wait(done.mu);
  return true;
}

void TaskRunner::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) {
    PORTOLAN_CHECK(!OnThread());
    thread_.join();
  }
  std::map<std::pair<Time, TimerId>, Task> dropped;
  MutexLock lock(mu_);
  dropped.swap(timers_);
  timer_times_.clear();
}

void TaskRunner::Poke() {
  // The lock makes sure that the thread is either before its look at the clock or waiting already.
  { MutexLock lock(mu_); }
  wake_.NotifyOne();
}

void TaskRunner::Loop() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  while (true) {
    Task task;
    {
      MutexLock lock(mu_);
      while (true) {
        if (!stopping_ && !timers_.empty()) {
          const Time now = clock_.Now();
          auto first = timers_.begin();
          if (first->first.first <= now) {
            task = std::move(first->second);
            timer_times_.erase(first->first.second);
            timers_.erase(first);
            break;
          }
        }
        if (!queue_.empty()) {
          task = std::move(queue_.front());
          queue_.pop_front();
          depth_.store(queue_.size(), std::memory_order_relaxed);
          break;
        }
        if (stopping_) return;
        if (timers_.empty()) {
          wake_.Wait(mu_);
        } else {
          // Bounded, because kNever minus now is near the end of what can be added to a clock.
          const Duration wait = timers_.begin()->first.first - clock_.Now();
          wake_.WaitFor(mu_, std::clamp<Duration>(wait, Duration::zero(), std::chrono::hours(1)));
        }
      }
    }
    task();
  }
}

}  // namespace portolan
