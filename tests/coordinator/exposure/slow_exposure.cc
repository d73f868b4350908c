#include "tests/coordinator/exposure/slow_exposure.h"

#include <fmt/format.h>

#include <algorithm>

namespace portolan {
namespace {

std::string EventText(uint64_t sequence, const std::string& vantage, const Subject& s, Symbol from,
                      Symbol to, WallTime time, size_t trail) {
  return fmt::format("event {} {} {} {} -> {} at {} trail {}", sequence, vantage, s.ToString(),
                     SymbolText(from), SymbolText(to), ToUnixMicros(time), trail);
}
std::string ProbeText(const std::string& vantage, const Subject& s, uint32_t number, WallTime t) {
  return fmt::format("probe {} {} #{} at {}", vantage, s.ToString(), number, ToUnixMicros(t));
}
std::chrono::microseconds Micros(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d);
}
std::string NameOf(const Subject& s) { return std::string(s.target.name()); }

}  // namespace

std::string EventLine(const ExposureEvent& e) {
  return EventText(e.sequence, e.vantage, e.subject, e.from, e.to, e.time, e.trail.size());
}
std::string ProbeLine(const ConfirmationProbe& p) {
  return ProbeText(p.key.vantage, p.key.subject, p.number, p.not_before);
}
std::string SettledLine(const std::string& vantage, const Subject& s, SettledAs as) {
  return fmt::format("settled {} {} {}", vantage, s.ToString(), SettledAsName(as));
}

std::set<std::string> SlowExposure::Verdict(const std::string& vantage, CanaryState state,
                                            CanaryPhase phase) {
  Side& v = vantages_[vantage];
  if (v.canaries != CanaryState::kQuarantined || state != CanaryState::kUnknown) v.canaries = state;
  if (phase == CanaryPhase::kBefore) v.tainted = false;
  if (v.canaries == CanaryState::kQuarantined) {
    v.tainted = true;
    for (auto& [s, p] : v.at) p.pending.reset();
  }
  return {};
}

SlowExposure::Pending SlowExposure::Found(Symbol from, Symbol to, ChangeKind kind, WallTime when) {
  Pending p;
  p.from = from;
  p.to = to;
  p.kind = kind;
  p.seen = when;
  return p;
}

SlowExposure::Candidates SlowExposure::Fold(const Run& run, Side& v) {
  const bool silent = !v.established || (run.complete && v.accept);
  bool coverage_changes = false;
  std::set<TargetKey> covered_now, covered_before, targets, fresh;
  for (const Subject& s : universe_) {
    targets.insert(s.target);
    if (run.covered.count(s)) covered_now.insert(s.target);
    if (v.at[s].covered) covered_before.insert(s.target);
    if (run.complete && (run.covered.count(s) > 0) != v.at[s].covered) coverage_changes = true;
  }
  for (const TargetKey& t : targets) {
    const bool answers = run.folded.count(t) > 0 && covered_now.count(t) > 0;
    const bool was = v.folded.count(t) > 0;
    if (was && run.complete && !answers) {
      if (covered_now.count(t) && !v.folded[t]) fresh.insert(t);
      v.folded.erase(t);
    } else if (was && coverage_changes) {
      v.folded[t] = false;
    } else if (!was && answers) {
      v.folded[t] = covered_before.count(t) > 0 && !coverage_changes && !silent;
    }
  }
  Candidates candidates;
  for (const Subject& s : universe_) {
    Position& p = v.at[s];
    const bool covered = run.covered.count(s) > 0, folded = v.folded.count(s.target) > 0;
    const bool is_new = silent || !p.covered || fresh.count(s.target) > 0;
    const auto it = run.seen.find(s);
    const std::optional<Symbol> seen =
        it == run.seen.end() ? std::nullopt : std::optional(it->second);
    const Symbol was{State::kOpen, p.reason};
    if (!covered) {
      if (run.complete) p.open = false;
      continue;
    }
    if (folded || !seen) continue;
    if (IsOpen(*seen) && p.open) {
      if (seen->reason != p.reason && !is_new) {
        candidates[s] = Found(was, *seen, ChangeKind::kReasonChanged, run.when);
      }
      if (is_new) p.reason = seen->reason;
    } else if (IsOpen(*seen) && is_new) {
      p.open = true;
      p.since = run.when;
      p.reason = seen->reason;
      p.gone.reset();
    } else if (IsOpen(*seen)) {
      candidates[s] = Found(p.gone.value_or(Symbol()), *seen, ChangeKind::kOpened, run.when);
    } else if (p.open && run.complete && is_new) {
      p.open = false;
    } else if (p.open && run.complete) {
      candidates[s] = Found(was, *seen, ChangeKind::kClosed, run.when);
    }
  }
  if (run.complete) {
    for (const Subject& s : universe_) {
      if (run.unresolved.count(NameOf(s)) == 0) v.at[s].covered = run.covered.count(s) > 0;
    }
    v.established = true;
    ++v.runs;
    v.unresolved = run.unresolved;
    v.mass = false;
  }
  for (auto& [s, p] : v.at) {
    const bool uncovered = run.complete && !p.covered;
    if (uncovered) {
      p.changes.clear();
      p.flapping = false;
    }
    const bool accepted = run.complete && v.accept;
    if (uncovered || accepted || v.folded.count(s.target)) p.pending.reset();
  }
  if (run.complete) v.accept = false;
  if (candidates.size() > config_.confirmation.max_active) {
    v.mass = true;
    candidates.clear();
  }
  return candidates;
}

