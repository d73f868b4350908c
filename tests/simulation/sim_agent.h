#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/scheduler/types.h"
#include "tests/simulation/chance.h"

namespace portolan {

class SimWorld;

// What an agent sends and gets; as in proto/portolan/v1/fleet_service.proto.
struct SimRequest {
  AgentReport report;
  uint64_t epoch_seen = 0;
  uint64_t call = 0;
};
struct SimAnswer {
  uint64_t call = 0;
  uint64_t epoch = 0;
  SyncDecision decision;
  std::map<ScanId, uint64_t> overlays;  // of decision.contexts
  bool aborted = false;
  bool refused = false;  // another process of the name is at work
};
struct SimChunk {
  uint64_t id = 0;
  Token token;
  std::string agent;
  IndexRange range;
  std::vector<Symbol> outcomes;
};

// An agent as the protocol wants it: probes what it holds while its own deadline lasts, closes
// chunks, keeps them until they are acknowledged, says what it holds, and obeys. It can crash (and
// forget everything), freeze and wake.
class SimAgent {
 public:
  struct Traits {
    std::string name, vantage;
    double speed = 100;    // probes/s
    double max_rate = 0;   // told to the coordinator; speed stays below
    double owed = 0;       // chance that a probe ends without a verdict
    uint64_t refuses = 0;  // its scope forbids positions with index % refuses == 1; 0: none
    uint64_t room = 4096;  // positions
    // The processes of this agent are numbered from here on. Two agents of one name differ in it by
    // kTwin or more.
    uint64_t first_incarnation = 0;
    // It is started again although it was refused, as by a service manager that knows no exit
    // codes.
    bool stubborn = false;
  };
  static constexpr uint64_t kTwin = 1'000'000;
  SimAgent(SimWorld& world, Traits traits, uint64_t seed);

  void Step(Time now);  // probes, closes, sends; called every 100 ms or so
  void OnAnswer(const SimAnswer& answer, Time now);
  void OnAck(uint64_t incarnation, uint64_t chunk, Token token, bool fenced);

  void Crash();
  void Start();
  void Freeze(Time until) { frozen_until_ = until; }
  void SetDraining(bool draining) { draining_ = draining; }
  bool up() const { return up_; }
  bool frozen(Time now) const { return now < frozen_until_; }
  Time frozen_until() const { return frozen_until_; }
  bool draining() const { return draining_; }
  size_t leases() const { return leases_.size(); }
  std::string incarnation() const { return traits_.name + std::to_string(incarnation_); }
  // Whether it is, or was, a process of this agent.
  bool Owns(uint64_t incarnation) const {
    return incarnation / kTwin == traits_.first_incarnation / kTwin;
  }
  bool refused() const { return refused_; }  // the last process was, and it is not started again
  const Traits& traits() const { return traits_; }
  // The rate at which it may be probing for the scan now; 0: it holds nothing to probe.
  double RateInForce(const ScanId& scan, Time now) const;
  // Likewise, its part of the limits on targets: the largest that what may be in flight was begun
  // under.
  double FractionInForce(const ScanId& scan, Time now) const;
  std::string Describe(Time now) const;

 private:
  struct Held {
    ScanId scan;
    LaneId lane;
    IntervalSet ranges, unprobed;
    bool revoked = false;
    Time deadline;
    std::optional<SimChunk> open;
    Time opened;
    size_t unacked = 0;
  };
  bool MayProbeFor(const ScanId& scan, Time now) const;
  void ForgetFormer();
  void Probe(Time now, double seconds);
  void ProbeOne(Token token, Held& h, Time now);
  void Close(Held& h);
  void Call(Time now);
  AgentReport Report() const;
  void Forget(Token token);

  SimWorld& world_;
  const Traits traits_;
  Chance chance_;
  bool up_ = false;
  bool draining_ = false, refused_ = false;
  Time frozen_until_, stepped_;
  uint64_t incarnation_;

  std::map<Token, Held> leases_;
  std::map<ScanId, double> shares_, fractions_, credit_;
  struct Former {
    Time until;  // what was begun under it is over
    double fraction;
  };
  std::map<ScanId, std::vector<Former>> former_;
  std::map<ScanId, Time> begun_at_;  // when something was, or could be, begun last
  std::map<ScanId, uint64_t> known_;
  std::map<uint64_t, SimChunk> spool_;
  std::map<uint64_t, Time> sent_;
  double free_credit_ = 0, measured_ = 0, begun_ = 0;
  Time measured_at_;
  uint64_t next_chunk_ = 1;
  Token newest_;
  uint64_t epoch_ = 0, revision_ = 0;
  uint64_t call_ = 0;  // outstanding; 0: none
  Time called_, call_again_;
  static uint64_t next_call_;
};

}  // namespace portolan
