#pragma once

#include <condition_variable>
#include <mutex>

#include "common/base/time.h"

// A std::mutex with clang's thread-safety annotations, so that the clang preset proves which state
// a lock guards, and ThreadSanitizer (which reports absl::Mutex falsely) sees it.
#if defined(__clang__)
#define PORTOLAN_TSA(x) __attribute__((x))
#else
#define PORTOLAN_TSA(x)
#endif
// Abseil's headers define two of these alike; ours must not depend on which comes first.
#undef GUARDED_BY
#undef REQUIRES
#undef EXCLUDES
#undef NO_THREAD_SAFETY_ANALYSIS
#define GUARDED_BY(x) PORTOLAN_TSA(guarded_by(x))
#define REQUIRES(...) PORTOLAN_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) PORTOLAN_TSA(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS PORTOLAN_TSA(no_thread_safety_analysis)

namespace portolan {

class PORTOLAN_TSA(capability("mutex")) Mutex {
 public:
  void Lock() PORTOLAN_TSA(acquire_capability()) { mu_.lock(); }
  void Unlock() PORTOLAN_TSA(release_capability()) { mu_.unlock(); }
  // BasicLockable, for CondVar only.
  void lock() NO_THREAD_SAFETY_ANALYSIS { mu_.lock(); }
  void unlock() NO_THREAD_SAFETY_ANALYSIS { mu_.unlock(); }

 private:
  std::mutex mu_;
};

class PORTOLAN_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mu) PORTOLAN_TSA(acquire_capability(mu)) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() PORTOLAN_TSA(release_capability()) { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Waits may wake for nothing: loop over the condition.
class CondVar {
 public:
  void Wait(Mutex& mu) REQUIRES(mu) { cv_.wait(mu); }
  // False when `timeout` passed.
  bool WaitFor(Mutex& mu, Duration timeout) REQUIRES(mu) {
    return cv_.wait_for(mu, timeout) == std::cv_status::no_timeout;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable_any cv_;
};

}  // namespace portolan
