#include <utility>

#include "common/base/status.h"
#include "coordinator/monitoring/monitoring_impl.h"
#include "coordinator/monitoring/notifications.h"

// Runs, and what comes of them: steps of exposure are stored, told and counted.
namespace portolan {
namespace {

RunOutcome OutcomeOf(RunState s) {
  if (s == RunState::kComplete) return RunOutcome::kComplete;
  return s == RunState::kPartial ? RunOutcome::kPartial : RunOutcome::kFailed;
}

RunRecord RecordOf(const RunOrder& order) {
  RunRecord r;
  r.monitor = order.monitor;
  r.number = order.number;
  r.generation = order.generation;
  r.trigger = order.trigger;
  r.due = order.due;
  r.started = order.started;
  return r;
}

}  // namespace

void MonitoringImpl::StartRuns() {
  for (const RunOrder& order : set_.Poll(clock_.Wall())) {
    Write([record = RecordOf(order)](Change& change) { change.PutRun(record); });
    AfterCommit([this, order] {
      const auto it = entries_.find(order.monitor);
      if (it != entries_.end()) StartRun(*it->second, order, "");
    });
  }
}

void MonitoringImpl::StartRun(MonitorEntry& entry, const RunOrder& order, const std::string& kept) {
  const std::string name = entry.name;
  Remember(entry, RecordOf(order));
  MonitorRun::Callbacks callbacks;
  callbacks.keep_input = [this, name, number = order.number](std::string input,
                                                             std::function<void()> kept_input) {
    Write([name, number, input = std::move(input)](Change& change) {
      change.PutRunInput(name, number, input);
    });
    AfterCommit(std::move(kept_input));
    FlushSoon();
  };
  callbacks.names = [this, name](NameTroubles troubles) {
    const auto it = entries_.find(name);
    if (it == entries_.end()) return;
    it->second->dirty_names = true;
    Take(*it->second, it->second->exposure->OnNames(std::move(troubles), false, clock_.Wall()));
    FlushSoon();
  };
  callbacks.canaries = [this, name] {
    const auto it = entries_.find(name);
    return it == entries_.end() ? std::map<std::string, std::vector<Canary>>()
                                : it->second->exposure->canaries();
  };
  callbacks.verdict = [this, name](const std::string& vantage, const CanaryVerdict& verdict,
                                   CanaryPhase phase) {
    const auto it = entries_.find(name);
    if (it == entries_.end()) return;
    const absl::StatusOr<ExposureStep> step =
        it->second->exposure->OnVerdict(vantage, verdict, phase, clock_.Wall());
    if (!step.ok()) return;  // the specification no longer has the vantage
    it->second->dirty_health = true;
    Take(*it->second, *step);
    FlushSoon();
  };
  callbacks.progress = [this, name](const RunRecord& record) {
    const auto it = entries_.find(name);
    if (it == entries_.end()) return;
    Remember(*it->second, record);
    Write([record](Change& change) { change.PutRun(record); });
    FlushSoon();
  };
  callbacks.ended = [this, name](MonitorRun::Result result) {
    OnRunEnded(name, std::move(result));
    FlushSoon();
  };
  const MonitorRun::Environment env{runner_,
                                    inputs_pool_,
                                    pool_,
                                    scans_,
                                    clock_,
                                    *options_.names,
                                    entry.exposure->config().canaries};
  entry.run = MonitorRun::Start(env, order, set_.Find(name)->spec(), kept, std::move(callbacks));
  Log(LogLevel::kInfo, "run started",
      {{"monitor", name},
       {"run", std::to_string(order.number)},
       {"again", kept.empty() ? "no" : "yes"}});
}

void MonitoringImpl::OnRunEnded(const std::string& monitor, MonitorRun::Result result) {
  const auto it = entries_.find(monitor);
  if (it == entries_.end()) return;
  MonitorEntry& entry = *it->second;
  entry.run.reset();
  RunRecord& record = result.record;
  const WallTime now = clock_.Wall();
  if (result.troubles.has_value()) {
    entry.dirty_names = true;
    Take(entry, entry.exposure->OnNames(*std::move(result.troubles), true, now));
  }
  if (record.state != RunState::kFailed) {
    LastOutcomes last(scans_);
    for (VantageRun& part : result.parts) {
      const auto before = entry.last_runs.find(part.vantage);
      if (before == entry.last_runs.end()) continue;
      // Called within OnRun only.
      part.previous = [&last, run = before->second, vantage = part.vantage](const Subject& s) {
        return last.At(*run, vantage, s).outcome;
      };
    }
    const ExposureStep step = entry.exposure->OnRun(std::move(result.parts), now);
    std::string discarded;
    for (const auto& [vantage, part] : step.runs) {
      record.candidates += part.candidates;
      entry.dirty_baselines.insert(vantage);
      if (part.use == RunUse::kFolded && result.looked != nullptr) {
        entry.last_runs[vantage] = result.looked;
        entry.dirty_last_runs = true;
      }
      if (part.use == RunUse::kDiscarded) discarded += (discarded.empty() ? "" : ", ") + vantage;
    }
    if (!discarded.empty()) {
      record.state = RunState::kPartial;
      record.message += (record.message.empty() ? "" : "; ") +
                        ("not believed, because it fails its canaries: " + discarded);
    }
    entry.dirty_health = entry.dirty_state = true;
    Take(entry, step);
  }
  const absl::StatusOr<bool> ended =
      set_.Ended(monitor, record.number, OutcomeOf(record.state), now);
  if (!ended.ok() || !*ended) return;
  ++entry.runs[record.state];
  Remember(entry, record);
  Write([record](Change& change) { change.PutRun(record); });
  Log(record.state == RunState::kFailed ? LogLevel::kError : LogLevel::kInfo, "run ended",
      {{"monitor", monitor},
       {"run", std::to_string(record.number)},
       {"state", std::string(RunStateName(record.state))},
       {"positions", std::to_string(record.positions)},
       {"known", std::to_string(record.known)},
       {"candidates", std::to_string(record.candidates)},
       {"message", record.message}});
}

void MonitoringImpl::OnAnswers(const std::string& monitor,
                               const std::vector<ConfirmationAnswer>& answers) {
  const auto it = entries_.find(monitor);
  if (it == entries_.end()) return;
  const WallTime now = clock_.Wall();
  ExposureStep all;
  for (const ConfirmationAnswer& answer : answers) {
    all.confirmation.Add(it->second->exposure->OnAnswer(answer, now).confirmation);
  }
  it->second->dirty_state = true;
  Take(*it->second, all);
  TickExposure(*it->second);
  FlushSoon();
}

void MonitoringImpl::TickExposure(MonitorEntry& entry) {
  const WallTime now = clock_.Wall();
  const ExposureStep step = entry.exposure->Tick(now);
  Take(entry, step);
  entry.confirmer->Look(entry.exposure->confirmations().Outstanding(), now);
}

void MonitoringImpl::Take(MonitorEntry& entry, const ExposureStep& step) {
  const ConfirmationStep& c = step.confirmation;
  const FindingBoard::Changes& f = step.findings;
  if (!c.probes.empty() || !c.settled.empty() || !c.calm.empty() || !f.found.empty() ||
      !f.resolved.empty()) {
    entry.dirty_state = true;
  }
  if (entry.dirty_state) entry.metrics_stale = true;
  for (const SettledChange& s : c.settled) {
    MonitorMetrics::Vantage& count = entry.counted[s.candidate.vantage];
    if (s.as == SettledAs::kTransient) ++count.transient;
    if (s.as == SettledAs::kFlapping) ++count.flapping;
    if (s.as == SettledAs::kAbandoned) ++count.abandoned;
    if (s.as == SettledAs::kConfirmed || s.as == SettledAs::kFlapping) {
      entry.dirty_baselines.insert(s.candidate.vantage);
    }
  }
  const MonitorSpec& spec = set_.Find(entry.name)->spec();
  std::vector<Notification> notifications;
  for (const ExposureEvent& e : c.events) {
    ++entry.counted[e.vantage].changes[static_cast<size_t>(e.kind) - 1];
    const ExposureRule* rule = entry.exposure->RuleFor(e.subject, e.vantage, e.time);
    notifications.push_back(NotificationOf(e, rule, spec));
    Log(LogLevel::kInfo, "exposure changed",
        {{"monitor", e.monitor},
         {"vantage", e.vantage},
         {"subject", e.subject.ToString()},
         {"change", std::string(ChangeKindName(e.kind))},
         {"event_id", e.id}});
  }
  for (const Finding& x : f.found) notifications.push_back(NotificationOf(x, spec));
  for (const Finding& x : f.resolved) notifications.push_back(NotificationOf(x, spec));
  entry.events += c.events.size();
  if (!c.events.empty()) {
    auto stored = std::make_shared<std::vector<StoredEvent>>();
    Write([name = entry.name, events = c.events, stored](Change& change) {
      *stored = change.AddEvents(name, events);
    });
    AfterCommit([this, stored] { Publish(*stored); });
  }
  if (!f.resolved.empty()) {
    Write([name = entry.name, resolved = f.resolved](Change& change) {
      change.AddResolved(name, resolved);
    });
  }
  if (!notifications.empty() && !outbox_.config().receivers.empty()) {
    for (Notification& n : notifications) n.receivers = spec.webhooks;
    Write([this, notifications](Change& change) {
      for (const Notification& n : notifications) {
        if (const auto sent = change.Notify(outbox_, n); absl::IsInvalidArgument(sent.status())) {
          Log(LogLevel::kError, "a notification cannot be sent",
              {{"id", n.id}, {"error", std::string(Message(sent.status()))}});
        }
      }
    });
    AfterCommit([this] { sender_->Wake(); });
  }
}

void MonitoringImpl::Remember(MonitorEntry& entry, const RunRecord& record) {
  std::vector<RunRecord>& recent = entry.recent;
  entry.metrics_stale = true;
  if (!recent.empty() && recent.front().number == record.number) {
    recent.front() = record;
    return;
  }
  recent.insert(recent.begin(), record);
  if (recent.size() > kRecentRuns) recent.pop_back();
}

}  // namespace portolan
