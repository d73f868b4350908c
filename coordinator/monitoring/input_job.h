#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/task_runner.h"
#include "common/base/thread_pool.h"
#include "common/net/name_lookup.h"
#include "coordinator/monitoring/run_input.h"
#include "coordinator/monitoring/scan_client.h"

namespace portolan {

// Finds out what a specification looks at: reads its targets on a pool, as they may be many, looks
// up its names, and leaves out the addresses that may not be scanned. Waits for name servers on no
// thread, so slow names hold up nobody else. Lives on the runner's thread and calls back there,
// once, and not after it is destroyed.
class InputJob : public std::enable_shared_from_this<InputJob> {
 public:
  // Errors: ResourceExhausted, too much is waiting to be read. Names without addresses are no
  // error: see RunInput.
  using Done = std::function<void(absl::StatusOr<RunInput>)>;
  struct Environment {
    TaskRunner& runner;
    ThreadPool& pool;
    NameLookup& names;
    ScanClient& scans;
  };

  static std::shared_ptr<InputJob> Start(Environment env, MonitorSpec spec, Done done);
  // What was kept of a run that was begun in an earlier life (RunInput::Encode), or else, when that
  // is damaged, what the specification looks at now. `restored`: which of the two it was.
  static std::shared_ptr<InputJob> Restore(
      Environment env, MonitorSpec spec, std::string kept,
      std::function<void(absl::StatusOr<RunInput>, bool restored)> done);

 private:
  InputJob(Environment env, Done done) : env_(env), done_(std::move(done)) {}
  void Read(MonitorSpec spec);
  void Ask(std::shared_ptr<MonitorSpec> spec, std::shared_ptr<const SpecTargets> targets);
  void End(absl::StatusOr<RunInput> input);
  // `f(self)` on the runner's thread, if this lives then.
  static void Back(TaskRunner& runner, const std::weak_ptr<InputJob>& weak,
                   std::function<void(InputJob&)> f);

  const Environment env_;
  Done done_;
  std::unique_ptr<NameLookup::Request> request_;
};

}  // namespace portolan
