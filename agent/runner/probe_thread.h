#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/engine/conntrack.h"
#include "agent/engine/probe_engine.h"
#include "agent/runner/runner.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace portolan {

// A thread that owns one engine and one runner and shares nothing: it obeys commands, starts
// probes, waits for answers. Which lease goes to which thread, and how rates are divided over
// threads, is the caller's. All methods are thread-safe. Clock and sink must outlive it.
class ProbeThread {
 public:
  // Runs on the probe thread, in order; must not block.
  using Command = std::function<void(Runner& runner, Time now)>;
  // Looks at the table of tracked connections.
  using TableReader = std::function<std::optional<ConntrackTable>()>;

  struct Snapshot {
    std::vector<LeaseProgress> leases;
    std::vector<std::pair<std::string, uint64_t>> scans;  // with the overlay version in force
    RunnerCounters counters;
    ProbeEngine::Counters engine;
    uint32_t in_flight = 0;
    size_t open_chunks = 0;
    uint64_t open_positions = 0;
    bool idle = false;
  };

  ProbeThread(std::unique_ptr<ProbeEngine> engine, ReportSink& sink, Scope scope,
              const Clock& clock, RunnerOptions options = {}, TableReader table = nullptr);
  // Stops at once: what is in flight is closed without a report.
  ~ProbeThread();
  ProbeThread(const ProbeThread&) = delete;
  ProbeThread& operator=(const ProbeThread&) = delete;

  void Post(Command command);
  // What is true after all commands posted before. Waits for the thread, which takes about a
  // millisecond.
  Snapshot Ask();
  // Ends the thread; later commands are dropped. Idempotent.
  void Stop();

  // Constant after construction.
  const std::string& engine_name() const { return engine_name_; }
  uint32_t window() const { return window_; }
  const std::string& limited_by() const { return limited_by_; }

 private:
  void Run();
  // Takes the commands that wait and runs them. False: stop.
  bool Obey();

  // Tells the runner of the table, when it is time. Returns when to look again. A table whose drops
  // are not shown cannot be guarded against: the runner is not told of it.
  Time Look(Time now);

  const Clock& clock_;
  const std::unique_ptr<ProbeEngine> engine_;
  const std::string engine_name_;
  const uint32_t window_;
  const std::string limited_by_;
  const TableReader table_;
  Runner runner_;  // of the thread alone
  Time next_look_ = Time::min();

  Mutex mu_;
  CondVar answered_;
  std::vector<Command> commands_ GUARDED_BY(mu_);
  bool stop_ GUARDED_BY(mu_) = false;
  bool stopped_ GUARDED_BY(mu_) = false;  // the thread takes no more commands

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace portolan
