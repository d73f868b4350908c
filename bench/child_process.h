#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"

namespace portolan::bench {

// A program that a benchmark measures, with its output in a file. Owned by the main thread.
class ChildProcess {
 public:
  // argv[0] is a path. Unavailable: it cannot be started.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(std::vector<std::string> argv,
                                                             std::string log_path);
  // SIGTERM, then SIGKILL after 20 s.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The VALUE of " KEY=VALUE" in the first line of the output that contains `event`. Unavailable,
  // with what it printed: it ended, or `timeout` passed.
  absl::StatusOr<std::string> WaitForField(std::string_view event, std::string_view key,
                                           Duration timeout);
  struct Usage {
    uint64_t resident_bytes = 0;
    uint64_t anonymous_bytes = 0;  // of these, without files that are mapped
    double cpu_s = 0;              // user and system, since it started
  };
  Usage usage() const;
  pid_t pid() const { return pid_; }
  void Stop();

 private:
  ChildProcess(pid_t pid, std::string log_path) : pid_(pid), log_path_(std::move(log_path)) {}
  bool HasEnded();

  pid_t pid_;
  std::string log_path_;
  bool ended_ = false;
};

// The same of the calling process.
ChildProcess::Usage OwnUsage();

}  // namespace portolan::bench
