// Names that lead nowhere, as findings: one for each cause, however many ports are behind it.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/counted.h"
#include "coordinator/exposure/monitor_exposure.h"

namespace portolan {
namespace {

constexpr size_t kNamed = 5;  // in one sentence

FindingKey KeyOf(FindingKind kind) {
  FindingKey key;
  key.kind = kind;
  key.rule = std::string(FindingKindName(kind));
  return key;
}

// "; 3 of them must be open"
std::string Required(uint64_t n) {
  if (n == 0) return "";
  return n == 1 ? "; one of them must be open" : fmt::format("; {} of them must be open", n);
}

std::string FoundText(const std::string& name, const NameTrouble& t, uint64_t required) {
  const char* why = t.problem == NameProblem::kNoSuchName  ? "does not exist"
                    : t.problem == NameProblem::kNoAddress ? "has no address"
                                                           : "leads to nothing that may be scanned";
  const std::string where = t.problem == NameProblem::kOutOfScope && !t.detail.empty()
                                ? fmt::format(" ({})", t.detail)
                                : "";
  if (t.excludes) {
    return fmt::format(
        "the excluded name {} {}{}: nothing is probed, as what was to be left out might be", name,
        why, where);
  }
  return fmt::format("the name {} {}{}: what its ports are is not known{}", name, why, where,
                     Required(required));
}

const char* RemedyOf(const NameTrouble& t) {
  if (t.problem == NameProblem::kOutOfScope) {
    return "see where the name should lead; to scan it there, allow the addresses in the "
           "coordinator's scope";
  }
  if (t.excludes) return "see whether the record was removed on purpose; if so, write the address";
  return "see whether the record was removed on purpose; if so, remove the target";
}

}  // namespace

// The rule that decides for each of its ports that must be open. Of an exclusion: of all ports, as
// none is probed without it.
MonitorExposure::Behind MonitorExposure::WhatIsBehind(const std::string& name, bool excludes,
                                                      WallTime now) const {
  Behind out;
  const std::vector<Subject>& required = config_.expectations.required();
  const TargetKey target = TargetKey::OfName(name);
  auto it = excludes ? required.begin()
                     : std::lower_bound(required.begin(), required.end(), Subject{target, 0});
  for (; it != required.end() && (excludes || it->target == target); ++it) {
    bool counted = false;
    for (const auto& [vantage, side] : config_.vantages) {
      const ExposureRule* rule = config_.expectations.Find(*it, vantage, side, now);
      if (rule == nullptr || rule->action != ExpectAction::kMustBeOpen) continue;
      if (!counted) ++out.required;
      counted = true;
      if (out.any && rule->severity <= out.severity) continue;
      out.any = true;
      out.severity = rule->severity;
      out.owner = rule->owner;
    }
  }
  return out;
}

void MonitorExposure::OfferNames(WallTime now) {
  // What an older version stored says that names have no address, and not why.
  NameTroubles old;
  if (looked_up_ == WallTime() && names_.empty()) {
    for (const auto& [vantage, baseline] : baselines_) {
      for (const auto& [name, since] : baseline.unresolved) {
        NameTrouble& t = old[name];
        t.since = t.since == WallTime() ? since : std::min(t.since, since);
      }
    }
  }
  std::vector<const std::string*> not_asked;
  WallTime since;
  std::string detail;
  Behind worst;
  uint64_t required = 0;
  bool excludes = false;
  for (const auto& [name, t] : looked_up_ == WallTime() && names_.empty() ? old : names_) {
    const Behind behind = WhatIsBehind(name, t.excludes, now);
    if (t.problem == NameProblem::kCouldNotAsk) {
      if (not_asked.empty() || t.since < since) since = t.since;
      if (detail.empty()) detail = t.detail;
      if (behind.any && (!worst.any || behind.severity > worst.severity)) worst = behind;
      if (!t.excludes) required += behind.required;
      excludes |= t.excludes;
      not_asked.push_back(&name);
      continue;
    }
    FindingKey key = KeyOf(t.problem == NameProblem::kOutOfScope ? FindingKind::kNameOutOfScope
                                                                 : FindingKind::kNameNotFound);
    key.target = TargetKey::OfName(name);
    findings_.Offer(key, [&, n = &name, trouble = &t] {
      Finding f;
      f.severity = behind.severity;
      f.since = trouble->since;
      f.owner = behind.owner;
      f.text = FoundText(*n, *trouble, behind.required);
      f.remedy = RemedyOf(*trouble);
      return f;
    });
  }
  if (not_asked.empty()) return;
  // A resolver that is down is one cause, whoever asks it for what.
  findings_.Offer(KeyOf(FindingKind::kNameNotLookedUp), [&] {
    Finding f;
    f.severity = worst.severity;
    f.since = since;
    f.owner = worst.owner;
    std::string which;
    for (size_t i = 0; i < std::min(not_asked.size(), kNamed); ++i)
      which += (i == 0 ? "" : ", ") + *not_asked[i];
    if (not_asked.size() > kNamed) which += ", ...";
    f.text =
        fmt::format("{} could not be looked up{}: {}; {}{}",
                    not_asked.size() == 1 ? "one name" : Counted(not_asked.size(), "name", "names"),
                    detail.empty() ? "" : fmt::format(" ({})", detail), which,
                    excludes ? "nothing is probed, as what was to be left out might be"
                             : "what their ports are is not known",
                    Required(required));
    f.remedy =
        "see to the name servers that the coordinator asks (/etc/resolv.conf) and to the way "
        "there; "
        "the next run looks them up again";
    return f;
  });
}

}  // namespace portolan
