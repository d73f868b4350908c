#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/scheduler/scheduler.h"
#include "tests/simulation/sim_agent.h"
#include "tests/simulation/sim_store.h"

namespace portolan {

// A coordinator around the scheduler, as the service is: parks calls, commits before it answers or
// acknowledges, answers woken agents. A crash loses all but the store.
class SimCoordinator {
 public:
  SimCoordinator(SimWorld& world, SimStore& store, SchedulerOptions options);

  void Start();
  void Crash();
  bool up() const { return scheduler_ != nullptr; }
  Scheduler& scheduler() { return *scheduler_; }

  void Submit(ScanRecord record);
  // its status may be anything
  void Operate(const std::function<absl::Status(Scheduler&)>& operation);
  void OnRequest(const SimRequest& request);
  void OnChunk(const std::string& agent, uint64_t incarnation, const SimChunk& chunk);
  // The connection of this process was closed.
  void OnDisconnected(const std::string& agent, const std::string& incarnation);
  void Poll();  // ticks when due; answers calls that have been parked long enough
  uint64_t epoch() const { return epoch_; }

 private:
  struct Parked {
    SimRequest request;
    Time until;
  };
  void Ask(const SimRequest& request, bool answer_anyway);
  void Finish();  // after each call of the scheduler: its changes are queued for commit, and the
                  // woken are asked
  void CheckFencing(const ChunkClaim& claim, const ChunkVerdict& v);
  void Note(const std::vector<Change>& changes);

  SimWorld& world_;
  SimStore& store_;
  const SchedulerOptions options_;
  std::unique_ptr<Scheduler> scheduler_;
  uint64_t epoch_ = 0;
  Time committed_at_;
  std::map<std::string, Parked> parked_;
  SimStore::Batch batch_;
  std::vector<std::function<void()>> after_;
  std::map<Token, IntervalSet> newest_;  // as the changes say it: an independent view of fencing
};

}  // namespace portolan
