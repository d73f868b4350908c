#pragma once

#include <memory>
#include <optional>

#include "common/base/time.h"

namespace portolan {

// Takes SIGINT and SIGTERM (and SIGHUP for programs that reload) out of the way of all threads and
// hands them to whoever waits. Create it in main before any other thread; SIGPIPE is ignored from
// then on.
class SignalWaiter {
 public:
  SignalWaiter();
  ~SignalWaiter();
  // The next signal's number; nullopt after `timeout`, and after Wake.
  std::optional<int> Wait(Duration timeout);
  // Ends a wait, or the next one. Any thread.
  void Wake();

 private:
  int fd_ = -1, wake_ = -1;
};

// The version of this build ("0.1.0").
const char* Version();

}  // namespace portolan
