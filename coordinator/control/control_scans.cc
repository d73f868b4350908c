#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// Scans: made, changed, watched, removed.
namespace portolan {
namespace {

constexpr std::string_view kIdAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr size_t kIdLength = 10;
constexpr size_t kMaxSameRequests = 100;
constexpr size_t kMaxOverlayRules = 10'000;
constexpr size_t kRetentionSlice = 100;
constexpr int kMaxRetentionSlices = 1000;
constexpr Duration kWatchEvery = std::chrono::milliseconds(250);
constexpr Duration kWatchAtLeastEvery = std::chrono::seconds(10);

std::string_view StateText(ScanState s) {
  switch (s) {
    case ScanState::kRunning: return "running";
    case ScanState::kPaused: return "paused";
    case ScanState::kCancelling: return "being cancelled";
    case ScanState::kComplete: return "complete";
    case ScanState::kPartial: return "partial";
    case ScanState::kCancelled: return "cancelled";
  }
  return "unknown";
}

}  // namespace

// ---- finding ----

bool Control::IsWholeId(const std::string& ref) {
  return ref.size() == kIdLength && ref.find_first_not_of(kIdAlphabet) == std::string::npos;
}

absl::StatusOr<ScanId> Control::FindScan(const std::string& ref) {
  if (ref.empty()) return InvalidArgument("scan_id: empty; give an id, the beginning of one, or \"last\"");
  if (ref != "last" && (ref.size() > kIdLength || ref.find_first_not_of(kIdAlphabet) != std::string::npos)) {
    return NotFound("scan \"{}\": no such scan; ids are {} characters of a-z and 2-7", ref.substr(0, 40), kIdLength);
  }
  PORTOLAN_ASSIGN_OR_RETURN(const std::vector<ScanId> ids, store_->FindScans(ref, 2));
  if (ids.empty()) {
    return ref == "last" ? NotFound("scan \"last\": there is no scan yet") : NotFound("scan \"{}\": no such scan", ref);
  }
  if (ids.size() > 1) return InvalidArgument("scan_id \"{}\": begins {}, {} and perhaps others; give more of it", ref, ids[0], ids[1]);
  return ids[0];
}

absl::StatusOr<ScanStatus> Control::LiveStatus(const ScanId& id) {
  const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
  if (!view.has_value()) return NotFound("scan \"{}\": no such scan", id);
  RateMeter& meter = meters_[id];
  const Time now = clock_.Now();
  meter.Sample(now, Probed(view->ledger));
  return StatusOfView(*view, meter.rate(), StoreTrouble(), now, clock_.Wall());
}

void Control::StoredStatus(const ScanId& id, Done<ScanStatus> done) {
  OnReader<ScanStatus>(std::move(done), [this, id](Done<ScanStatus> d) {
    absl::StatusOr<std::optional<ScanSummary>> scan = store_->GetScan(id);
    if (!scan.ok()) return d(scan.status());
    if (!scan->has_value()) return d(NotFound("scan \"{}\": no such scan", id));
    d(StatusOfSummary(**scan));
  });
}

// On the control thread.
void Control::AnswerWithScan(const ScanId& id, absl::Status status, Done<ScanStatus> done) {
  if (!status.ok()) return done(std::move(status));
  absl::StatusOr<ScanStatus> live = LiveStatus(id);
  if (live.ok()) return done(std::move(live));
  StoredStatus(id, std::move(done));
}

void Control::GetScan(const std::string& ref, Done<ScanStatus> done) {
  WithScan<ScanStatus>(ref, std::move(done), [this](const ScanId& id, Done<ScanStatus> found) {
    OnControl<ScanStatus>(std::move(found), [this, id](Done<ScanStatus> d) { AnswerWithScan(id, absl::OkStatus(), std::move(d)); });
  });
}

void Control::ListScans(size_t limit, const std::string& after, Done<ScanList> done) {
  OnReader<ScanList>(std::move(done), [this, limit, after](Done<ScanList> later) {
    absl::StatusOr<std::vector<ScanSummary>> stored = store_->ListScans(limit, after);
    if (absl::IsNotFound(stored.status())) {
      return later(InvalidArgument("page_token \"{}\": the scan it continued from is gone; begin again", after.substr(0, 40)));
    }
    if (!stored.ok()) return later(stored.status());
    auto list = std::make_shared<ScanList>();
    if (stored->size() == limit) list->next = stored->back().record.id;
    for (const ScanSummary& s : *stored) list->scans.push_back(StatusOfSummary(s));
    OnControl<ScanList>(std::move(later), [this, list](Done<ScanList> d) {
      for (ScanStatus& s : list->scans) {
        if (IsFinished(s.state)) continue;
        absl::StatusOr<ScanStatus> live = LiveStatus(s.id);
        if (live.ok()) s = *std::move(live);
      }
      for (ScanStatus& s : list->scans) {
        for (LaneStatus& lane : s.lanes) lane.missing.clear();  // whoever wants them asks for the one scan
      }
      d(std::move(*list));
    });
  });
}

// ---- making ----

ScanId Control::NewScanId() {
  while (true) {
    ScanId id;
    uint64_t bits = random_();
    for (size_t i = 0; i < kIdLength; ++i, bits >>= 5) id += kIdAlphabet[bits & 31];
    if (!scheduler_->GetScan(id).has_value()) return id;
  }
}

void Control::CreateScan(ScanRequest request, std::string key, std::string digest, Done<ScanStatus> done) {
  auto shared = std::make_shared<ScanRequest>(std::move(request));
  OnControl<ScanStatus>(std::move(done), [this, shared, key = std::move(key), digest = std::move(digest)](Done<ScanStatus> d) {
    if (stopping_) return d(Stopping());
    if (!key.empty()) {
      auto [it, fresh] = creations_.try_emplace(key);
      if (!fresh) {
        if (it->second.digest != digest) return d(AlreadyExists("request_id \"{}\": was used for another request; choose a new one", key));
        if (it->second.waiting.size() >= kMaxSameRequests) return d(Busy());
        it->second.waiting.push_back(std::move(d));
        return;
      }
      it->second.digest = digest;
    }
    // Answers this request and the same ones that came while it was at work. On the control thread.
    Done<ScanStatus> finish = [this, key, d](const absl::StatusOr<ScanStatus>& result) {
      std::vector<Done<ScanStatus>> waiting;
      if (auto it = creations_.find(key); it != creations_.end()) {
        waiting = std::move(it->second.waiting);
        creations_.erase(it);
      }
      d(result);
      for (const Done<ScanStatus>& w : waiting) w(result);
    };
    const bool posted = planners_.TryPost([this, shared, key, digest, live = scheduler_->LiveVantages(), seed = random_(), finish] {
      PlanAndCreate(std::move(*shared), key, digest, live, seed, finish);
    });
    if (!posted) finish(stopping_ ? Stopping() : ResourceExhausted("too many scans are being planned; try again in some seconds"));
  });
}

// On a planning thread. `finish` is called on the control thread.
void Control::PlanAndCreate(ScanRequest request, const std::string& key, const std::string& digest, const std::vector<std::string>& live,
                            uint64_t seed, Done<ScanStatus> finish) {
  const auto fail = [&](absl::Status status) { runner_.Post([finish, status = std::move(status)] { finish(status); }); };
  if (!key.empty()) {
    absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> before = store_->FindRequest(key);
    if (!before.ok()) return fail(before.status());
    if (before->has_value()) {
      if ((*before)->second != digest) return fail(AlreadyExists("request_id \"{}\": was used for another request; choose a new one", key));
      runner_.Post([this, id = (*before)->first, finish] {
        // `finish` belongs to the control thread, the stored status comes on a reader's.
        AnswerWithScan(id, absl::OkStatus(), [this, finish](absl::StatusOr<ScanStatus> result) {
          runner_.Post([finish, result = std::move(result)] { finish(result); });
        });
      });
      return;
    }
  }
  PlanContext context;
  context.scope = &options_.scope;
  context.live_vantages = live;
  context.retention = options_.retention;
  context.random_seed = seed == 0 ? 1 : seed;
  context.resolver = [this](const std::string& name) -> absl::StatusOr<std::vector<IpAddress>> {
    if (stopping_) return Stopping();  // else a long list of names would hold up the end of the program
    return options_.resolver(name);
  };
  absl::StatusOr<std::shared_ptr<const ScanSpec>> spec = PlanScan(request, context);
  if (!spec.ok()) return fail(spec.status());
  runner_.Post([this, spec = *std::move(spec), key, digest, finish] { SubmitPlanned(spec, key, digest, finish); });
}

void Control::SubmitPlanned(std::shared_ptr<const ScanSpec> spec, const std::string& key, const std::string& digest, Done<ScanStatus> finish) {
  if (stopping_) return finish(Stopping());
  const WallTime wall = clock_.Wall();
  ScanRecord record;
  record.id = NewScanId();
  record.spec = std::move(spec);
  record.created = wall;
  const uint64_t first_lane = next_lane_;
  const auto add_lane = [&](const std::string& vantage) {
    LaneRecord& lane = record.lanes.emplace_back();
    lane.id = LaneId{next_lane_++};
    lane.vantage = vantage;
  };
  if (record.spec->mode == ScanMode::kEachVantage) {
    for (const std::string& vantage : record.spec->vantages) add_lane(vantage);
  } else {
    add_lane("");
  }
  const absl::Status submitted = scheduler_->Submit(record, clock_.Now(), wall);
  if (!submitted.ok()) {
    next_lane_ = first_lane;
    return finish(submitted);
  }
  for (const LaneRecord& lane : record.lanes) ingest_->AddLane(lane.id, record.id, lane.vantage, record.spec->space);
  Log(LogLevel::kInfo, "scan created",
      {{"scan", record.id}, {"name", record.spec->name}, {"positions", std::to_string(record.spec->space->size())},
       {"lanes", std::to_string(record.lanes.size())}});
  const ScanId id = record.id;
  WriteBatch batch;
  if (!key.empty()) batch.requests.push_back({key, digest, id});
  batch.new_scans.push_back(std::move(record));
  Settle(std::move(batch), [this, id, finish](const absl::Status& status) {
    if (!status.ok()) return finish(status);
    finish(LiveStatus(id));
  });
}

// ---- changing ----

void Control::ChangeScan(const std::string& ref, Verb verb, Done<ScanStatus> done) {
  WithScan<ScanStatus>(ref, std::move(done), [this, verb](const ScanId& id, Done<ScanStatus> found) {
    OnControl<ScanStatus>(std::move(found), [this, verb, id](Done<ScanStatus> d) {
      const Time now = clock_.Now();
      const WallTime wall = clock_.Wall();
      absl::Status status;
      switch (verb) {
        case Verb::kPause: status = scheduler_->Pause(id, now, wall); break;
        case Verb::kResume: status = scheduler_->Resume(id, now, wall); break;
        case Verb::kCancel: status = scheduler_->Cancel(id, now, wall); break;
      }
      if (status.ok()) {
        Log(LogLevel::kInfo, verb == Verb::kPause ? "scan paused" : verb == Verb::kResume ? "scan resumed" : "scan cancelled", {{"scan", id}});
      } else if (absl::IsNotFound(status)) {
        // Not running: finished, or never there.
        return StoredStatus(id, [verb, id, d](absl::StatusOr<ScanStatus> stored) {
          if (!stored.ok() || (verb == Verb::kCancel && stored->state == ScanState::kCancelled)) return d(std::move(stored));
          d(FailedPrecondition("scan {}: has finished ({})", id, StateText(stored->state)));
        });
      }
      Settle({}, [this, id, status, d](const absl::Status& committed) { AnswerWithScan(id, status.ok() ? committed : status, d); });
    });
  });
}

void Control::Exclude(const std::string& ref, std::vector<ScopeRule> rules, Done<ScanStatus> done) {
  auto shared = std::make_shared<std::vector<ScopeRule>>(std::move(rules));
  WithScan<ScanStatus>(ref, std::move(done), [this, shared](const ScanId& id, Done<ScanStatus> found) {
    OnControl<ScanStatus>(std::move(found), [this, shared, id](Done<ScanStatus> d) {
      const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
      if (!view.has_value()) {
        return StoredStatus(id, [id, d](absl::StatusOr<ScanStatus> stored) {
          d(stored.ok() ? FailedPrecondition("scan {}: has finished ({}); nothing is probed any more", id, StateText(stored->state)) : stored.status());
        });
      }
      if (view->overlay.rules.size() + shared->size() > kMaxOverlayRules) {
        return d(ResourceExhausted("scan {}: more than {} exclusions were added while it runs; cancel it and begin a new one", id, kMaxOverlayRules));
      }
      const absl::Status status = scheduler_->Exclude(id, std::move(*shared), clock_.Now());
      if (status.ok()) Log(LogLevel::kInfo, "exclusions added", {{"scan", id}});
      Settle({}, [this, id, status, d](const absl::Status& committed) { AnswerWithScan(id, status.ok() ? committed : status, d); });
    });
  });
}

void Control::DeleteScan(const std::string& ref, Done<ScanId> done) {
  WithScan<ScanId>(ref, std::move(done), [this](const ScanId& id, Done<ScanId> found) {
    OnReader<ScanId>(std::move(found), [this, id](Done<ScanId> later) {
      absl::StatusOr<std::optional<ScanSummary>> scan = store_->GetScan(id);
      if (!scan.ok()) return later(scan.status());
      if (!scan->has_value()) return later(NotFound("scan \"{}\": no such scan", id));
      if (!IsFinished((*scan)->record.state)) {
        return later(FailedPrecondition("scan {}: is {}; cancel it first", id, StateText((*scan)->record.state)));
      }
      OnControl<ScanId>(std::move(later), [this, id](Done<ScanId> d) {
        WriteBatch batch;
        batch.delete_scans.push_back(id);
        Log(LogLevel::kInfo, "scan deleted", {{"scan", id}});
        Settle(std::move(batch), [id, d](const absl::Status& status) {
          if (!status.ok()) return d(status);
          d(id);
        });
      });
    });
  });
}

// After the commit of its end.
void Control::Retire(const ScanId& id) {
  const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
  if (!view.has_value()) return;
  PushUpdates(id, true);
  const Ledger& l = view->ledger;
  Log(view->state == ScanState::kPartial ? LogLevel::kWarning : LogLevel::kInfo, "scan finished",
      {{"scan", id}, {"state", std::string(StateText(view->state))}, {"open", std::to_string(l.open)}, {"closed", std::to_string(l.closed)},
       {"filtered", std::to_string(l.filtered)}, {"unreachable", std::to_string(l.unreachable)}, {"not_probed", std::to_string(l.NotProbed())}});
  for (const Scheduler::LaneView& lane : view->lanes) compactor_->Sweep(lane.id, view->spec->space);
  const absl::Status removed = scheduler_->Remove(id);
  if (!removed.ok()) {
    Log(LogLevel::kError, "a finished scan stays in memory", {{"scan", id}, {"reason", std::string(Message(removed))}});
    return;
  }
  ingest_->RemoveScan(id);
  meters_.erase(id);
  Settle();
}

// On a reader's thread.
void Control::SweepRetention() {
  for (int slice = 0; slice < kMaxRetentionSlices && !stopping_; ++slice) {
    absl::StatusOr<std::vector<ScanId>> expired = store_->Expired(clock_.Wall(), kRetentionSlice);
    if (!expired.ok() || expired->empty()) return;
    for (const ScanId& id : *expired) Log(LogLevel::kInfo, "scan removed at the end of its retention", {{"scan", id}});
    // The next slice asks after the commit of this one, else it would find the same scans.
    struct Gate {
      Mutex mu;
      CondVar cv;
      bool done GUARDED_BY(mu) = false;
    };
    auto gate = std::make_shared<Gate>();
    const auto open = [gate] {
      MutexLock lock(gate->mu);
      gate->done = true;
      gate->cv.NotifyAll();
    };
    const bool posted = runner_.Post([this, open, ids = *std::move(expired)]() mutable {
      WriteBatch batch;
      batch.delete_scans = std::move(ids);
      Settle(std::move(batch), [open](const absl::Status&) { open(); });
    });
    if (!posted) return;
    MutexLock lock(gate->mu);
    while (!gate->done) gate->cv.Wait(gate->mu);
  }
}

// ---- watching ----

uint64_t Control::Watch(const std::string& ref, WatchUpdate update) {
  const uint64_t watch = NextCallId();
  if (watcher_count_.fetch_add(1) >= options_.max_watchers) {
    --watcher_count_;
    update(ResourceExhausted("too many calls watch scans ({}); try again later, or poll GetScan", options_.max_watchers), true);
    return watch;
  }
  // The count is given back by whoever makes the last call.
  const WatchUpdate once = [this, update](absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last) {
    if (last) --watcher_count_;
    update(std::move(status), last);
  };
  const Done<ScanStatus> ended = [this, watch, once](absl::StatusOr<ScanStatus> status) {
    runner_.Post([this, watch] { watch_ids_.erase(watch); });
    if (!status.ok()) return once(status.status(), true);
    once(std::make_shared<const ScanStatus>(*std::move(status)), true);
  };
  // Known to the control thread before the scan is looked for, so that Unwatch finds it whenever it comes.
  OnControl<ScanStatus>(ended, [this, watch, ref, once](Done<ScanStatus> known) {
    if (stopping_) return known(Stopping());
    watch_ids_[watch] = "";
    WithScan<ScanStatus>(ref, std::move(known), [this, watch, once](const ScanId& id, Done<ScanStatus> found) {
      OnControl<ScanStatus>(std::move(found), [this, watch, once, id](Done<ScanStatus> d) {
        if (stopping_) return d(Stopping());
        if (watch_ids_.count(watch) == 0) return d(Cancelled("cancelled by the caller"));
        absl::StatusOr<ScanStatus> live = LiveStatus(id);
        if (!live.ok()) return StoredStatus(id, d);
        watched_[id].watchers.push_back({watch, once});
        watch_ids_[watch] = id;
        // The end is told by Retire, after its commit.
        if (!IsFinished(live->state)) once(std::make_shared<const ScanStatus>(*std::move(live)), false);
        if (!std::exchange(watch_ticking_, true)) runner_.PostAfter(kWatchEvery, [this] { WatchTick(); });
      });
    });
  });
  return watch;
}

void Control::Unwatch(uint64_t watch) {
  runner_.Post([this, watch] {
    const auto id = watch_ids_.find(watch);
    if (id == watch_ids_.end()) return;
    auto scan = watched_.find(id->second);  // none: it is still being looked for, and finds itself gone
    watch_ids_.erase(id);
    if (scan == watched_.end()) return;
    const size_t erased = std::erase_if(scan->second.watchers, [watch](const Watcher& w) { return w.id == watch; });
    watcher_count_ -= erased;
    if (scan->second.watchers.empty()) watched_.erase(scan);
  });
}

void Control::WatchTick() {
  watch_ticking_ = false;
  std::vector<ScanId> ids;
  for (const auto& [id, scan] : watched_) ids.push_back(id);
  for (const ScanId& id : ids) PushUpdates(id, false);
  if (!watched_.empty() && !std::exchange(watch_ticking_, true)) runner_.PostAfter(kWatchEvery, [this] { WatchTick(); });
}

void Control::PushUpdates(const ScanId& id, bool last) {
  auto it = watched_.find(id);
  if (it == watched_.end()) return;
  absl::StatusOr<ScanStatus> status = LiveStatus(id);
  if (!status.ok()) return;  // Retire has pushed its end
  WatchedScan& scan = it->second;
  const Time now = clock_.Now();
  const uint64_t done = status->ledger.Done();
  // The end is told after its commit only.
  if (!last && (IsFinished(status->state) || (!scan.dirty && done == scan.last_done && now - scan.last_push < kWatchAtLeastEvery))) return;
  scan.dirty = false;
  scan.last_done = done;
  scan.last_push = now;
  auto shared = std::make_shared<const ScanStatus>(*std::move(status));
  if (!last) {
    for (const Watcher& w : scan.watchers) w.update(shared, false);
    return;
  }
  const std::vector<Watcher> watchers = std::move(scan.watchers);
  watched_.erase(it);
  for (const Watcher& w : watchers) {
    watch_ids_.erase(w.id);
    w.update(shared, true);
  }
}

}  // namespace portolan
