#include <iterator>
#include <utility>

#include "common/base/status.h"
#include "coordinator/exposure/expectations.h"

namespace portolan {

absl::StatusOr<ExpectationSet> ExpectationSet::Compile(const MonitorSpec& spec) {
  std::vector<ExposureRule> rules;
  for (const ExpectationRule& rule : AllRules(spec)) {
    ExposureRule r;
    r.id = rule.name;
    PORTOLAN_ASSIGN_OR_RETURN(TargetNames targets, ParseTargetNames(rule.targets));
    r.addresses = std::move(targets.addresses);
    r.names = std::move(targets.names);
    if (!rule.ports.empty() || !rule.services.empty()) {
      PORTOLAN_ASSIGN_OR_RETURN(r.ports, RulePorts(rule));
    }
    r.services = rule.services;
    const std::vector<std::string> vantages = RuleVantages(rule, spec);
    r.vantages = {vantages.begin(), vantages.end()};
    r.side = rule.role;
    r.action = rule.action;
    r.severity = rule.severity;
    r.owner = rule.owner;
    r.reason = rule.reason;
    r.expires = rule.expires;
    // A rule that speaks of no vantage of the monitor matches nothing: left in, it would match all.
    if (!r.vantages.empty()) rules.push_back(std::move(r));
  }
  return Make(std::move(rules));
}

}  // namespace portolan
