#include <algorithm>
#include <utility>

#include "common/base/escape.h"
#include "common/base/status.h"
#include "coordinator/control/control.h"

// Scans: described, listed, changed, removed.
namespace portolan {
namespace {

constexpr size_t kRetentionSlice = 100;
constexpr int kMaxRetentionSlices = 1000;

}  // namespace

// ---- telling ----

absl::StatusOr<ScanStatus> Control::LiveStatus(const ScanId& id) {
  const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
  if (!view.has_value()) return NotFound("scan \"{}\": no such scan", id);
  RateMeter& meter = meters_[id];
  const Time now = clock_.Now();
  meter.Sample(now, Probed(view->ledger));
  ScanStatus status = StatusOfView(*view, meter.rate(), StoreTrouble(), now, clock_.Wall());
  // Who is told that it has finished reads its results, and the last of them are not there before
  // their commit.
  if (IsFinished(status.state) && !EndIsCommitted(id)) status.state = ScanState::kRunning;
  return status;
}

bool Control::EndIsCommitted(const ScanId& id) const {
  return std::none_of(pending_commits_.begin(), pending_commits_.end(),
                      [&](const PendingCommit& pending) {
                        return std::find(pending.finished.begin(), pending.finished.end(), id) !=
                               pending.finished.end();
                      });
}

void Control::StoredStatus(const ScanId& id, Done<ScanStatus> done) {
  calls_.OnReader<ScanStatus>(std::move(done), [this, id](Done<ScanStatus> d) {
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
  finder_.With<ScanStatus>(ref, std::move(done), [this](const ScanId& id, Done<ScanStatus> found) {
    calls_.OnControl<ScanStatus>(std::move(found), [this, id](Done<ScanStatus> d) {
      AnswerWithScan(id, absl::OkStatus(), std::move(d));
    });
  });
}

void Control::ListScans(size_t limit, const std::string& after, Done<ScanList> done) {
  calls_.OnReader<ScanList>(std::move(done), [this, limit, after](Done<ScanList> later) {
    absl::StatusOr<std::vector<ScanSummary>> stored = store_->ListScans(limit, after);
    if (absl::IsNotFound(stored.status())) {
      return later(
          InvalidArgument("page_token \"{}\": the scan it continued from is gone; begin again",
                          after.substr(0, 40)));
    }
    if (!stored.ok()) return later(stored.status());
    auto list = std::make_shared<ScanList>();
    if (stored->size() == limit) list->next = stored->back().record.id;
    for (const ScanSummary& s : *stored) list->scans.push_back(StatusOfSummary(s));
    calls_.OnControl<ScanList>(std::move(later), [this, list](Done<ScanList> d) {
      for (ScanStatus& s : list->scans) {
        if (IsFinished(s.state)) continue;
        absl::StatusOr<ScanStatus> live = LiveStatus(s.id);
        if (live.ok()) s = *std::move(live);
      }
      for (ScanStatus& s : list->scans) {
        for (LaneStatus& lane : s.lanes)
          lane.missing.clear();  // whoever wants them asks for the one scan
      }
      d(std::move(*list));
    });
  });
}

// ---- changing ----

void Control::ChangeScan(const std::string& ref, Verb verb, Done<ScanStatus> done) {
  finder_.With<ScanStatus>(
      ref, std::move(done),
      [this, verb](const ScanId& id, Done<ScanStatus> found) {
        calls_.OnControl<ScanStatus>(std::move(found), [this, verb, id](Done<ScanStatus> d) {
          const Time now = clock_.Now();
          const WallTime wall = clock_.Wall();
          absl::Status status;
          switch (verb) {
            case Verb::kPause:
              status = scheduler_->Pause(id, now, wall);
              break;
            case Verb::kResume:
              status = scheduler_->Resume(id, now, wall);
              break;
            case Verb::kCancel:
              status = scheduler_->Cancel(id, now, wall);
              break;
          }
          if (status.ok()) {
            Log(LogLevel::kInfo,
                verb == Verb::kPause    ? "scan paused"
                : verb == Verb::kResume ? "scan resumed"
                                        : "scan cancelled",
                {{"scan", id}});
          } else if (absl::IsNotFound(status)) {
            // Not running: finished, or never there.
            return StoredStatus(id, [verb, id, d](absl::StatusOr<ScanStatus> stored) {
              if (!stored.ok() || (verb == Verb::kCancel && stored->state == ScanState::kCancelled))
                return d(std::move(stored));
              d(FailedPrecondition("scan {}: has finished ({})", id, StateText(stored->state)));
            });
          }
          Settle({}, [this, id, status, d](const absl::Status& committed) {
            AnswerWithScan(id, status.ok() ? committed : status, d);
          });
        });
      },
      verb == Verb::kCancel ? ScanFinder::Purpose::kEnd : ScanFinder::Purpose::kUse);
}

void Control::DeleteScan(const std::string& ref, Done<ScanId> done) {
  finder_.With<ScanId>(
      ref, std::move(done),
      [this](const ScanId& id, Done<ScanId> found) {
        calls_.OnReader<ScanId>(std::move(found), [this, id](Done<ScanId> later) {
          absl::StatusOr<std::optional<ScanSummary>> scan = store_->GetScan(id);
          if (!scan.ok()) return later(scan.status());
          if (!scan->has_value()) return later(NotFound("scan \"{}\": no such scan", id));
          if (!IsFinished((*scan)->record.state)) {
            return later(FailedPrecondition("scan {}: is {}; cancel it first", id,
                                            StateText((*scan)->record.state)));
          }
          calls_.OnControl<ScanId>(std::move(later), [this, id](Done<ScanId> d) {
            WriteBatch batch;
            batch.delete_scans.push_back(id);
            Log(LogLevel::kInfo, "scan deleted", {{"scan", id}});
            Settle(std::move(batch), [id, d](const absl::Status& status) {
              if (!status.ok()) return d(status);
              d(id);
            });
          });
        });
      },
      ScanFinder::Purpose::kEnd);
}

// After the commit of its end.
void Control::Retire(const ScanId& id) {
  const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
  if (!view.has_value()) return;
  watchers_.End(id);
  const Ledger& l = view->ledger;
  Log(view->state == ScanState::kPartial ? LogLevel::kWarning : LogLevel::kInfo, "scan finished",
      {{"scan", id},
       {"state", std::string(StateText(view->state))},
       {"open", std::to_string(l.open)},
       {"closed", std::to_string(l.closed)},
       {"filtered", std::to_string(l.filtered)},
       {"unreachable", std::to_string(l.unreachable)},
       {"not_probed", std::to_string(l.NotProbed())}});
  for (const Scheduler::LaneView& lane : view->lanes) compactor_->Sweep(lane.id, view->spec->space);
  const absl::Status removed = scheduler_->Remove(id);
  if (!removed.ok()) {
    Log(LogLevel::kError, "a finished scan stays in memory",
        {{"scan", id}, {"reason", std::string(Message(removed))}});
    return;
  }
  ingest_->RemoveScan(id);
  meters_.erase(id);
  WriteBatch batch;
  if (discarded_.erase(id) > 0) batch.delete_scans.push_back(id);
  Settle(std::move(batch));
}

// On a reader's thread.
void Control::SweepRetention() {
  for (int slice = 0; slice < kMaxRetentionSlices && !stopping_; ++slice) {
    absl::StatusOr<std::vector<ScanId>> expired = store_->Expired(clock_.Wall(), kRetentionSlice);
    if (!expired.ok() || expired->empty()) return;
    for (const ScanId& id : *expired)
      Log(LogLevel::kInfo, "scan removed at the end of its retention", {{"scan", id}});
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

}  // namespace portolan
