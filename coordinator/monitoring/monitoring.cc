#include "coordinator/monitoring/monitoring.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "coordinator/monitoring/monitoring_impl.h"

namespace portolan {
namespace {

constexpr size_t kMaxQueue = 20'000;
constexpr int kInputThreads = 2;  // that read lists of targets
constexpr int kPoolThreads = 2;   // that read results
constexpr size_t kPoolQueue = 2'000;
constexpr auto kTickEvery = std::chrono::seconds(1);  // confirmations
constexpr auto kShortestTurn = std::chrono::milliseconds(20);
constexpr auto kSlowTickEvery = std::chrono::seconds(30);  // what changes with the time alone
constexpr auto kMetricsEvery = std::chrono::seconds(5);
constexpr auto kGoOnCounting = std::chrono::milliseconds(50);
constexpr auto kPruneEvery = std::chrono::minutes(10);
constexpr size_t kPruneRows = 5'000;
constexpr size_t kKeptRuns = 1'000;
constexpr int kMaxRounds = 100;
constexpr int kGiveUpAfter = 60;  // seconds
constexpr auto kWriteAgain = std::chrono::seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<Monitoring>> Monitoring::Start(MonitoringOptions options,
                                                              ScanClient& scans,
                                                              const Clock& clock) {
  auto monitoring = std::make_unique<MonitoringImpl>(std::move(options), scans, clock);
  PORTOLAN_RETURN_IF_ERROR(monitoring->Open());
  return std::unique_ptr<Monitoring>(std::move(monitoring));
}

MonitoringImpl::MonitoringImpl(MonitoringOptions options, ScanClient& scans, const Clock& clock)
    : options_(std::move(options)),
      scans_(scans),
      clock_(clock),
      outbox_(options_.webhooks, OutboxLimits{}, clock),
      metrics_(std::make_shared<MonitoringMetrics>()),
      set_(options_.limits),
      inputs_pool_("monitor-input", kInputThreads, kPoolQueue),
      pool_("monitor-pool", kPoolThreads, kPoolQueue),
      runner_("monitoring", clock, kMaxQueue) {}

absl::Status MonitoringImpl::Open() {
  PORTOLAN_CHECK(options_.names != nullptr);
  const std::string path = options_.data_directory + "/monitors.db";
  PORTOLAN_ASSIGN_OR_RETURN(store_, MonitorStore::Open(path, options_.sync_full));
  PORTOLAN_ASSIGN_OR_RETURN(MonitorStore::Loaded loaded, store_->LoadAll());
  WebhookSender::Options sender;
  sender.database = path;
  sender.seed = options_.seed;
  sender.on_attempt = [this](const WebhookAttempt& a) {
    if (a.delivered) return;
    Log(a.dead ? LogLevel::kError : LogLevel::kWarning,
        a.dead ? "webhook given up" : "webhook failed, to be tried again",
        {{"receiver", a.receiver},
         {"id", a.id},
         {"notifications", std::to_string(a.count)},
         {"attempts", std::to_string(a.attempts)},
         {"error", a.detail}});
  };
  PORTOLAN_ASSIGN_OR_RETURN(sender_, WebhookSender::Start(outbox_, std::move(sender)));
  runner_.Post([this, loaded = std::make_shared<MonitorStore::Loaded>(std::move(loaded))] {
    Load(std::move(*loaded));
    Flush();
    Turn();
  });
  return absl::OkStatus();
}

void MonitoringImpl::Load(MonitorStore::Loaded loaded) {
  for (const StoreProblem& p : loaded.problems) {
    Log(LogLevel::kError, "a part of what is kept of a monitor is damaged",
        {{"monitor", p.monitor}, {"what", p.text}});
  }
  const WallTime wall = clock_.Wall();
  for (MonitorRecord& record : loaded.monitors) {
    const std::string name = record.spec.name;
    absl::StatusOr<MonitorExposureConfig> config = ExposureConfigOf(record.spec);
    absl::Status status = config.status();
    if (status.ok()) status = set_.Restore(record.plan, record.spec, wall);
    if (!status.ok()) {
      Log(LogLevel::kError, "a monitor cannot be restored: apply it anew",
          {{"monitor", name}, {"error", std::string(Message(status))}});
      continue;
    }
    std::unique_ptr<MonitorEntry> entry = MakeEntry(name, *std::move(config));
    entry->manager = record.manager;
    entry->exposure->Restore(std::move(record.exposure));
    entry->last_runs = std::move(record.last_runs);
    entry->confirmer->Configure(record.spec);
    if (auto runs = store_->Runs(name, kRecentRuns); runs.ok()) entry->recent = *std::move(runs);
    entry->events = store_->CountEvents(name).value_or(0);
    MonitorEntry& placed = *(entries_[name] = std::move(entry));
    if (record.plan.running.has_value()) {
      const auto kept = store_->GetRunInput(name, record.plan.running->number);
      StartRun(placed, *record.plan.running,
               kept.ok() && kept->has_value() ? **kept : std::string());
    }
  }
}

void MonitoringImpl::Stop() {
  if (!stopping_.exchange(true)) {
    runner_.Run([this] {
      stopped_ = true;
      for (const auto& then : std::exchange(after_, {})) then(false);
      for (auto& [id, f] : followers_) {
        f.update(Unavailable("the coordinator is stopping; follow again from the last event"));
      }
      followers_.clear();
      // What is under way goes on with the next start: its scans have keys.
      for (auto& [name, entry] : entries_) {
        entry->run.reset();
        entry->confirmer.reset();
      }
    });
  }
  if (sender_ != nullptr) sender_->Stop();
  inputs_pool_.Stop();
  pool_.Stop();
  runner_.Stop();
}

// ---- writing ----

absl::Status MonitoringImpl::Commit() {
  Change change(*store_);
  for (const auto& write : writes_) write(change);
  for (const std::string& name : changed_plans_) {
    if (const MonitorPlan* plan = set_.Find(name)) change.PutPlan(name, plan->state());
  }
  for (const auto& [name, entry] : entries_) {
    const MonitorExposure& x = *entry->exposure;
    for (const std::string& vantage : entry->dirty_baselines) {
      const auto it = x.baselines().find(vantage);
      if (it != x.baselines().end()) change.PutBaseline(name, vantage, it->second);
    }
    for (const auto& [vantage, health] : x.health()) {
      if (entry->dirty_health) change.PutHealth(name, vantage, health, x.canaries().at(vantage));
    }
    if (entry->dirty_names) change.PutNames(name, x.names(), x.looked_up());
    if (entry->dirty_last_runs) change.PutLastRuns(name, entry->last_runs);
    if (!entry->dirty_state) continue;
    const MonitorExposure::Moment moment = x.moment();
    change.PutConfirmations(name, x.confirmations().state());
    change.PutFindings(name, x.findings().state(), moment.evaluated, moment.stale);
  }
  PORTOLAN_RETURN_IF_ERROR(change.Commit());
  for (const auto& [name, entry] : entries_) {
    entry->dirty_baselines.clear();
    entry->dirty_health = entry->dirty_state = false;
    entry->dirty_names = entry->dirty_last_runs = false;
  }
  writes_.clear();
  changed_plans_.clear();
  return absl::OkStatus();
}

void MonitoringImpl::Flush() {
  if (stopped_) return;
  // What comes after a commit may ask for another one; each round ends something, so few are
  // needed.
  for (int round = 0; round < kMaxRounds; ++round) {
    for (std::string& name : set_.TakeChanged()) changed_plans_.insert(std::move(name));
    const bool dirty = std::any_of(entries_.begin(), entries_.end(), [](const auto& e) {
      const MonitorEntry& m = *e.second;
      return !m.dirty_baselines.empty() || m.dirty_health || m.dirty_state || m.dirty_names ||
             m.dirty_last_runs;
    });
    if (writes_.empty() && changed_plans_.empty() && !dirty && after_.empty()) break;
    if (cannot_write_ && clock_.Now() < retry_at_) break;
    if (const absl::Status status = Commit(); !status.ok()) {
      if (!cannot_write_) {
        Log(LogLevel::kError, "monitoring cannot store anything, and waits until it can",
            {{"error", std::string(Message(status))}});
      }
      cannot_write_ = true;
      retry_at_ = clock_.Now() + kWriteAgain;
      // A file system that was mounted read-only passes, too.
      const bool passes = MayPass(status) || absl::IsPermissionDenied(status);
      if (!passes && ++lasting_ >= kGiveUpAfter) GiveUpWriting();
      break;
    }
    lasting_ = 0;
    unstored_.clear();
    if (std::exchange(cannot_write_, false)) Log(LogLevel::kInfo, "monitoring can store again", {});
    const auto after = std::exchange(after_, {});
    for (const auto& then : after) then(true);
  }
  ScheduleTurn();
}

// A write that will never succeed must not hold up everything else for ever.
void MonitoringImpl::GiveUpWriting() {
  Log(LogLevel::kError,
      "monitoring drops changes that cannot be stored; callers are told, events among them are "
      "lost",
      {{"changes", std::to_string(writes_.size())}});
  lasting_ = 0;
  writes_.clear();
  for (const auto& then : std::exchange(after_, {})) then(false);
  for (const std::string& name : std::exchange(unstored_, {})) {
    set_.Remove(name).IgnoreError();
    entries_.erase(name);
    changed_plans_.erase(name);
  }
}

void MonitoringImpl::FlushSoon() {
  if (std::exchange(flush_posted_, true)) return;
  runner_.Post([this] {
    flush_posted_ = false;
    Flush();
  });
}

// ---- time ----

void MonitoringImpl::Turn() {
  if (stopped_) return;
  const Time now = clock_.Now();
  if (!cannot_write_) {
    StartRuns();
    if (now >= next_slow_tick_) SlowTick();
    if (now >= next_tick_) {
      next_tick_ = now + kTickEvery;
      for (auto& [name, entry] : entries_) {
        if (!entry->exposure->confirmations().state().pending.empty()) TickExposure(*entry);
      }
    }
    if (now >= next_prune_) {
      next_prune_ = now + kPruneEvery;
      Prune();
    }
  }
  if (now >= next_metrics_) {
    next_metrics_ = now + (RefreshMetrics() ? Duration(kMetricsEvery) : Duration(kGoOnCounting));
  }
  Flush();
}

// Each monitor every kSlowTickEvery, of many some a second: one whose specification was changed is
// judged anew, and all of them at once would hold up everything else.
void MonitoringImpl::SlowTick() {
  constexpr size_t kRounds = kSlowTickEvery / kTickEvery;
  size_t some = (entries_.size() + kRounds - 1) / kRounds;
  next_slow_tick_ =
      clock_.Now() +
      (entries_.empty() ? Duration(kSlowTickEvery)
                        : std::max<Duration>(kTickEvery, kSlowTickEvery * some / entries_.size()));
  for (; some > 0; --some) {
    auto it = entries_.upper_bound(ticked_);
    if (it == entries_.end()) it = entries_.begin();
    ticked_ = it->first;
    TickExposure(*it->second);
  }
}

void MonitoringImpl::ScheduleTurn() {
  const Time now = clock_.Now();
  const WallTime wall = clock_.Wall();
  // What Turn leaves out while nothing can be written is not due either.
  Time at =
      cannot_write_ ? std::min(next_metrics_, retry_at_) : std::min(next_metrics_, next_slow_tick_);
  if (!cannot_write_) {
    const bool pending = std::any_of(entries_.begin(), entries_.end(), [](const auto& e) {
      return !e.second->exposure->confirmations().state().pending.empty();
    });
    if (pending) at = std::min(at, next_tick_);
    if (const std::optional<WallTime> wake = set_.NextWake(); wake.has_value()) {
      at = std::min(at, now + std::max<Duration>(*wake - wall, Duration(0)));
    }
  }
  at = std::max(at, now + kShortestTurn);
  if (turn_timer_ != 0 && turn_at_ <= at) return;
  if (turn_timer_ != 0) runner_.CancelTimer(turn_timer_);
  turn_at_ = at;
  turn_timer_ = runner_.PostAt(at, [this] {
    turn_timer_ = 0;
    Turn();
  });
}

void MonitoringImpl::Prune() {
  const auto age = std::chrono::duration_cast<std::chrono::microseconds>(options_.event_retention);
  const auto rows = store_->Prune(clock_.Wall() - age, kKeptRuns, kPruneRows);
  if (!rows.ok()) {
    Log(LogLevel::kWarning, "old events cannot be deleted",
        {{"error", std::string(Message(rows.status()))}});
  } else if (*rows >= kPruneRows) {
    next_prune_ = clock_.Now() + kTickEvery;  // there is more
  }
}

}  // namespace portolan
