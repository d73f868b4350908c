#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/exposure/baseline.h"
#include "coordinator/exposure/canaries.h"
#include "coordinator/exposure/confirmations.h"
#include "coordinator/exposure/expectations.h"
#include "coordinator/exposure/exposure_class.h"
#include "coordinator/exposure/findings.h"
#include "coordinator/exposure/names.h"
#include "coordinator/exposure/unknown.h"

namespace portolan {

// What a monitor's specification says of exposure.
struct MonitorExposureConfig {
  std::string monitor;
  std::map<std::string, VantageRole> vantages;
  ConfirmationOptions confirmation;
  CanaryOptions canaries;
  std::vector<Canary> given_canaries;  // of every vantage
  ExpectationSet expectations;
  size_t max_findings_per_rule = 1'000;
};

// What became of one vantage's part of a run.
enum class RunUse : uint8_t {
  kFolded = 1,      // complete, and held against the baseline
  kIncomplete = 2,  // openings only
  kDiscarded = 3,   // the vantage was quarantined before, during or after it
  kUnknown = 4,     // the monitor has no such vantage, or it came twice
};
struct RunPart {
  RunUse use = RunUse::kFolded;
  uint64_t candidates = 0;       // differences found, those of a mass change too
  uint64_t without_outcome = 0;  // open in the baseline, and nothing known of them in this run
  std::vector<Subject> added, removed;  // of the baseline, silently
  friend bool operator==(const RunPart&, const RunPart&) = default;
};

// What a call asks of its caller: to store, to tell and to probe.
struct ExposureStep {
  ConfirmationStep confirmation;  // probes to be made, settled changes, events
  FindingBoard::Changes findings;
  std::map<std::string, RunPart> runs;  // OnRun only
  friend bool operator==(const ExposureStep&, const ExposureStep&) = default;
};

// The exposure of one monitor: baselines, canaries, confirmations and findings, in the one order in
// which they are right together. Pure and deterministic: the same calls give the same steps; no
// I/O, no clock (callers pass `now`). Not thread-safe.
//
// A run: OnVerdict(before) for each vantage, OnVerdict(during) any number of times,
// OnVerdict(after), then OnRun with all its vantages. Between runs OnAnswer and Tick.
//
// To survive a restart, the caller stores what changed of the parts below together with the step's
// events (in one transaction, else an event may be told twice or never), and restores them all. The
// probes that were out are confirmations().Outstanding().
class MonitorExposure {
 public:
  struct State {
    std::map<std::string, VantageBaseline> baselines;  // by vantage, as the next two
    std::map<std::string, VantageHealth> health;
    std::map<std::string, std::vector<Canary>> canaries;
    Confirmations::State confirmations;
    FindingBoard::State findings;
    NameTroubles names;  // that lead nowhere, as of the last lookup
    WallTime looked_up;  // when a run last looked up its names; epoch 0: never
    WallTime evaluated;  // when findings were last brought up to date
    bool stale = true;   // and whether something changed since
    friend bool operator==(const State&, const State&) = default;
  };

  // CHECKs CheckConfirmationOptions.
  explicit MonitorExposure(MonitorExposureConfig config);
  // Another specification of the same monitor. Vantages that it no longer has are forgotten without
  // events; findings follow at the next Tick.
  void Configure(MonitorExposureConfig config);
  void Restore(State state);
  State Snapshot() const;  // a copy of everything: O(open ports)

  // NotFound: no such vantage.
  absl::StatusOr<ExposureStep> OnVerdict(const std::string& vantage, const CanaryVerdict& verdict,
                                         CanaryPhase phase, WallTime now);
  // Names of targets and exclusions were looked up. `ended`: by a run that has ended: `troubles`
  // are all there are, and findings about others resolve. Else by one that goes on: they are added
  // to those that are known. Call it before OnRun. `since` of the troubles does not matter.
  ExposureStep OnNames(NameTroubles troubles, bool ended, WallTime now);
  // Never fails: parts that cannot be used are told as such.
  ExposureStep OnRun(std::vector<VantageRun> run, WallTime now);
  ExposureStep OnAnswer(const ConfirmationAnswer& answer, WallTime now);
  // Every some seconds. Brings findings up to date when something changed: O(open ports x rules).
  ExposureStep Tick(WallTime now);
  // A person accepts what the vantage's next complete run sees as the new baseline, without events:
  // the way out of a mass change that is wanted. NotFound: no such vantage.
  absl::Status AcceptNextRun(const std::string& vantage);