void SlowExposure::Remember(const Run& run, const std::map<std::string, Candidates>& candidates) {
  Side& v = vantages_[run.vantage];
  const auto& required = config_.expectations.required();
  for (const Subject& s : universe_) {
    bool asked = std::count(required.begin(), required.end(), s) > 0;
    for (auto& [name, other] : vantages_) asked |= name != run.vantage && other.at[s].open;
    for (const auto& [name, list] : candidates) asked |= list.count(s) > 0;
    Position& p = v.at[s];
    if (!asked || p.open || !p.covered || v.folded.count(s.target)) p.gone.reset();
    const auto seen = run.seen.find(s);
    if (asked && run.has_lookup && !p.open && p.covered && v.folded.count(s.target) == 0 &&
        v.unresolved.count(NameOf(s)) == 0 && seen != run.seen.end() && IsGone(seen->second)) {
      p.gone = seen->second;
    }
  }
}

size_t SlowExposure::Active() const {
  size_t n = 0;
  for (const auto& [name, v] : vantages_) {
    for (const auto& [s, p] : v.at) n += p.pending.has_value();
  }
  return n;
}

SlowExposure::Lines SlowExposure::OnRun(const std::vector<Run>& runs, WallTime now) {
  Lines lines;
  std::map<std::string, Candidates> candidates;
  std::vector<const Run*> used;
  for (const Run& run : runs) {
    Side& v = vantages_[run.vantage];
    if (v.tainted || v.canaries == CanaryState::kQuarantined) continue;
    candidates[run.vantage] = Fold(run, v);
    used.push_back(&run);
  }
  for (const Run* run : used) {
    if (run->complete) Remember(*run, candidates);
  }
  for (const Run* run : used) {
    Side& v = vantages_[run->vantage];
    size_t fresh = 0;
    for (const auto& [s, c] : candidates[run->vantage]) fresh += !v.at[s].pending.has_value();
    const size_t active = Active();
    if (fresh > 0 && active + fresh > config_.confirmation.max_active) {
      v.mass = true;
      continue;
    }
    for (const auto& [s, c] : candidates[run->vantage]) {
      Position& p = v.at[s];
      if (p.pending) continue;
      p.pending = c;
      p.pending->latest = c.to;
      p.pending->trail = 1;
      p.pending->not_before = now + Micros(config_.confirmation.delay);
      for (const Run* other : used) {
        p.pending->trail += other != run && other->has_lookup && other->seen.count(s) > 0;
      }
      if (config_.confirmation.needed == 0) Confirmed(run->vantage, s, now, lines);
    }
  }
  return lines;
}

void SlowExposure::Event(const std::string& vantage, const Subject& s, Symbol from, Symbol to,
                         size_t trail, WallTime now, Lines& lines) {
  lines.push_back(EventText(++sequence_, vantage, s, from, to, now, trail));
}

void SlowExposure::Confirmed(const std::string& vantage, const Subject& s, WallTime now,
                             Lines& lines) {
  Position& p = vantages_[vantage].at[s];
  const Pending pending = *p.pending;
  p.pending.reset();
  p.changes.push_back(now);
  uint32_t late = 0;
  for (const WallTime t : p.changes) late += t > now - Micros(config_.confirmation.flap_window);
  if (!p.flapping && late > config_.confirmation.flap_changes) {
    p.flapping = true;
    p.told = pending.from;
    p.untold = 0;
  }
  p.now = pending.latest;
  if (p.flapping) {
    ++p.untold;
  } else {
    Event(vantage, s, pending.from, pending.latest, pending.trail, now, lines);
  }
  lines.push_back(
      SettledLine(vantage, s, p.flapping ? SettledAs::kFlapping : SettledAs::kConfirmed));
  if (IsOpen(pending.latest) && !p.open) p.since = pending.seen;
  p.open = IsOpen(pending.latest);
  p.gone.reset();
  if (p.open) p.reason = pending.latest.reason;
  if (!p.open) p.gone = pending.latest;
}

