
#include <algorithm>
#include <utility>

#include "common/base/counted.h"
#include "common/monitor/monitor_file.h"
#include "common/net/literal.h"
#include "coordinator/monitoring/monitoring_impl.h"

// Monitors as they are declared.
namespace portolan {
namespace {

constexpr size_t kMaxDiffLines = 200;

}  // namespace

void MonitoringImpl::Apply(std::vector<MonitorDocument> documents, bool dry_run, bool prune,
                           std::string manager, Done<std::vector<ApplyResult>> done) {
  using Results = std::vector<ApplyResult>;
  auto shared = std::make_shared<Done<Results>>(std::move(done));
  // Long lists take seconds to read, in which nothing else should wait.
  const bool posted = !stopping_ && inputs_pool_.TryPost([this, documents = std::move(documents),
                                                          dry_run, prune, shared,
                                                          manager = std::move(manager)] {
    auto wanted = std::make_shared<absl::StatusOr<std::vector<Wanted>>>(ReadDocuments(documents));
    OnThread<Results>(std::move(*shared), [this, wanted, dry_run, prune, manager](Done<Results> d) {
      if (!wanted->ok()) return d(wanted->status());
      if (cannot_write_ && !dry_run) return d(CannotStore());
      absl::StatusOr<Results> results = DoApply(**wanted, dry_run, prune, manager);
      if (!results.ok() || dry_run) return d(std::move(results));
      AnswerAfterCommit<Results>(std::move(d), *std::move(results));
    });
  });
  if (posted) return;
  (*shared)(stopping_ ? absl::Status(Unavailable("the coordinator is stopping; try again"))
                      : absl::Status(ResourceExhausted("too many documents wait to be read; try "
                                                       "again in a few seconds")));
}

absl::StatusOr<std::vector<ApplyResult>> MonitoringImpl::DoApply(const std::vector<Wanted>& wanted,
                                                                 bool dry_run, bool prune,
                                                                 const std::string& manager) {
  const auto owner = [](const std::string& m) { return m.empty() ? std::string("the API") : m; };
  std::map<std::string, ApplyResult> results;
  size_t created = 0, deleted = 0;
  for (const Wanted& w : wanted) {
    ApplyResult& r = results[w.spec.name];
    r.monitor = w.spec.name;
    const auto it = entries_.find(w.spec.name);
    if (it == entries_.end()) {
      r.action = ApplyAction::kCreated;
      ++created;
      continue;
    }
    if (it->second->manager != manager) {
      return FailedPrecondition(
          "{}: monitor \"{}\" is declared by {}: change it there, or choose another name", w.source,
          w.spec.name, owner(it->second->manager));
    }
    r.diff = DiffMonitors(set_.Find(w.spec.name)->spec(), w.spec);
    if (!r.diff.empty()) r.action = ApplyAction::kChanged;
    if (r.diff.size() > kMaxDiffLines) {
      const size_t more = r.diff.size() - kMaxDiffLines;
      r.diff.resize(kMaxDiffLines);
      r.diff.push_back("... and " + Counted(more, "line", "lines") + " more");
    }
  }
  for (const auto& [name, entry] : entries_) {
    if (!prune || entry->manager != manager || results.count(name) > 0) continue;
    results[name] = {name, ApplyAction::kDeleted, {}};
    ++deleted;
  }
  if (entries_.size() + created - deleted > options_.limits.max_monitors) {
    return ResourceExhausted("{} would be there; at most {} are allowed",
                             Counted(entries_.size() + created - deleted, "monitor", "monitors"),
                             options_.limits.max_monitors);
  }
  if (!dry_run) {
    // What may fail comes first.
    std::map<std::string, uint64_t> generations;
    for (const Wanted& w : wanted) {
      PORTOLAN_ASSIGN_OR_RETURN(generations[w.spec.name], store_->LastGeneration(w.spec.name));
    }
    for (const auto& [name, r] : results) {
      if (r.action == ApplyAction::kDeleted) Remove(name);
    }
    for (const Wanted& w : wanted) {
      if (results[w.spec.name].action != ApplyAction::kUnchanged) {
        PORTOLAN_RETURN_IF_ERROR(PutMonitor(w.spec, manager, generations[w.spec.name]));
      }
    }
  }
  std::vector<ApplyResult> out;
  out.reserve(results.size());
  for (auto& [name, r] : results) out.push_back(std::move(r));
  return out;
}

std::unique_ptr<MonitorEntry> MonitoringImpl::MakeEntry(const std::string& name,
                                                        MonitorExposureConfig config) {
  auto entry = std::make_unique<MonitorEntry>();
  entry->name = name;
  entry->exposure = std::make_unique<MonitorExposure>(std::move(config));
  entry->confirmer = std::make_shared<Confirmer>(
      InputEnvironment(), clock_, name,
      [this, name](const std::vector<ConfirmationAnswer>& answers) { OnAnswers(name, answers); });
  return entry;
}

// Of what ReadDocuments has checked.
absl::Status MonitoringImpl::PutMonitor(const MonitorSpec& spec, const std::string& manager,
                                        uint64_t stored_generation) {
  PORTOLAN_ASSIGN_OR_RETURN(MonitorExposureConfig config, ExposureConfigOf(spec));
  // Also above what is not stored yet.
  uint64_t& newest = generations_[spec.name];
  newest = std::max(newest, stored_generation);
  PORTOLAN_RETURN_IF_ERROR(set_.Apply(spec, clock_.Wall(), newest + 1).status());
  newest = std::max(newest, set_.Find(spec.name)->state().generation);
  auto it = entries_.find(spec.name);
  if (it == entries_.end()) {
    it = entries_.emplace(spec.name, MakeEntry(spec.name, std::move(config))).first;
    unstored_.insert(spec.name);
  } else {
    std::vector<std::string> gone;
    for (const auto& [vantage, role] : it->second->exposure->config().vantages) {
      if (config.vantages.count(vantage) > 0) continue;
      gone.push_back(vantage);
      if (it->second->last_runs.erase(vantage) > 0) it->second->dirty_last_runs = true;
    }
    it->second->exposure->Configure(std::move(config));
    Write([name = spec.name, gone](Change& change) {
      for (const std::string& vantage : gone) change.DropVantage(name, vantage);
    });
  }
  MonitorEntry& entry = *it->second;
  entry.manager = manager;
  entry.confirmer->Configure(spec);
  entry.dirty_health = entry.dirty_state = entry.metrics_stale = true;
  for (const auto& [vantage, baseline] : entry.exposure->baselines()) {
    entry.dirty_baselines.insert(vantage);
  }
  Write([this, spec, manager](Change& change) {
    if (const MonitorPlan* plan = set_.Find(spec.name))
      change.PutMonitor(spec, manager, plan->state());
  });
  Log(LogLevel::kInfo, "monitor declared", {{"monitor", spec.name}, {"by", manager}});
  return absl::OkStatus();
}

void MonitoringImpl::Remove(const std::string& name) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  if (it->second->run != nullptr && !it->second->run->record().scan.empty()) {
    scans_.Cancel(it->second->run->record().scan);
  }
  set_.Remove(name).IgnoreError();
  entries_.erase(it);
  changed_plans_.erase(name);
  unstored_.erase(name);
  Write([name](Change& change) { change.RemoveMonitor(name); });
  Log(LogLevel::kInfo, "monitor deleted", {{"monitor", name}});
}

