// What a monitor does not know, and why.
#include "coordinator/exposure/unknown.h"

#include <fmt/format.h>

#include "coordinator/exposure/monitor_exposure.h"

namespace portolan {
namespace {

UnknownCause CauseOf(NameProblem p) {
  switch (p) {
    case NameProblem::kNoSuchName:
    case NameProblem::kNoAddress:
      return UnknownCause::kNameNotFound;
    case NameProblem::kOutOfScope:
      return UnknownCause::kNameOutOfScope;
    case NameProblem::kCouldNotAsk:
      break;
  }
  return UnknownCause::kNameNotLookedUp;
}

std::string NameText(std::string_view name, const NameTrouble& t) {
  switch (t.problem) {
    case NameProblem::kNoSuchName:
      return fmt::format("the name {} does not exist", name);
    case NameProblem::kNoAddress:
      return fmt::format("the name {} has no address", name);
    case NameProblem::kOutOfScope:
      return fmt::format("the name {} leads to nothing that may be scanned ({})", name, t.detail);
    case NameProblem::kCouldNotAsk:
      break;
  }
  return fmt::format("the name {} could not be looked up{}", name,
                     t.detail.empty() ? "" : " (" + t.detail + ")");
}

}  // namespace

std::string_view UnknownCauseName(UnknownCause c) {
  switch (c) {
    case UnknownCause::kNoCompleteRun:
      return "no-complete-run";
    case UnknownCause::kQuarantined:
      return "quarantined";
    case UnknownCause::kAnswersEverywhere:
      return "answers-everywhere";
    case UnknownCause::kNameNotFound:
      return "name-not-found";
    case UnknownCause::kNameNotLookedUp:
      return "name-not-looked-up";
    case UnknownCause::kNameOutOfScope:
      return "name-out-of-scope";
    case UnknownCause::kNotCovered:
      return "not-covered";
    case UnknownCause::kNoOutcome:
      return "no-outcome";
  }
  return "unknown";
}

std::optional<UnknownCause> MonitorExposure::Discounted(const Subject& subject,
                                                        const std::string& vantage) const {
  const VantageBaseline& b = baselines_.at(vantage);
  if (subject.target.is_name()) {
    // Now; and when the last complete run from there looked, which says nothing of it since.
    if (const auto it = names_.find(subject.target.name()); it != names_.end())
      return CauseOf(it->second.problem);
    if (b.unresolved.count(std::string(subject.target.name())) > 0) return UnknownCause::kNoOutcome;
  }
  if (health_.at(vantage).verdict.state == CanaryState::kQuarantined)
    return UnknownCause::kQuarantined;
  if (!b.established) return UnknownCause::kNoCompleteRun;
  if (b.folded.count(subject.target) > 0) return UnknownCause::kAnswersEverywhere;
  return std::nullopt;
}

std::optional<Unknown> MonitorExposure::WhyUnknown(const Subject& subject,
                                                   const std::string& vantage) const {
  if (config_.vantages.count(vantage) == 0) return std::nullopt;
  const VantageBaseline& b = baselines_.at(vantage);
  const std::string_view name = subject.target.name();
  std::optional<UnknownCause> cause = Discounted(subject, vantage);
  if (!cause) {
    if (b.open.count(subject) > 0 || b.not_open.count(subject) > 0) return std::nullopt;
    cause = b.covered.Contains(subject) ? UnknownCause::kNoOutcome : UnknownCause::kNotCovered;
  }
  Unknown out{*cause, ""};
  switch (*cause) {
    case UnknownCause::kNoCompleteRun:
      out.text = "no run from there has been complete yet";
      break;
    case UnknownCause::kQuarantined:
      out.text = "nothing that the vantage sees is believed: " + health_.at(vantage).verdict.reason;
      break;
    case UnknownCause::kAnswersEverywhere:
      out.text = b.folded.at(subject.target).answers == HostAnswers::kSynProxy
                     ? "a proxy completes every handshake for the host, so its ports are not judged"
                     : "the host answers on every port, so its ports are not judged";
      break;
    case UnknownCause::kNameNotFound:
    case UnknownCause::kNameNotLookedUp:
    case UnknownCause::kNameOutOfScope:
      out.text = NameText(name, names_.find(name)->second);
      break;
    case UnknownCause::kNotCovered:
      out.text = "the last complete run from there was not to look at it";
      break;
    case UnknownCause::kNoOutcome:
      out.text = b.unresolved.count(std::string(name)) > 0
                     ? "the name had no address when the last complete run from there looked"
                     : "the last complete run from there has no outcome that is kept";
      break;
  }
  return out;
}

}  // namespace portolan