SlowExposure::Lines SlowExposure::OnAnswer(const ConfirmationAnswer& answer, WallTime now) {
  Lines lines;
  const auto& o = config_.confirmation;
  Position& p = vantages_[answer.key.vantage].at[answer.key.subject];
  if (!p.pending || p.pending->number != answer.number) return lines;
  Pending& c = *p.pending;
  const Symbol seen = answer.outcome.symbol;
  ++c.trail;
  ++c.number;
  c.not_before = now + Micros(o.delay);
  if (!IsObserved(seen)) {
    if (++c.lost > o.max_lost) {
      lines.push_back(SettledLine(answer.key.vantage, answer.key.subject, SettledAs::kAbandoned));
      p.pending.reset();
    }
    return lines;
  }
  bool agrees = IsOpen(seen);
  if (c.kind == ChangeKind::kClosed) agrees = !IsOpen(seen);
  if (c.kind == ChangeKind::kReasonChanged) agrees = seen == c.to;
  if (agrees) {
    ++c.agreed;
    c.latest = seen;
  } else {
    ++c.denied;
  }
  if (c.agreed >= o.needed) {
    Confirmed(answer.key.vantage, answer.key.subject, now, lines);
  } else if (c.denied + o.needed > o.probes) {
    lines.push_back(SettledLine(answer.key.vantage, answer.key.subject, SettledAs::kTransient));
    p.pending.reset();
  }
  return lines;
}

SlowExposure::Lines SlowExposure::Tick(WallTime now) {
  Lines lines;
  const auto& o = config_.confirmation;
  for (auto& [name, v] : vantages_) {
    for (auto& [s, p] : v.at) {
      if (!p.pending || now <= p.pending->not_before + Micros(o.answer_within)) continue;
      Lines lost = OnAnswer({{name, s}, p.pending->number, {}}, now);
      lines.insert(lines.end(), lost.begin(), lost.end());
    }
  }
  for (auto& [name, v] : vantages_) {
    for (auto& [s, p] : v.at) {
      if (!p.flapping || now < p.changes.back() + Micros(o.stable_for)) continue;
      if (p.told != p.now && (IsOpen(p.told) || IsOpen(p.now))) {
        Event(name, s, p.told, p.now, 1, now, lines);
      }
      p.flapping = false;
      p.changes.clear();
    }
  }
  return lines;
}

SlowExposure::Lines SlowExposure::Outstanding() const {
  Lines lines;
  for (const auto& [name, v] : vantages_) {
    for (const auto& [s, p] : v.at) {
      if (p.pending) lines.push_back(ProbeText(name, s, p.pending->number, p.pending->not_before));
    }
  }
  return lines;
}

SlowExposure::Lines SlowExposure::Open() const {
  Lines lines;
  for (const auto& [name, v] : vantages_) {
    for (const auto& [s, p] : v.at) {
      if (p.open) {
        lines.push_back(fmt::format("{} {} {} since {}", name, s.ToString(), ReasonName(p.reason),
                                    ToUnixMicros(p.since)));
      }
      if (p.gone) lines.push_back(fmt::format("{} {} {}", name, s.ToString(), SymbolText(*p.gone)));
    }
  }
  return lines;
}

std::set<std::string> SlowExposure::Findings(WallTime now) const {
  std::set<std::string> keys;
  for (const auto& [name, v] : vantages_) {
    for (const auto& [s, p] : v.at) {
      const std::string where = fmt::format("{}/{}/{}", name, s.target.ToString(), s.port);
      if (p.flapping) keys.insert("flapping/flapping/" + where);
      if (!p.open && !p.gone) continue;
      if (p.open && v.folded.count(s.target)) continue;
      const ExposureRule* rule = config_.expectations.Find(s, name, config_.vantages.at(name), now);
      if (rule == nullptr) continue;
      if (p.open && rule->action == ExpectAction::kMustNotBeOpen) {
        keys.insert(fmt::format("must-not-be-open/{}/{}", rule->id, where));
      }
      if (p.gone && rule->action == ExpectAction::kMustBeOpen) {
        keys.insert(fmt::format("must-be-open/{}/{}", rule->id, where));
      }
    }
    if (v.canaries == CanaryState::kQuarantined) {
      keys.insert("vantage-quarantined/vantage-quarantined/" + name + "//");
    }
    if (v.canaries == CanaryState::kUnknown && v.runs > config_.canaries.stable_runs) {
      keys.insert("no-canaries/no-canaries/" + name + "//");
    }
    if (v.mass) keys.insert("mass-change/mass-change/" + name + "//");
    for (const auto& [target, known] : v.folded) {
      keys.insert(fmt::format("syn-proxy/syn-proxy/{}/{}/", name, target.ToString()));
    }
  }
  for (const auto& [n, trouble] : names_) {
    if (trouble.problem == NameProblem::kCouldNotAsk) {
      keys.insert("name-not-looked-up/name-not-looked-up///");
    } else if (trouble.problem == NameProblem::kOutOfScope) {
      keys.insert(fmt::format("name-out-of-scope/name-out-of-scope//{}/", n));
    } else {
      keys.insert(fmt::format("name-not-found/name-not-found//{}/", n));
    }
  }
  for (const ExposureRule& rule : config_.expectations.rules()) {
    if (rule.expires && *rule.expires <= now) {
      keys.insert(fmt::format("rule-expired/{}///", rule.id));
    }
  }
  return keys;
}

}  // namespace portolan