absl::StatusOr<MonitorEntry*> MonitoringImpl::Find(const std::string& name) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return NotFound("no monitor \"{}\"", literal::Printable(name));
  return it->second.get();
}

void MonitoringImpl::List(Done<std::vector<MonitorStatus>> done) {
  OnThread<std::vector<MonitorStatus>>(std::move(done), [this](Done<std::vector<MonitorStatus>> d) {
    std::vector<MonitorStatus> out;
    for (const auto& [name, entry] : entries_) out.push_back(StatusOf(*entry, 1));
    d(std::move(out));
  });
}

void MonitoringImpl::Get(std::string name, Done<MonitorStatus> done) {
  OnThread<MonitorStatus>(std::move(done), [this, name = std::move(name)](Done<MonitorStatus> d) {
    const absl::StatusOr<MonitorEntry*> entry = Find(name);
    if (!entry.ok()) return d(entry.status());
    d(StatusOf(**entry, kRecentRuns));
  });
}

void MonitoringImpl::ChangeOne(std::string name, Done<MonitorStatus> done,
                               std::function<absl::Status(MonitorEntry&)> change) {
  OnThread<MonitorStatus>(std::move(done), [this, name = std::move(name),
                                            change = std::move(change)](Done<MonitorStatus> d) {
    const absl::StatusOr<MonitorEntry*> entry = Find(name);
    if (!entry.ok()) return d(entry.status());
    if (cannot_write_) return d(CannotStore());
    if (const absl::Status s = change(**entry); !s.ok()) return d(s);
    (*entry)->metrics_stale = true;
    StartRuns();  // what this has made due
    // With the run that it started, if it did.
    after_.push_back([this, name, d](bool committed) {
      const absl::StatusOr<MonitorEntry*> now = Find(name);
      if (!committed) return d(NotStored());
      if (!now.ok()) return d(now.status());
      d(StatusOf(**now, kRecentRuns));
    });
  });
}

