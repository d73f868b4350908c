#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/exposure/monitor_exposure.h"

namespace portolan {

// What MonitorExposure is to do, in the slowest and plainest way: everything is kept for every
// position, every step looks at all of them, and spaces are sets of positions.
class SlowExposure {
 public:
  struct Run {
    std::string vantage;
    bool complete = true;
    bool has_lookup = true;
    std::set<Subject> covered;
    std::map<Subject, Symbol> seen;  // without: no outcome
    std::set<TargetKey> folded;
    std::set<std::string> unresolved;
    WallTime when;
  };
  // What is compared: one line an event, settled change, probe.
  using Lines = std::vector<std::string>;

  SlowExposure(std::vector<Subject> universe, MonitorExposureConfig config)
      : universe_(std::move(universe)), config_(std::move(config)) {
    for (const auto& [name, side] : config_.vantages) vantages_[name];
  }

  std::set<std::string> Verdict(const std::string& vantage, CanaryState state, CanaryPhase phase);
  Lines OnRun(const std::vector<Run>& runs, WallTime now);  // by vantage
  Lines OnAnswer(const ConfirmationAnswer& answer, WallTime now);
  Lines Tick(WallTime now);
  void SetNames(NameTroubles names) { names_ = std::move(names); }
  void AcceptNext(const std::string& vantage) { vantages_[vantage].accept = true; }

  Lines Outstanding() const;
  Lines Open() const;
  std::set<std::string> Findings(WallTime now) const;

 private:
  struct Pending {
    Symbol from, to;
    ChangeKind kind = ChangeKind::kOpened;
    WallTime seen;
    uint32_t agreed = 0, denied = 0, lost = 0, number = 1;
    WallTime not_before;
    size_t trail = 0;
    Symbol latest;
  };
  struct Position {
    bool covered = false, open = false;
    WallTime since;
    Reason reason = Reason::kSynAck;
    std::optional<Symbol> gone;
    std::optional<Pending> pending;
    std::vector<WallTime> changes;
    bool flapping = false;
    Symbol told, now;
    uint32_t untold = 0;
  };
  struct Side {
    bool established = false, accept = false, tainted = false, mass = false;
    CanaryState canaries = CanaryState::kUnknown;
    uint32_t runs = 0;
    std::map<Subject, Position> at;
    std::map<TargetKey, bool> folded;  // known before
    std::set<std::string> unresolved;
  };
  using Candidates = std::map<Subject, Pending>;
  static Pending Found(Symbol from, Symbol to, ChangeKind kind, WallTime when);
  Candidates Fold(const Run& run, Side& v);
  void Remember(const Run& run, const std::map<std::string, Candidates>& candidates);
  void Confirmed(const std::string& vantage, const Subject& s, WallTime now, Lines& lines);
  void Event(const std::string& vantage, const Subject& s, Symbol from, Symbol to, size_t trail,
             WallTime now, Lines& lines);
  size_t Active() const;

  const std::vector<Subject> universe_;
  const MonitorExposureConfig config_;
  std::map<std::string, Side> vantages_;
  NameTroubles names_;
  uint64_t sequence_ = 0;
};

// The lines of the real one.
std::string EventLine(const ExposureEvent& e);
std::string ProbeLine(const ConfirmationProbe& p);
std::string SettledLine(const std::string& vantage, const Subject& s, SettledAs as);

}  // namespace portolan
