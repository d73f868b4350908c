#include "common/scope/exclusion_request.h"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

constexpr size_t kMaxRanges = 100'000;
constexpr size_t kMaxNames = 1'000;

ScopeRule RuleOf(const IpRange& range, std::optional<uint16_t> port, std::string_view name) {
  ScopeRule rule;
  rule.addresses = IpSet::Of({range});
  rule.text = range.ToString();
  if (port) {
    rule.ports = PortSet::Of({{*port, *port}});
    rule.text += fmt::format(" {}", *port);
  }
  if (!name.empty()) rule.text += fmt::format(" # {}", name);
  return rule;
}

// A text such as "10.0.0.1 22,x" is a scope rule with a mistake rather than two targets.
bool MeansPorts(std::string_view text) {
  const size_t blank = text.find_first_of(" \t");
  if (blank == text.npos) return false;
  const size_t second = text.find_first_not_of(" \t", blank);
  if (second == text.npos || text.find_first_of(".:", second) != text.npos) return false;
  return literal::IsDigit(text[second]) && ParseScopeRule(text.substr(0, blank)).ok();
}

}  // namespace

absl::StatusOr<ExclusionRequest> ExclusionRequest::Parse(const std::vector<std::string>& texts) {
  ExclusionRequest out;
  std::vector<std::string> lists(texts.size());
  TargetProblems problems;
  for (size_t i = 0; i < texts.size(); ++i) {
    absl::StatusOr<ScopeRule> rule = ParseScopeRule(texts[i]);
    if (rule.ok() && !rule->is_none()) {
      out.rules_.push_back(*std::move(rule));
    } else if (rule.ok() || MeansPorts(texts[i])) {
      TargetProblem p;
      p.expression = i;
      p.entry = literal::Printable(texts[i]);
      p.problem = rule.ok() ? "excludes nothing; name addresses, or leave it out"
                            : std::string(Message(rule.status()));
      problems.Add(std::move(p));
    } else {
      lists[i] = texts[i];
    }
  }
  PORTOLAN_ASSIGN_OR_RETURN(out.targets_, ParseTargets(lists, kMaxRanges));
  for (const TargetProblem& p : out.targets_.problems().first()) problems.Add(p);
  if (!problems.empty()) return problems.ToStatus("rules");
  if (out.names().size() > kMaxNames) {
    return ResourceExhausted("rules: {} names; at most {} at once: exclude them in parts",
                             out.names().size(), kMaxNames);
  }
  out.ports_.resize(out.names().size());
  for (const ParsedTargets::NameUse& use : out.targets_.name_uses())
    out.ports_[use.name].push_back(use.port);
  const TargetList list = out.targets_.WithoutNames();
  for (const IpRange& range : list.addresses.ranges())
    out.rules_.push_back(RuleOf(range, std::nullopt, ""));
  for (const TargetList::Endpoint& e : list.endpoints)
    out.rules_.push_back(RuleOf({e.address, e.address}, e.port, ""));
  if (out.rules_.empty() && out.names().empty()) {
    return InvalidArgument(
        "rules: empty; name what to exclude, for example \"10.0.0.0/8\" or \"10.0.0.1:22\"");
  }
  return out;
}

void ExclusionRequest::AppendRules(size_t name, const std::vector<IpAddress>& addresses,
                                   std::vector<ScopeRule>* out) const {
  for (const std::optional<uint16_t>& port : ports_[name]) {
    for (const IpAddress& a : addresses) out->push_back(RuleOf({a, a}, port, names()[name]));
  }
}

std::vector<ScopeRule> ExclusionRequest::KnownNames(const std::vector<ResolvedName>& known) const {
  std::unordered_map<std::string, size_t> wanted;
  for (size_t i = 0; i < names().size(); ++i) wanted.emplace(NormalisedName(names()[i]), i);
  std::vector<ScopeRule> out;
  if (wanted.empty()) return out;
  for (const ResolvedName& name : known) {
    const auto it = wanted.find(NormalisedName(name.name));
    if (it != wanted.end()) AppendRules(it->second, name.addresses, &out);
  }
  return out;
}

std::vector<ScopeRule> ExclusionRequest::LookedUp(const std::vector<NameAnswer>& answers) const {
  std::vector<ScopeRule> out;
  for (size_t i = 0; i < names().size(); ++i) AppendRules(i, answers[i].addresses, &out);
  return out;
}

TargetProblems ExclusionRequest::Unknown(const std::vector<NameAnswer>& answers,
                                         const std::vector<ResolvedName>& known) const {
  std::unordered_set<std::string> fine;
  for (const ResolvedName& name : known) fine.insert(NormalisedName(name.name));
  TargetProblems out;
  for (const ParsedTargets::NameUse& use : targets_.name_uses()) {
    const NameAnswer& answer = answers[use.name];
    const std::string& name = names()[use.name];
    if (!answer.addresses.empty() || fine.count(NormalisedName(name)) > 0) continue;
    TargetProblem p;
    p.expression = use.expression;
    p.place = use.place;
    p.entry = literal::Printable(name);
    p.lookup = answer.problem.value_or(LookupProblem::kNoAddress);
    p.problem = LookupProblemText(*p.lookup, answer.detail);
    out.Add(std::move(p));
  }
  return out;
}

}  // namespace portolan