void MonitoringImpl::Pause(std::string name, bool undo, Done<MonitorStatus> done) {
  ChangeOne(std::move(name), std::move(done), [this, undo](MonitorEntry& entry) {
    return undo ? set_.Resume(entry.name, clock_.Wall()) : set_.Pause(entry.name, clock_.Wall());
  });
}

void MonitoringImpl::RunNow(std::string name, Done<MonitorStatus> done) {
  ChangeOne(std::move(name), std::move(done),
            [this](MonitorEntry& entry) { return set_.RunNow(entry.name, clock_.Wall()); });
}

void MonitoringImpl::AcceptNextRun(std::string name, std::string vantage,
                                   Done<MonitorStatus> done) {
  ChangeOne(std::move(name), std::move(done),
            [vantage = std::move(vantage)](MonitorEntry& entry) -> absl::Status {
              bool found = false;
              for (const auto& [each, role] : entry.exposure->config().vantages) {
                if (!vantage.empty() && each != vantage) continue;
                found = true;
                PORTOLAN_RETURN_IF_ERROR(entry.exposure->AcceptNextRun(each));
                entry.dirty_baselines.insert(each);
              }
              if (found) return absl::OkStatus();
              return NotFound("monitor \"{}\" has no vantage \"{}\"", entry.name,
                              literal::Printable(vantage));
            });
}

void MonitoringImpl::Delete(std::string name, Done<std::string> done) {
  OnThread<std::string>(std::move(done), [this, name = std::move(name)](Done<std::string> d) {
    const absl::StatusOr<MonitorEntry*> entry = Find(name);
    if (!entry.ok()) return d(entry.status());
    if (cannot_write_) return d(CannotStore());
    if (!(*entry)->manager.empty()) {
      return d(FailedPrecondition("monitor \"{}\" is declared by {}: delete it there", name,
                                  (*entry)->manager));
    }
    Remove(name);
    AnswerAfterCommit<std::string>(std::move(d), name);
  });
}

MonitorStatus MonitoringImpl::StatusOf(const MonitorEntry& entry, size_t runs) const {
  const MonitorPlan& plan = *set_.Find(entry.name);
  const WallTime now = clock_.Wall();
  MonitorStatus s;
  s.spec = plan.spec();
  s.yaml = MonitorYaml(plan.spec());
  s.plan = plan.state();
  s.generation = s.plan.generation;
  s.manager = entry.manager;
  s.paused = plan.paused();
  if (s.plan.pending.has_value()) {
    s.next_due = s.plan.pending->due;
  } else if (!s.paused) {
    s.next_due = plan.schedule().NextAfter(now);
  }
  s.behind_s = ToSeconds(plan.Lag(now).late);
  s.behind_text = plan.LagText(now);
  s.runs.assign(entry.recent.begin(),
                entry.recent.begin() + static_cast<ptrdiff_t>(std::min(runs, entry.recent.size())));
  const MonitorExposure& x = *entry.exposure;
  for (const auto& [vantage, role] : x.config().vantages) {
    VantageStatus& v = s.vantages.emplace_back();
    const VantageHealth& health = x.health().at(vantage);
    const VantageBaseline& baseline = x.baselines().at(vantage);
    v.vantage = vantage;
    v.side = role;
    v.canaries = health.verdict.state;
    v.canary_reason = health.verdict.reason;
    v.since = health.since;
    v.chosen = x.canaries().at(vantage);
    v.open = baseline.open.size();
    v.last_complete = baseline.last_complete;
    if (baseline.mass.has_value()) v.mass_change = baseline.mass->ToString();
    for (const auto& [key, pending] : x.confirmations().state().pending) {
      v.confirming += key.vantage == vantage ? 1 : 0;
    }
  }
  s.unresolved_names = x.names().size();
  for (const auto& [unresolved, trouble] : x.names()) {
    if (!s.unresolved_text.empty()) {
      s.unresolved_text += ", ...";
      break;
    }
    s.unresolved_text = unresolved + " (" + TroubleText(trouble) + ")";
  }
  s.open_findings = x.findings().state().open.size();
  s.events = entry.events;
  return s;
}

}  // namespace portolan
