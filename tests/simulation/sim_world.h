#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "coordinator/scheduler/scheduler.h"
#include "tests/simulation/chance.h"
#include "tests/simulation/sim_agent.h"
#include "tests/simulation/sim_coordinator.h"
#include "tests/simulation/sim_store.h"

namespace portolan {

// What goes wrong in a simulation. Rates are a second, chances a message.
struct SimTroubles {
  double lose = 0, duplicate = 0, delay_long = 0;  // messages; any may overtake another
  double agent_crash = 0, agent_freeze = 0, agent_drain = 0;
  double coordinator_crash = 0;
  double operate = 0;  // pause, resume, cancel, exclude
  bool cancel = false;
  double seconds = 60;  // then all is well, and everything must come to its end
};

struct SimPlan {
  SchedulerOptions options;
  std::vector<SimAgent::Traits> agents;
  struct PlannedScan {
    ScanSpec spec;
    std::vector<std::string> lanes;
    double at = 0;  // seconds
  };
  std::vector<PlannedScan> scans;
  SimTroubles troubles;
  double give_up = 900;  // seconds after the troubles, at most, for all scans to end
};

// One simulation: a coordinator, agents, and the network between them, in one thread, on a clock of
// their own.
class SimWorld {
 public:
  SimWorld(SimPlan plan, uint64_t seed);
  // Runs to the end. Empty: all is well; else what was wrong first.
  std::string Run();

  Time now() const { return now_; }
  WallTime wall() const {
    return FromUnixMicros(1'700'000'000'000'000 + now_.time_since_epoch().count() / 1000);
  }
  Duration lease_term() const { return plan_.options.lease_term; }
  const SimStore& store() const { return store_; }
  const Scheduler::Counters& counters() { return coordinator_.scheduler().counters(); }
  // When each scan ended, in seconds from the start.
  const std::map<ScanId, double>& ended() const { return ended_; }
  // Probes sent for positions, more than once counted each time.
  uint64_t probes() const { return probes_; }
  uint64_t events() const { return order_; }

  // ---- for the agents and the coordinator ----
  uint64_t aborted = 0, refused = 0;
  void NoteRefused(const SimAgent& agent);
  void At(Time t, std::function<void()> f);
  void SendRequest(const SimAgent& from, SimRequest request);
  void SendAnswer(const std::string& agent, const std::string& incarnation, SimAnswer answer);
  void SendChunk(const SimAgent& from, uint64_t incarnation, const SimChunk& chunk);
  void SendAck(const std::string& agent, uint64_t incarnation, uint64_t chunk, Token token,
               bool fenced);
  Duration CommitLatency() { return chance_.Seconds(0, 0.02); }
  void Fail(std::string what);
  Symbol Truth(uint64_t index) const;
  bool IsExcluded(uint64_t index, uint64_t overlay_version) const;
  uint64_t GroupEnd(const ScanId& scan, uint64_t index) const;
  Duration TimeoutOf(const ScanId& scan) const { return specs_.at(scan)->timing.timeout; }
  void NoteProbe(LaneId lane, uint64_t index);

 private:
  struct Event {
    Time at;
    uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  void Send(std::function<void()> deliver);
  void StepAll();
  void Trouble(double seconds);
  void Heal();
  void CheckRates();
  void CheckFractions();
  bool AllEnded();
  std::string Describe();  // everything, for a person to read after a failure
  SimAgent* Find(const std::string& name, uint64_t incarnation);
  void Disconnect(const SimAgent& agent);
  void CheckNames();

  const SimPlan plan_;
  Chance chance_;
  Time start_ = Time(std::chrono::seconds(1));
  Time now_ = start_;
  std::priority_queue<Event> events_;
  uint64_t order_ = 0;
  SimStore store_;
  SimCoordinator coordinator_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  std::map<ScanId, std::shared_ptr<const ScanSpec>> specs_;
  std::map<ScanId, double> ended_;
  // Processes in whose place the coordinator takes another of their name: the call of one that had
  // died came last. They learn it with their next call, and stop.
  std::set<std::string> heard_, displaced_;
  // Who works under each name, and since when.
  struct Holder {
    std::string incarnation;
    Time since;
  };
  std::map<std::string, Holder> holders_;
  Time coordinator_back_, all_ended_at_ = kNever;
  std::vector<Time> agents_back_;
  size_t submitted_ = 0;
  bool healed_ = false;
  uint64_t probes_ = 0;
  std::string error_;
};

}  // namespace portolan
