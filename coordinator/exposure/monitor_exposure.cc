#include "coordinator/exposure/monitor_exposure.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"

namespace portolan {
namespace {

absl::Status NoVantage(const std::string& monitor, const std::string& vantage) {
  return NotFound("monitor \"{}\" has no vantage \"{}\": use one of its specification", monitor,
                  vantage);
}

}  // namespace

MonitorExposure::MonitorExposure(MonitorExposureConfig config)
    : config_(std::move(config)),
      confirmations_(config_.monitor, config_.confirmation),
      findings_(config_.max_findings_per_rule) {
  DropVantages();
}

void MonitorExposure::Configure(MonitorExposureConfig config) {
  // Moved: a copy of some thousand open ports for each monitor that is applied anew takes long.
  State state{std::move(baselines_),
              std::move(health_),
              std::move(canaries_),
              confirmations_.state(),
              findings_.state(),
              std::move(names_),
              looked_up_,
              evaluated_,
              true};
  *this = MonitorExposure(std::move(config));
  Restore(std::move(state));
}

void MonitorExposure::Restore(State state) {
  baselines_ = std::move(state.baselines);
  health_ = std::move(state.health);
  canaries_ = std::move(state.canaries);
  confirmations_.Restore(std::move(state.confirmations));
  findings_.Restore(std::move(state.findings));
  names_ = std::move(state.names);
  looked_up_ = state.looked_up;
  evaluated_ = state.evaluated;
  stale_ = state.stale;
  DropVantages();
}

MonitorExposure::State MonitorExposure::Snapshot() const {
  return {baselines_, health_,    canaries_, confirmations_.state(), findings_.state(), names_,
          looked_up_, evaluated_, stale_};
}

// Those that the specification no longer has; and begins those that are new.
void MonitorExposure::DropVantages() {
  const auto gone = [&](const auto& entry) { return config_.vantages.count(entry.first) == 0; };
  std::erase_if(baselines_, gone);
  std::erase_if(health_, gone);
  std::erase_if(canaries_, gone);
  confirmations_.Drop(
      [&](const ChangeKey& key) { return config_.vantages.count(key.vantage) == 0; }, true);
  for (const auto& [vantage, side] : config_.vantages) {
    baselines_.try_emplace(vantage);
    health_.try_emplace(vantage);
    const auto [it, is_new] = canaries_.try_emplace(vantage);
    if (is_new) it->second = ChooseCanaries(config_.given_canaries, {}, {}, {}, config_.canaries);
  }
}

absl::StatusOr<ExposureStep> MonitorExposure::OnVerdict(const std::string& vantage,
                                                        const CanaryVerdict& verdict,
                                                        CanaryPhase phase, WallTime now) {
  const auto it = health_.find(vantage);
  if (it == health_.end()) return NoVantage(config_.monitor, vantage);
  const CanaryState before = it->second.verdict.state;
  TakeVerdict(verdict, phase, now, it->second);
  const CanaryState after = it->second.verdict.state;
  ExposureStep step;
  if (after == CanaryState::kQuarantined) {
    // What is probed from here now proves nothing; the next run finds again what is true.
    confirmations_.Drop([&](const ChangeKey& key) { return key.vantage == vantage; }, false);
  }
  if (before != after) step.findings = Evaluate(now);
  return step;
}

ExposureStep MonitorExposure::OnNames(NameTroubles troubles, bool ended, WallTime now) {
  ExposureStep step;
  for (auto& [name, trouble] : troubles) {
    const auto before = names_.find(name);
    trouble.since = before == names_.end() ? now : before->second.since;
  }
  if (!ended) {
    NameTroubles all = names_;
    for (auto& [name, trouble] : troubles) all[name] = std::move(trouble);
    troubles = std::move(all);
  } else {
    looked_up_ = now;
  }
  if (troubles == names_) return step;
  names_ = std::move(troubles);
  step.findings = Evaluate(now);
  return step;
}

ExposureStep MonitorExposure::OnRun(std::vector<VantageRun> run, WallTime now) {
  ExposureStep step;
  std::map<std::string, Accepted> accepted;
  std::sort(run.begin(), run.end(),
            [](const VantageRun& a, const VantageRun& b) { return a.vantage < b.vantage; });
  for (VantageRun& part : run) {
    const std::string vantage = part.vantage;
    if (config_.vantages.count(vantage) == 0 || step.runs.count(vantage) > 0) {
      step.runs.try_emplace(vantage).first->second.use = RunUse::kUnknown;
      continue;
    }
    const VantageHealth& health = health_.at(vantage);
    if (health.tainted || health.verdict.state == CanaryState::kQuarantined) {
      step.runs[vantage].use = RunUse::kDiscarded;
      continue;
    }
    step.runs[vantage] = Fold(std::move(part), now, accepted);
  }
  // Only now are the open ports of all vantages known.
  for (auto& [vantage, part] : accepted) {
    for (ChangeCandidate& c : part.candidates) AddEvidence(accepted, c);
    if (!part.complete) continue;
    RememberNotOpen(vantage, part, accepted);
    canaries_[vantage] = ChooseCanaries(config_.given_canaries, canaries_[vantage],
                                        baselines_[vantage], part.lookup, config_.canaries);
  }
  for (auto& [vantage, part] : accepted) StartConfirmation(vantage, part, now, step.confirmation);
  Settle(step.confirmation);
  step.findings = Evaluate(now);
  return step;
}

RunPart MonitorExposure::Fold(VantageRun run, WallTime now,
                              std::map<std::string, Accepted>& accepted) {
  const std::string vantage = run.vantage;
  VantageBaseline& baseline = baselines_.at(vantage);
  RunPart part;
  part.use = run.complete ? RunUse::kFolded : RunUse::kIncomplete;
  const bool accept = run.complete && baseline.accept_next;
  Accepted& mine = accepted[vantage];
  if (baseline.mass) mine.mass_since = baseline.mass->since;
  mine.lookup = run.lookup;
  mine.complete = run.complete;
  VantageFold fold = FoldRun(std::move(run), baseline, config_.confirmation.max_active, now);
  part.candidates = fold.mass ? fold.mass->total() : fold.candidates.size();
  part.without_outcome = fold.without_outcome;
  part.added = std::move(fold.added);
  part.removed = std::move(fold.removed);
  mine.candidates = std::move(fold.candidates);
  if (mine.complete) {
    const auto uncovered = [&](const ChangeKey& key) {
      return key.vantage == vantage && !baseline.covered.Contains(key.subject);
    };
    confirmations_.Drop(uncovered, true);
  }
  const auto moot = [&](const ChangeKey& key) {
    return key.vantage == vantage && (accept || baseline.folded.count(key.subject.target) > 0);
  };
  confirmations_.Drop(moot, false);
  return part;
}

void MonitorExposure::RememberNotOpen(const std::string& vantage, const Accepted& part,
                                      const std::map<std::string, Accepted>& accepted) {
  VantageBaseline& mine = baselines_.at(vantage);
  std::map<Subject, NotOpenRecord> not_open;
  const auto ask = [&](const Subject& subject) {
    if (mine.open.count(subject) > 0 || not_open.count(subject) > 0 ||
        !mine.covered.Contains(subject) || mine.folded.count(subject.target) > 0) {
      return;
    }
    std::optional<SubjectOutcome> outcome;
    if (part.lookup && mine.unresolved.count(std::string(subject.target.name())) == 0) {
      outcome = part.lookup(subject);
    }
    const auto before = mine.not_open.find(subject);
    if (outcome && IsGone(outcome->symbol)) {
      not_open[subject] = {outcome->symbol, outcome->address, outcome->when};
    } else if (before != mine.not_open.end()) {
      not_open[subject] = before->second;  // a lost probe, or open and not yet confirmed
    }
  };
  for (const auto& [other, baseline] : baselines_) {
    if (other == vantage) continue;
    for (const auto& [subject, record] : baseline.open) ask(subject);
  }
  for (const auto& [other, theirs] : accepted) {
    for (const ChangeCandidate& c : theirs.candidates) ask(c.subject);
  }
  for (const Subject& subject : config_.expectations.required()) ask(subject);
  mine.not_open = std::move(not_open);
}

void MonitorExposure::AddEvidence(const std::map<std::string, Accepted>& accepted,
                                  ChangeCandidate& c) const {
  for (const auto& [vantage, part] : accepted) {
    if (vantage == c.vantage || !part.lookup || c.evidence.size() >= kMaxEvidence) continue;
    const std::optional<SubjectOutcome> o = part.lookup(c.subject);
    if (!o || !IsObserved(o->symbol)) continue;
    c.evidence.push_back({TrailStep::What::kOtherVantage, o->when, vantage, o->agent, o->address,
                          o->symbol, o->rtt_us, 0});
  }
}

void MonitorExposure::StartConfirmation(const std::string& vantage, Accepted& part, WallTime now,
                                        ConfirmationStep& step) {
  if (confirmations_.HasRoomFor(part.candidates)) {
    step.Add(confirmations_.Start(std::move(part.candidates), now));
    return;
  }
  MassChange mass;
  for (const ChangeCandidate& c : part.candidates) mass.Count(c);
  mass.since = part.mass_since.value_or(now);
  baselines_.at(vantage).mass = std::move(mass);
}

ExposureStep MonitorExposure::OnAnswer(const ConfirmationAnswer& answer, WallTime now) {
  ExposureStep step;
  const auto health = health_.find(answer.key.vantage);
  if (health == health_.end() || health->second.verdict.state == CanaryState::kQuarantined) {
    return step;
  }
  step.confirmation = confirmations_.OnAnswer(answer, now);
  Settle(step.confirmation);
  return step;
}

ExposureStep MonitorExposure::Tick(WallTime now) {
  ExposureStep step;
  step.confirmation = confirmations_.Tick(now);
  Settle(step.confirmation);
  if (!step.confirmation.calm.empty()) stale_ = true;
  if (stale_ || RuleExpiredSince(evaluated_, now)) step.findings = Evaluate(now);
  return step;
}

void MonitorExposure::Settle(const ConfirmationStep& step) {
  for (const SettledChange& s : step.settled) {
    if (s.as != SettledAs::kConfirmed && s.as != SettledAs::kFlapping) continue;
    ApplyChange(s.candidate.subject, s.now, s.candidate.when, baselines_.at(s.candidate.vantage));
    stale_ = true;
  }
}

absl::Status MonitorExposure::AcceptNextRun(const std::string& vantage) {
  const auto it = baselines_.find(vantage);
  if (it == baselines_.end()) return NoVantage(config_.monitor, vantage);
  it->second.accept_next = true;
  return absl::OkStatus();
}

std::vector<VantageView> MonitorExposure::ViewsOf(const Subject& subject) const {
  std::vector<VantageView> views;
  for (const auto& [vantage, side] : config_.vantages) {
    VantageView view{side, std::nullopt};
    const VantageBaseline& b = baselines_.at(vantage);
    const bool known = !Discounted(subject, vantage).has_value();
    const auto open = b.open.find(subject);
    const auto gone = b.not_open.find(subject);
    if (known && open != b.open.end()) {
      const OpenRecord& r = open->second;
      const Symbol symbol{portolan::State::kOpen, r.reason};  // State is a member here
      view.outcome = SubjectOutcome{symbol, r.address, r.rtt_us, r.last_seen, ""};
    } else if (known && gone != b.not_open.end()) {
      const NotOpenRecord& r = gone->second;
      view.outcome = SubjectOutcome{r.symbol, r.address, 0, r.when, ""};
    }
    views.push_back(std::move(view));
  }
  return views;
}

const ExposureRule* MonitorExposure::RuleFor(const Subject& subject, const std::string& vantage,
                                             WallTime now) const {
  const auto it = config_.vantages.find(vantage);
  if (it == config_.vantages.end()) return nullptr;
  return config_.expectations.Find(subject, vantage, it->second, now);
}

}  // namespace portolan
