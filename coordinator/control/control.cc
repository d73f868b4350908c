#include "coordinator/control/control.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/status.h"

// The life of the object, and the loop that everything on the control thread goes through.
namespace portolan {
namespace {

constexpr Duration kTick = std::chrono::seconds(1);
constexpr Duration kSoonest = std::chrono::milliseconds(10);
constexpr Duration kRetentionEvery = std::chrono::hours(1);
constexpr Duration kStuckAfter = std::chrono::seconds(30);
constexpr size_t kMaxProgress = 100;
constexpr size_t kSweptAtStart = 100;

uint64_t SeedFromSystem() {
  std::random_device device;
  return (uint64_t{device()} << 32) ^ device();
}

ScanCreator::Limits CreatorLimits(const ControlOptions& options) {
  ScanCreator::Limits limits;
  limits.creations = options.plan_queue;
  return limits;
}

}  // namespace

Control::Control(ControlOptions options, std::unique_ptr<Store> store, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      store_(std::move(store)),
      started_(clock.Wall()),
      scope_(std::make_shared<const Scope>(options_.scope)),
      calls_(runner_, readers_, stopping_),
      finder_(*store_, calls_,
              [this](const ScanId& id) { return scheduler_->GetContext(id).has_value(); }),
      creator_(CreatorEnvironment(), CreatorLimits(options_)),
      watchers_({runner_, clock_, [this](const ScanId& id) { return LiveStatus(id); }},
                options_.max_watchers),
      random_(SeedFromSystem()),
      readers_("read", options_.read_threads, options_.read_queue),
      planners_("plan", options_.plan_threads, options_.plan_queue),
      runner_("control", clock, options_.max_queue) {}

absl::StatusOr<std::unique_ptr<Control>> Control::Start(ControlOptions options,
                                                        std::unique_ptr<Store> store,
                                                        const Clock& clock) {
  std::unique_ptr<Control> control(new Control(std::move(options), std::move(store), clock));
  absl::Status loaded;
  control->runner_.Run([&] { loaded = control->Load(); });
  if (!loaded.ok()) return loaded;
  return control;
}

std::shared_ptr<const Scope> Control::scope() const {
  MutexLock lock(scope_mu_);
  return scope_;
}

void Control::SetScope(Scope scope) {
  auto changed = std::make_shared<const Scope>(std::move(scope));
  MutexLock lock(scope_mu_);
  scope_ = std::move(changed);
}

Control::~Control() {
  BeginShutdown();
  Stop();
}

absl::Status Control::Load() {
  PORTOLAN_ASSIGN_OR_RETURN(Store::StartState state, store_->Load());
  epoch_ = state.epoch;
  next_lane_ = state.next_lane;
  written_next_token_ = committed_next_token_ = state.next_token;
  scheduler_ = std::make_unique<Scheduler>(options_.scheduler, state.next_token);
  ingest_ = std::make_unique<Ingest>(*scheduler_);
  compactor_ = std::make_unique<Compactor>(*store_);
  results_ = std::make_unique<ResultReader>(*store_);
  vantages_.Restore(state.vantages);
  const Time now = clock_.Now();
  for (ScanRecord& record : state.unfinished) {
    // Agents may have been told an overlay that the former coordinator could not commit: its
    // version must not come again.
    record.overlay.version = std::max(record.overlay.version, epoch_ << 32);
    for (const LaneRecord& lane : record.lanes) {
      ingest_->AddLane(lane.id, record.id, lane.vantage, record.spec->space);
      compactor_->Sweep(lane.id, record.spec->space);
    }
    Log(LogLevel::kInfo, "scan goes on", {{"scan", record.id}});
    scheduler_->Restore(std::move(record), now);
  }
  // Scans that ended just before the last stop may have groups that were not brought into their
  // final form.
  readers_.TryPost([this] {
    absl::StatusOr<std::vector<ScanSummary>> scans = store_->ListScans(kSweptAtStart, "");
    if (!scans.ok()) return;  // the same error shows in every read that follows
    for (const ScanSummary& listed : *scans) {
      if (stopping_) return;
      if (!IsFinished(listed.record.state)) continue;
      absl::StatusOr<std::optional<ScanSummary>> scan = store_->GetScan(listed.record.id);
      if (!scan.ok() || !scan->has_value()) continue;
      for (const LaneRecord& lane : (*scan)->record.lanes)
        compactor_->Sweep(lane.id, (*scan)->record.spec->space);
    }
  });
  next_sample_ = next_retention_ = now;
  heartbeat_ns_ = now.time_since_epoch().count();
  Settle();
  Tick();
  return absl::OkStatus();
}

void Control::Settle(WriteBatch batch, Committed committed) {
  // An agent that is woken again by what another was granted here gets its turn in the next round
  // of the loop; the bound is for a bug in the scheduler that would have two agents wake each other
  // for ever.
  for (int round = 0; round < 4; ++round) {
    const std::vector<std::string> woken = scheduler_->TakeWoken();
    if (woken.empty()) break;
    for (const std::string& name : woken) Resynchronize(name, false);
  }
  for (Change& change : scheduler_->TakeChanges()) batch.changes.push_back(std::move(change));
  const Token next = scheduler_->next_token();
  if (next != written_next_token_) batch.next_token = written_next_token_ = next;
  batch.vantages = std::exchange(vantages_to_store_, {});
  batch.forget_vantages = std::exchange(vantages_to_forget_, {});

  std::vector<ScanId> finished;
  for (const ScanId& id : scheduler_->TakeChangedScans()) {
    const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
    if (!view.has_value()) continue;
    watchers_.NoteChange(id);
    if (IsFinished(view->state)) finished.push_back(id);
  }

  if (!batch.empty() || !finished.empty()) {
    PendingCommit& pending = pending_commits_.emplace_back();
    pending.next_token = next;
    pending.finished = std::move(finished);
    if (committed) pending.committed.push_back(std::move(committed));
    store_->Write(std::move(batch), [this] { runner_.Post([this] { OnCommit(); }); });
  } else if (committed) {
    // Nothing of its own to store: it is as good as committed once all before it is.
    if (pending_commits_.empty()) {
      committed(absl::OkStatus());
    } else {
      pending_commits_.back().committed.push_back(std::move(committed));
    }
  }
  if (stopping_) {
    // Whoever waits is not kept waiting; the store still commits what it was given.
    for (PendingCommit& p : pending_commits_) {
      for (Committed& c : std::exchange(p.committed, {})) c(ControlCalls::Stopping());
    }
  }
  ScheduleTick();
}

void Control::OnCommit() {
  PORTOLAN_CHECK(!pending_commits_.empty());
  PendingCommit done = std::move(pending_commits_.front());
  pending_commits_.pop_front();
  committed_next_token_ = std::max(committed_next_token_, done.next_token);
  for (Committed& c : done.committed) c(absl::OkStatus());
  for (const ScanId& id : done.finished) Retire(id);
  ReleaseCommitted();
}

void Control::Tick() {
  const Time now = clock_.Now();
  heartbeat_ns_ = now.time_since_epoch().count();
  scheduler_->Tick(now, clock_.Wall());
  if (now >= next_sample_) {
    next_sample_ = now + kTick;
    Sample();
    ResumeReports();
    ForgetAgents();
    NoteCertificates();
  }
  const bool throttled = Throttled();
  if (was_throttled_ != throttled) {
    was_throttled_ = throttled;
    Log(throttled ? LogLevel::kError : LogLevel::kInfo,
        throttled ? "no new leases are granted" : "leases are granted again",
        {{"reason", StoreTrouble()}});
    watchers_.NoteChangeOfAll();
  }
  if (!throttled && std::exchange(turned_away_, false)) {
    // Those that asked for work in the meantime were told that there is none.
    std::vector<std::string> names;
    for (const auto& [name, entry] : agents_) names.push_back(name);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) Resynchronize(name, false);
  }
  if (const bool ready = Ready().ok(); was_ready_ != ready) {
    was_ready_ = ready;
    if (options_.on_ready) options_.on_ready(ready);
  }
  if (now >= next_retention_) {
    next_retention_ = now + kRetentionEvery;
    if (!readers_.TryPost([this] { SweepRetention(); }))
      next_retention_ = now + std::chrono::minutes(1);
  }
  Settle();
}

void Control::ScheduleTick() {
  if (stopping_) return;
  const Time now = clock_.Now();
  const Time at = std::min(std::max(scheduler_->NextEvent(), now + kSoonest), now + kTick);
  if (tick_timer_ != 0 && tick_at_ <= at) return;
  if (tick_timer_ != 0) runner_.CancelTimer(tick_timer_);
  tick_at_ = at;
  tick_timer_ = runner_.PostAt(at, [this] {
    tick_timer_ = 0;
    Tick();
  });
}

std::string Control::StoreTrouble() const {
  const absl::Status health = store_->Health();
  if (!health.ok()) return std::string(Message(health));
  if (ingest_bytes_ + store_->Backlog() > options_.max_backlog_bytes)
    return "the store is behind: results wait to be written, no new work is given out";
  return "";
}

bool Control::Throttled() const {
  return !store_->Health().ok() || ingest_bytes_ > options_.max_backlog_bytes ||
         store_->Backlog() > options_.max_backlog_bytes;
}

bool Control::MayRead() const {
  return ingest_bytes_.load() < options_.max_backlog_bytes && !stopping_;
}

absl::Status Control::Ready() const {
  if (stopping_) return ControlCalls::Stopping();
  return store_->Health();
}

absl::Status Control::Live() const {
  const Time last = Time(Duration(heartbeat_ns_.load()));
  const Time now = clock_.Now();
  if (now - last > kStuckAfter && !stopping_)
    return Internal("the control thread has not run for {:.0f} s", ToSeconds(now - last));
  return absl::OkStatus();
}

void Control::Sample() {
  const Time now = clock_.Now();
  for (const ScanId& id : scheduler_->ListScans()) {
    const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
    if (!view.has_value()) continue;
    meters_[id].Sample(now, Probed(view->ledger));
  }
}

std::optional<Control::Snapshot> Control::TakeSnapshot() {
  if (stopping_) return std::nullopt;
  Snapshot out;
  const bool ran = runner_.Run([&] {
    if (stopping_) return;
    out.scheduler = scheduler_->counters();
    out.ingest = ingest_->counters();
    out.ingest.rejected_batches += malformed_;
    for (const Scheduler::AgentView& a : scheduler_->ListAgents()) {
      out.leases += a.leases;
      out.agents.push_back(StatusOfAgent(a));
    }
    for (const ScanId& id : scheduler_->ListScans()) {
      const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
      if (!view.has_value()) continue;
      ++out.scans[view->state];
      if (out.progress.size() == kMaxProgress) continue;
      uint64_t planned = 0;
      for (const Scheduler::LaneView& lane : view->lanes) planned += lane.planned;
      const auto meter = meters_.find(id);
      out.progress.push_back(
          {id,
           planned == 0 ? 0
                        : static_cast<double>(view->ledger.Done()) / static_cast<double>(planned),
           meter == meters_.end() ? 0 : meter->second.rate()});
    }
    std::set<std::string> vantages;
    for (std::string& v : vantages_.Missed(clock_.Wall())) vantages.insert(std::move(v));
    for (const ScanId& id : scheduler_->ListScans()) {
      const auto scan = scheduler_->GetContext(id);
      if (vantages.size() >= kMaxListedVantages || !scan.has_value()) break;
      vantages.insert(scan->spec->vantages.begin(), scan->spec->vantages.end());
    }
    for (const std::string& v : vantages) {
      if (out.vantages.size() < kMaxListedVantages) out.vantages.push_back(v);
    }
    out.name_conflicts = name_conflicts_;
    for (const auto& [name, entry] : agents_) out.parked += entry.call.has_value() ? 1 : 0;
    out.report_streams = streams_.size();
  });
  if (!ran || stopping_) return std::nullopt;
  out.store = store_->stats();
  out.compactor = compactor_->counters();
  out.store_backlog = store_->Backlog();
  out.ingest_bytes = ingest_bytes_;
  out.control_queue = runner_.depth();
  out.read_queue = readers_.depth();
  out.plan_queue = planners_.depth();
  out.watchers = watchers_.count();
  return out;
}

void Control::BeginShutdown() {
  if (stopping_.exchange(true)) return;
  runner_.Run([this] {
    creator_.Shutdown(ControlCalls::Stopping());
    for (auto& [call, exclusion] : std::exchange(exclusion_lookups_, {})) {
      exclusion.lookup.reset();
      exclusion.done(ControlCalls::Stopping());
    }
    for (auto& [name, entry] : agents_) EndCall(entry, ControlCalls::Stopping());
    std::vector<uint64_t> streams;
    for (const auto& [id, stream] : streams_) streams.push_back(id);
    for (const uint64_t id : streams) EndReport(id, ControlCalls::Stopping());
    watchers_.Shutdown(ControlCalls::Stopping());
    for (PendingCommit& p : pending_commits_) {
      for (Committed& c : std::exchange(p.committed, {})) c(ControlCalls::Stopping());
    }
  });
}

void Control::Stop() {
  if (std::exchange(stopped_, true)) return;
  readers_.Stop();
  planners_.Stop();
  runner_.Stop();
  compactor_.reset();  // after the group at hand; until now the control thread offered it work
  results_.reset();
  store_.reset();  // commits what is queued; its callbacks find the runner stopped
}

}  // namespace portolan
