#include "coordinator/exposure/expectations.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

constexpr size_t kMaxIdLength = 100;

bool IsWildcard(std::string_view name) { return name.size() > 2 && name.substr(0, 2) == "*."; }

absl::Status CheckRequired(const ExposureRule& rule, const PortSet& ports) {
  const bool wildcard = std::any_of(rule.names.begin(), rule.names.end(), IsWildcard);
  if (wildcard || (rule.addresses.empty() && rule.names.empty()) || ports.empty()) {
    return InvalidArgument(
        "expectation \"{}\": must-be-open needs targets without wildcards, and ports: name them",
        rule.id);
  }
  // Divided, because an IPv6 prefix times its ports is more than any number here.
  const uint128 targets = rule.addresses.size() + rule.names.size();
  if (targets > kMaxRequiredSubjects / ports.size()) {
    return InvalidArgument(
        "expectation \"{}\": must-be-open names more than {} pairs of target and port: narrow it",
        rule.id, kMaxRequiredSubjects);
  }
  return absl::OkStatus();
}

void AddRequired(const ExposureRule& rule, const PortSet& ports, std::vector<Subject>& out) {
  std::vector<TargetKey> targets;
  for (uint128 i = 0; i < rule.addresses.size(); ++i) {
    targets.push_back(TargetKey::Of(rule.addresses.Select(i)));
  }
  for (const std::string& name : rule.names) targets.push_back(TargetKey::OfName(name));
  for (const TargetKey& target : targets) {
    for (uint32_t i = 0; i < ports.size(); ++i) out.push_back({target, ports.Select(i)});
  }
}

}  // namespace

absl::StatusOr<ExpectationSet> ExpectationSet::Make(std::vector<ExposureRule> rules) {
  if (rules.size() > kMaxExpectationRules) {
    return InvalidArgument("{} expectations: at most {}", rules.size(), kMaxExpectationRules);
  }
  ExpectationSet set;
  std::set<std::string> ids;
  for (const ExposureRule& rule : rules) {
    if (rule.id.empty() || rule.id.size() > kMaxIdLength || !ids.insert(rule.id).second) {
      return InvalidArgument(
          "expectation \"{}\": every rule needs an id of its own, of at most {} characters",
          literal::Printable(rule.id), kMaxIdLength);
    }
    Compiled c;
    c.all_ports = rule.ports.empty();
    c.all_targets = rule.addresses.empty() && rule.names.empty();
    c.ports = rule.ports;
    for (const std::string& name : rule.names) {
      const std::string key(TargetKey::OfName(name).name());
      if (IsWildcard(key)) {
        c.suffixes.push_back(key.substr(1));
      } else {
        c.names.insert(key);
      }
    }
    if (rule.action == ExpectAction::kMustBeOpen) {
      PORTOLAN_RETURN_IF_ERROR(CheckRequired(rule, c.ports));
      AddRequired(rule, c.ports, set.required_);
    }
    set.compiled_.push_back(std::move(c));
    if (set.required_.size() > kMaxRequiredSubjects) {
      return InvalidArgument(
          "expectation \"{}\": with it, the must-be-open rules name {} pairs of target and port; "
          "at most {}: narrow them",
          rule.id, set.required_.size(), kMaxRequiredSubjects);
    }
  }
  std::sort(set.required_.begin(), set.required_.end());
  set.required_.erase(std::unique(set.required_.begin(), set.required_.end()), set.required_.end());
  set.rules_ = std::move(rules);
  return set;
}

bool ExpectationSet::Matches(size_t i, const Subject& subject, std::string_view vantage,
                             VantageRole side) const {
  const ExposureRule& rule = rules_[i];
  const Compiled& c = compiled_[i];
  if (!c.all_ports && !c.ports.Contains(subject.port)) return false;
  if (rule.side && *rule.side != side) return false;
  if (!rule.vantages.empty() && rule.vantages.count(std::string(vantage)) == 0) return false;
  if (c.all_targets) return true;
  if (const IpAddress* address = subject.target.address()) return rule.addresses.Contains(*address);
  const std::string_view name = subject.target.name();
  return c.names.count(name) > 0 ||
         std::any_of(c.suffixes.begin(), c.suffixes.end(), [&](const std::string& s) {
           return name.size() > s.size() && name.substr(name.size() - s.size()) == s;
         });
}

const ExposureRule* ExpectationSet::Find(const Subject& subject, std::string_view vantage,
                                         VantageRole side, WallTime now) const {
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (!IsExpired(rules_[i], now) && Matches(i, subject, vantage, side)) return &rules_[i];
  }
  return nullptr;
}

}  // namespace portolan
