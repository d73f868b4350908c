#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/base/task_runner.h"
#include "coordinator/monitoring/monitoring.h"

namespace portolan {

// Keeps the monitors as the files of a directory declare them: *.yaml and *.yml, not below it, in
// the order of their names. Looks every few seconds; a change is applied as a whole, and monitors
// that no file declares any more are deleted (only those that came from here). Files that are not
// valid change nothing: what was there goes on, and the log and failing() say why. Hidden files are
// left out, so a mounted ConfigMap works. Lists of targets that documents name are read along, from
// the directory and below it only. Thread-safe.
class MonitorDirectory {
 public:
  static constexpr const char* kManager = "directory";
  static constexpr Duration kEvery = std::chrono::seconds(5);
  static constexpr Duration kSettle = std::chrono::seconds(1);

  // InvalidArgument: it is not a directory that can be read. `monitoring` and `clock` must outlive
  // it.
  static absl::StatusOr<std::unique_ptr<MonitorDirectory>> Start(
      std::string path, Monitoring& monitoring, const Clock& clock,
      std::function<void(LogLevel, std::string_view, std::initializer_list<LogField>)> log);
  void Stop() { runner_.Stop(); }

  bool failing() const { return failing_; }

 private:
  MonitorDirectory(
      std::string path, Monitoring& monitoring, const Clock& clock,
      std::function<void(LogLevel, std::string_view, std::initializer_list<LogField>)> log);
  void Look();
  void OnApplied(const std::vector<MonitorDocument>& documents,
                 const absl::StatusOr<std::vector<ApplyResult>>& results);
  void Fail(const absl::Status& why);

  const std::string path_;
  Monitoring& monitoring_;
  const std::function<void(LogLevel, std::string_view, std::initializer_list<LogField>)> log_;
  std::atomic<bool> failing_{false};
  // The thread's.
  bool looked_ = false, applying_ = false, applied_once_ = false;
  std::vector<MonitorDocument> seen_;   // at the last look
  std::vector<MonitorDocument> tried_;  // the last that were applied, or refused
  bool refused_ = false;
  std::string told_;  // the last failure that was logged
  TaskRunner runner_;
};

// The documents of a directory, or of one file, with their lists of targets. InvalidArgument: there
// is no such path, or a list lies elsewhere; Unavailable: one cannot be read; ResourceExhausted:
// more than 16 MiB or 10,000 files, or 64 MiB of lists.
absl::StatusOr<std::vector<MonitorDocument>> ReadMonitorFiles(const std::string& path);

}  // namespace portolan
