#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/task_runner.h"
#include "coordinator/monitoring/scan_client.h"

namespace portolan {

// Whether what failed so may succeed when it is tried again.
bool MayPass(const absl::Status& s);

// One scan from its request to its end. Lives on one runner's thread; its callbacks are called
// there, and no more once it is destroyed. A scan that is under way then goes on: who asks with the
// same key finds it again.
class ScanJob : public std::enable_shared_from_this<ScanJob> {
 public:
  struct Options {
    ScanRequest request;
    std::string key;
    // Creating is tried again while the coordinator is busy or cannot store anything.
    Duration retry_for = std::chrono::minutes(10);
    // From then on it is cancelled, and ends with what it has.
    std::optional<Duration> at_most;
  };
  using Created = std::function<void(const ScanStatus&)>;         // may be null
  using Ended = std::function<void(absl::StatusOr<ScanStatus>)>;  // once; may destroy the job

  // `runner` and `scans` must outlive it.
  static std::shared_ptr<ScanJob> Start(TaskRunner& runner, ScanClient& scans, const Clock& clock,
                                        Options options, Created created, Ended ended);

 private:
  ScanJob(TaskRunner& runner, ScanClient& scans, const Clock& clock, Options options,
          Created created, Ended ended);
  void Create();
  void OnCreated(absl::StatusOr<ScanStatus> status);
  void OnStatus(absl::StatusOr<ScanStatus> status);
  void Look(Duration after);
  void End(absl::StatusOr<ScanStatus> status);
  // Runs `f` on the runner's thread if this still lives then.
  template <typename F>
  auto OnRunner(F f);
  void After(Duration delay, std::function<void()> f);

  TaskRunner& runner_;
  ScanClient& scans_;
  const Clock& clock_;
  const Options options_;
  const Created created_;
  Ended ended_;
  const Time begun_;
  std::string id_;
  Duration poll_;
  Time paused_since_ = kNever;
  int unanswered_ = 0;  // questions in a row that failed
};

}  // namespace portolan
