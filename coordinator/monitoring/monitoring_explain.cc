#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/net/literal.h"
#include "coordinator/monitoring/monitoring_impl.h"

// All that is known of one port: what baselines do not keep is read from the results of the last
// complete run.
namespace portolan {
namespace {

constexpr size_t kExplainedEvents = 20;

// What the results of its last complete run say of a port that the baseline says nothing of.
void AddStored(LastOutcomes::Answer answer, const LookedRun& run, VantageSight* sight) {
  if (!answer.outcome) {
    sight->unknown->text = std::move(answer.why);
    return;
  }
  if (IsOpen(answer.outcome->symbol)) {
    sight->unknown->text =
        fmt::format("run {}, the last complete one, saw it open ({}), which is not confirmed",
                    run.number, ReasonName(answer.outcome->symbol.reason));
    return;
  }
  sight->outcome = std::move(answer.outcome);
  sight->unknown.reset();
  if (!sight->rule.empty()) sight->expected = ExpectedOf(sight->action, false);
}

std::vector<VantageView> ViewsOf(const ExposureRow& row) {
  std::vector<VantageView> views;
  for (const VantageSight& s : row.sights) views.push_back({s.side, s.outcome});
  return views;
}

// Whether a monitor is to look at a subject that its baselines do not cover, because its name has
// led nowhere so far.
bool WouldCover(const MonitorSpec& spec, const Subject& subject) {
  const auto targets = SpecTargets::Read(spec);
  return targets.ok() && RunSpace(MakeInput(spec, *targets, {}), {}).covered().Contains(subject);
}

}  // namespace

void MonitoringImpl::AskStored(const MonitorEntry& entry, const ExposureRow& row, size_t at,
                               std::vector<Question>* questions) {
  for (size_t i = 0; i < row.sights.size(); ++i) {
    const VantageSight& sight = row.sights[i];
    if (!sight.unknown || sight.unknown->cause != UnknownCause::kNoOutcome) continue;
    const auto last = entry.last_runs.find(sight.vantage);
    if (last != entry.last_runs.end()) questions->push_back({at, i, last->second});
  }
}

void MonitoringImpl::ReadStored(const std::vector<Question>& questions,
                                std::vector<ExposureRow>* rows) const {
  LastOutcomes last(scans_);
  for (const Question& q : questions) {
    ExposureRow& row = (*rows)[q.row];
    AddStored(last.At(*q.run, row.sights[q.sight].vantage, row.subject), *q.run,
              &row.sights[q.sight]);
    row.comparison = CompareVantages(ViewsOf(row));
  }
}

absl::StatusOr<Explanation> MonitoringImpl::DoExplain(const std::string& target, uint16_t port,
                                                      const std::string& monitor,
                                                      std::vector<Question>* questions) {
  if (target.empty() || target.size() > 255) {
    return InvalidArgument("target \"{}\": give an address or a name", literal::Printable(target));
  }
  if (!monitor.empty()) PORTOLAN_RETURN_IF_ERROR(Find(monitor).status());
  Explanation out;
  out.subject = {TargetKey::FromString(target), port};
  for (const auto& [name, entry] : entries_) {
    if (!monitor.empty() && name != monitor) continue;
    const MonitorExposure& x = *entry->exposure;
    const bool covered =
        std::any_of(x.baselines().begin(), x.baselines().end(),
                    [&](const auto& b) { return b.second.covered.Contains(out.subject); });
    const auto trouble = x.names().find(out.subject.target.name());
    const bool troubled = out.subject.target.is_name() && trouble != x.names().end();
    if (!covered && !(troubled && WouldCover(set_.Find(name)->spec(), out.subject))) {
      out.uncovered_by.push_back(name);
      continue;
    }
    out.rows.push_back(RowOf(*entry, out.subject));
    AskStored(*entry, out.rows.back(), out.rows.size() - 1, questions);
    for (const auto& [key, finding] : x.findings().state().open) {
      // One for all names that could not be looked up is about this one, too.
      const bool of_names = key.kind == FindingKind::kNameNotLookedUp && troubled &&
                            trouble->second.problem == NameProblem::kCouldNotAsk;
      const bool here = of_names || (key.target.has_value() && *key.target == out.subject.target &&
                                     (!key.port.has_value() || *key.port == port));
      if (here) out.findings.push_back({name, finding});
    }
  }
  PORTOLAN_ASSIGN_OR_RETURN(out.events, store_->EventsOf(out.subject, monitor, kExplainedEvents));
  return out;
}

void MonitoringImpl::Explain(std::string target, uint16_t port, std::string monitor,
                             Done<Explanation> done) {
  OnThread<Explanation>(std::move(done), [this, target = std::move(target), port,
                                          monitor = std::move(monitor)](Done<Explanation> d) {
    std::vector<Question> questions;
    absl::StatusOr<Explanation> out = DoExplain(target, port, monitor, &questions);
    if (!out.ok() || questions.empty()) return d(std::move(out));
    // Results are on disk, and nothing here should wait for it.
    auto shared = std::make_shared<Explanation>(*std::move(out));
    const bool posted = pool_.TryPost([this, shared, questions, d] {
      ReadStored(questions, &shared->rows);
      d(std::move(*shared));
    });
    if (!posted)
      d(ResourceExhausted("too many results are being read; try again in a few seconds"));
  });
}

}  // namespace portolan
