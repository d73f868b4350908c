#include "coordinator/exposure/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace portolan {
namespace {

// So that a '/' in a rule's id cannot make two keys one.
std::string Escaped(std::string_view part) {
  std::string text;
  for (const char c : part) {
    if (c == '/' || c == '%' || static_cast<unsigned char>(c) <= ' ') {
      text += fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string_view FindingKindName(FindingKind k) {
  switch (k) {
    case FindingKind::kMustNotBeOpen:
      return "must-not-be-open";
    case FindingKind::kMustBeOpen:
      return "must-be-open";
    case FindingKind::kRuleExpired:
      return "rule-expired";
    case FindingKind::kQuarantined:
      return "vantage-quarantined";
    case FindingKind::kNoCanaries:
      return "no-canaries";
    case FindingKind::kNameUnresolved:
      return "name-unresolved";
    case FindingKind::kAnswersEverywhere:
      return "answers-everywhere";
    case FindingKind::kSynProxy:
      return "syn-proxy";
    case FindingKind::kMassChange:
      return "mass-change";
    case FindingKind::kFlapping:
      return "flapping";
    case FindingKind::kNameNotFound:
      return "name-not-found";
    case FindingKind::kNameNotLookedUp:
      return "name-not-looked-up";
    case FindingKind::kNameOutOfScope:
      return "name-out-of-scope";
  }
  return "unknown";
}

std::string FindingKey::ToString() const {
  return fmt::format("{}/{}/{}/{}/{}", FindingKindName(kind), Escaped(rule), Escaped(vantage),
                     target ? Escaped(target->ToString()) : "", port ? std::to_string(*port) : "");
}

void FindingBoard::Changes::Add(Changes other) {
  found.insert(found.end(), std::make_move_iterator(other.found.begin()),
               std::make_move_iterator(other.found.end()));
  resolved.insert(resolved.end(), std::make_move_iterator(other.resolved.begin()),
                  std::make_move_iterator(other.resolved.end()));
}

void FindingBoard::Begin() { round_ = Round(); }

void FindingBoard::Offer(const FindingKey& key, const std::function<Finding()>& make) {
  const Rule rule(key.kind, key.rule);
  ++round_.total[rule];
  const auto open = state_.open.find(key);
  std::vector<Finding>* fresh = nullptr;
  if (open == state_.open.end()) {
    fresh = &round_.fresh[rule];
    if (fresh->size() >= max_per_rule_) return;
  }
  Finding finding = make();
  finding.key = key;
  finding.resolved = WallTime();
  if (fresh != nullptr) {
    fresh->push_back(std::move(finding));
    return;
  }
  finding.found = open->second.found;
  if (finding.since == WallTime()) finding.since = open->second.since;
  if (round_.kept.insert_or_assign(key, std::move(finding)).second) ++round_.kept_count[rule];
}

FindingBoard::Changes FindingBoard::End(WallTime now) {
  Changes changes;
  std::vector<Finding> worse;
  for (auto& [key, finding] : state_.open) {
    if (const auto kept = round_.kept.find(key); kept != round_.kept.end()) {
      if (kept->second.severity <= finding.severity) continue;
      kept->second.found = now;
      worse.push_back(kept->second);
      continue;
    }
    finding.resolved = now;
    changes.resolved.push_back(std::move(finding));
  }
  state_.open = std::move(round_.kept);
  std::map<FindingKey, Finding> found;
  for (auto& [rule, fresh] : round_.fresh) {
    const size_t kept = round_.kept_count[rule];
    for (size_t i = 0; i < fresh.size() && kept + i < max_per_rule_; ++i) {
      fresh[i].found = now;
      if (fresh[i].since == WallTime()) fresh[i].since = now;
      found.emplace(fresh[i].key, fresh[i]);
    }
  }
  for (auto& [key, finding] : found) {
    changes.found.push_back(finding);
    state_.open.emplace(key, std::move(finding));
  }
  changes.found.insert(changes.found.end(), worse.begin(), worse.end());
  std::sort(changes.found.begin(), changes.found.end(),
            [](const Finding& a, const Finding& b) { return a.key < b.key; });
  state_.total = std::move(round_.total);
  round_ = Round();
  return changes;
}

}  // namespace portolan
