#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/monitor/monitor_spec.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "coordinator/exposure/subject.h"

namespace portolan {

// What is expected of the ports of some targets from some vantages. A part that is empty is "all".
struct ExposureRule {
  std::string id;  // unique in its monitor
  // Targets: addresses match those that were given as addresses; names match those given as names,
  // "*.example" all below. (The address behind a name is evidence: a rule that followed it would
  // come and go with each answer of a round robin.) Both empty: all.
  IpSet addresses;
  std::vector<std::string> names;
  PortSet ports;                      // empty: all; those of `services` are in it
  std::vector<std::string> services;  // the service classes that the rule was written with
  std::set<std::string> vantages;     // empty: all
  std::optional<VantageRole> side;    // and of this side only
  ExpectAction action = ExpectAction::kMustNotBeOpen;
  Severity severity = Severity::kMedium;
  std::string owner, reason, remedy;  // shown with the finding; remedy empty: one is made
  std::optional<WallTime> expires;    // from then on it does not apply, which is a finding
};

inline constexpr size_t kMaxExpectationRules = 1'000;
// Pairs (target, port) that all must-be-open rules of a monitor may name: each is asked in each
// run.
inline constexpr size_t kMaxRequiredSubjects = 10'000;

// The rules of a monitor, in order. The first that matches decides, as in a firewall: what is
// narrow comes before what is wide, and the monitor's own rules come before profiles. Immutable.
class ExpectationSet {
 public:
  ExpectationSet() = default;
  // Of a monitor's specification, profiles included.
  static absl::StatusOr<ExpectationSet> Compile(const MonitorSpec& spec);
  // InvalidArgument: an id that is missing, long or repeated; a must-be-open rule that names no
  // targets, no ports, a wildcard, or too many pairs; too many rules.
  static absl::StatusOr<ExpectationSet> Make(std::vector<ExposureRule> rules);

  const std::vector<ExposureRule>& rules() const { return rules_; }
  static bool IsExpired(const ExposureRule& rule, WallTime now) {
    return rule.expires && *rule.expires <= now;
  }

  // The rule that decides about a subject from a vantage; nullptr: none, which expects nothing.
  const ExposureRule* Find(const Subject& subject, std::string_view vantage, VantageRole side,
                           WallTime now) const;
  // Every subject that a must-be-open rule names, sorted; at most kMaxRequiredSubjects.
  const std::vector<Subject>& required() const { return required_; }

 private:
  struct Compiled {
    PortSet ports;
    std::set<std::string, std::less<>> names;
    std::vector<std::string> suffixes;  // ".example"
    bool all_targets = false, all_ports = false;
  };
  bool Matches(size_t i, const Subject& subject, std::string_view vantage, VantageRole side) const;

  std::vector<ExposureRule> rules_;
  std::vector<Compiled> compiled_;  // of the same index
  std::vector<Subject> required_;
};

// ": REASON" for the end of a sentence about a rule and a port, or "" (RuleReason).
std::string BecauseText(const ExposureRule& rule, uint16_t port);
// What to do about a port that must not be open, or is not and must be.
std::string RemedyText(const ExposureRule& rule, const Subject& subject);

}  // namespace portolan
