#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/task_runner.h"
#include "common/base/thread_pool.h"
#include "coordinator/exposure/canaries.h"
#include "coordinator/monitoring/input_job.h"
#include "coordinator/monitoring/port_probe.h"
#include "coordinator/monitoring/run_results.h"
#include "coordinator/monitoring/views.h"
#include "coordinator/monitors/monitor_plan.h"

namespace portolan {

// One run of a monitor, from looking up its names to what every vantage has seen:
//
//   look up names -> canaries -> scan (and canaries every minute) -> canaries -> read it -> end
//
// All its scans are made under keys of the run, so a run that is begun again after a restart finds
// what it had asked for. Lives on the runner's thread, callbacks too; none comes once it is
// destroyed, and its scans go on then.
class MonitorRun : public std::enable_shared_from_this<MonitorRun> {
 public:
  struct Result {
    RunRecord record;               // how it ended
    std::vector<VantageRun> parts;  // empty when it failed
    // Names that lead nowhere; nullopt: it failed before they were looked up.
    std::optional<NameTroubles> troubles;
    // Its results, for later questions; nullptr: it made no scan, or failed.
    std::shared_ptr<const LookedRun> looked;
  };
  struct Callbacks {
    // Names were looked up: to be kept until the end. Returns what is to be done when it is kept.
    std::function<void(std::string input, std::function<void()> kept)> keep_input;
    std::function<void(NameTroubles)> names;  // they were looked up: what leads nowhere
    std::function<std::map<std::string, std::vector<Canary>>()> canaries;  // by vantage, now
    std::function<void(const std::string& vantage, const CanaryVerdict&, CanaryPhase)> verdict;
    std::function<void(const RunRecord&)> progress;  // its scan was made
    std::function<void(Result)> ended;               // once, the last; may destroy it
  };
  struct Environment {
    TaskRunner& runner;
    ThreadPool& inputs;  // reads lists of targets
    ThreadPool& pool;    // reads results
    ScanClient& scans;
    const Clock& clock;
    NameLookup& names;
    CanaryOptions canaries;
  };

  // `spec`: of the order. `kept`: what keep_input was given before a restart; empty: nothing yet.
  static std::shared_ptr<MonitorRun> Start(Environment env, const RunOrder& order, MonitorSpec spec,
                                           const std::string& kept, Callbacks callbacks);

  const RunOrder& order() const { return order_; }
  const RunRecord& record() const { return record_; }

 private:
  MonitorRun(Environment env, const RunOrder& order, Callbacks callbacks);
  void OnInput(absl::StatusOr<RunInput> input, bool restored);
  void ProbeCanaries(CanaryPhase phase, const std::string& key, std::function<void()> then);
  void Judge(const std::map<std::string, std::vector<Canary>>& canaries, const PortAnswers& answers,
             CanaryPhase phase);
  void StartScan();
  void OnScanCreated(const ScanStatus& status);
  std::string LookKey(const char* what);
  void WatchCanaries();
  void OnScanEnded(absl::StatusOr<ScanStatus> status);
  void Read();
  void Fail(const absl::Status& why);
  void End(std::vector<VantageRun> parts);
  void Finish(std::vector<VantageRun> parts);
  // `f(self, value)` on the runner's thread, if this still lives then.
  template <typename T, typename F>
  std::function<void(T)> Back(F f);

  const Environment env_;
  const RunOrder order_;
  Callbacks callbacks_;
  std::shared_ptr<InputJob> input_job_;
  RunInput input_;
  bool looked_up_ = false;  // `input_` is
  RunRecord record_;
  std::shared_ptr<const RunSpace> space_;
  std::optional<ScanStatus> scan_;
  std::shared_ptr<ScanJob> scan_job_, canary_job_;
  uint64_t looks_ = 0;  // at the canaries while the scan runs
  int reads_ = 0;       // that failed for a reason that may pass
};

}  // namespace portolan
