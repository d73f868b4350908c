#pragma once

#include <functional>
#include <map>

#include "common/base/mutex.h"
#include "common/base/time.h"

namespace portolan {

// The signals that ask the program to stop. The first makes everything that waits return; what is
// running then ends cleanly. The second calls `at_once`. Thread-safe.
class Interrupts {
 public:
  explicit Interrupts(std::function<void(int signal)> at_once) : at_once_(std::move(at_once)) {}

  // Called by the thread that waits for signals.
  void Deliver(int signal);
  // The first signal; 0: none yet.
  int signal() const;
  bool interrupted() const { return signal() != 0; }
  // Waits; true: interrupted (before or meanwhile).
  bool WaitFor(Duration duration);

  // While it lives, `stop` is called on the first signal, once; at once when that has come already.
  // `stop` must own what it uses: it may still run on another thread while the guard is destroyed.
  class Guard {
   public:
    Guard(Interrupts& owner, std::function<void()> stop);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Interrupts& owner_;
    uint64_t id_ = 0;
  };

 private:
  const std::function<void(int)> at_once_;
  mutable Mutex mu_;
  CondVar changed_;
  int signal_ GUARDED_BY(mu_) = 0;
  uint64_t next_id_ GUARDED_BY(mu_) = 1;
  std::map<uint64_t, std::function<void()>> stops_ GUARDED_BY(mu_);
};

}  // namespace portolan