  const std::map<std::string, VantageBaseline>& baselines() const { return baselines_; }
  const std::map<std::string, VantageHealth>& health() const { return health_; }
  // What to probe before, during and after the next run. Empty: no canary is possible yet.
  const std::map<std::string, std::vector<Canary>>& canaries() const { return canaries_; }
  const Confirmations& confirmations() const { return confirmations_; }
  const FindingBoard& findings() const { return findings_; }
  const MonitorExposureConfig& config() const { return config_; }
  const NameTroubles& names() const { return names_; }
  WallTime looked_up() const { return looked_up_; }
  struct Moment {
    WallTime evaluated;
    bool stale = true;
  };
  Moment moment() const { return {evaluated_, stale_}; }  // see State

  // What each vantage is known to see of a subject, from the baselines; in the order of vantages.
  // What a name led to before is not known of it once it leads nowhere.
  std::vector<VantageView> ViewsOf(const Subject& subject) const;
  Comparison Compare(const Subject& subject) const { return CompareVantages(ViewsOf(subject)); }
  // Why ViewsOf has no outcome of it from a vantage; nullopt: it has one, or there is no such
  // vantage. kNoOutcome: the baseline does not say; the results of its last run may.
  std::optional<Unknown> WhyUnknown(const Subject& subject, const std::string& vantage) const;
  // The rule that decides; nullptr: none, or no such vantage.
  const ExposureRule* RuleFor(const Subject& subject, const std::string& vantage,
                              WallTime now) const;

 private:
  struct Accepted {  // a part of a run that counts
    OutcomeLookup lookup;
    bool complete = false;
    std::vector<ChangeCandidate> candidates;
    std::optional<WallTime> mass_since;  // there was a mass change before it
  };
  RunPart Fold(VantageRun run, WallTime now, std::map<std::string, Accepted>& accepted);
  void RememberNotOpen(const std::string& vantage, const Accepted& part,
                       const std::map<std::string, Accepted>& accepted);
  void AddEvidence(const std::map<std::string, Accepted>& accepted, ChangeCandidate& c) const;
  void StartConfirmation(const std::string& vantage, Accepted& part, WallTime now,
                         ConfirmationStep& step);
  void Settle(const ConfirmationStep& step);
  void DropVantages();

  // monitor_findings.cc
  FindingBoard::Changes Evaluate(WallTime now);
  void OfferPorts(const std::string& vantage, VantageRole side, WallTime now);
  void OfferVantage(const std::string& vantage);
  void OfferMonitor(WallTime now);
  // name_findings.cc
  void OfferNames(WallTime now);
  struct Behind {  // a name that leads nowhere
    Severity severity = Severity::kMedium;
    std::string owner;
    uint64_t required = 0;  // of its ports: must be open
    bool any = false;       // a must-be-open rule decides for one of them; else the default
  };
  Behind WhatIsBehind(const std::string& name, bool excludes, WallTime now) const;
  bool RuleExpiredSince(WallTime then, WallTime now) const;
  // Why nothing of a subject is known from a vantage whatever the baseline holds; nullopt: it
  // counts.
  std::optional<UnknownCause> Discounted(const Subject& subject, const std::string& vantage) const;

  MonitorExposureConfig config_;
  std::map<std::string, VantageBaseline> baselines_;
  std::map<std::string, VantageHealth> health_;
  std::map<std::string, std::vector<Canary>> canaries_;
  Confirmations confirmations_;
  FindingBoard findings_;
  NameTroubles names_;
  WallTime looked_up_;
  WallTime evaluated_;
  bool stale_ = true;
};

}  // namespace portolan
