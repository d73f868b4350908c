#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// Who watches a scan is told of its changes, in time slices.
namespace portolan {
namespace {

constexpr Duration kWatchEvery = std::chrono::milliseconds(250);
constexpr Duration kWatchAtLeastEvery = std::chrono::seconds(10);

}  // namespace

uint64_t Control::Watch(const std::string& ref, WatchUpdate update) {
  const uint64_t watch = NextCallId();
  if (watcher_count_.fetch_add(1) >= options_.max_watchers) {
    --watcher_count_;
    update(ResourceExhausted("too many calls watch scans ({}); try again later, or poll GetScan",
                             options_.max_watchers),
           true);
    return watch;
  }
  // The count is given back by whoever makes the last call.
  const WatchUpdate once = [this, update](absl::StatusOr<std::shared_ptr<const ScanStatus>> status,
                                          bool last) {
    if (last) --watcher_count_;
    update(std::move(status), last);
  };
  const Done<ScanStatus> ended = [this, watch, once](absl::StatusOr<ScanStatus> status) {
    runner_.Post([this, watch] { watch_ids_.erase(watch); });
    if (!status.ok()) return once(status.status(), true);
    once(std::make_shared<const ScanStatus>(*std::move(status)), true);
  };
  // Known to the control thread before the scan is looked for, so that Unwatch finds it whenever it
  // comes.
  OnControl<ScanStatus>(ended, [this, watch, ref, once](Done<ScanStatus> known) {
    if (stopping_) return known(Stopping());
    watch_ids_[watch] = "";
    WithScan<ScanStatus>(
        ref, std::move(known), [this, watch, once](const ScanId& id, Done<ScanStatus> found) {
          OnControl<ScanStatus>(std::move(found), [this, watch, once, id](Done<ScanStatus> d) {
            if (stopping_) return d(Stopping());
            if (watch_ids_.count(watch) == 0) return d(Cancelled("cancelled by the caller"));
            absl::StatusOr<ScanStatus> live = LiveStatus(id);
            if (!live.ok()) return StoredStatus(id, d);
            watched_[id].watchers.push_back({watch, once});
            watch_ids_[watch] = id;
            // The end is told by Retire, after its commit.
            if (!IsFinished(live->state))
              once(std::make_shared<const ScanStatus>(*std::move(live)), false);
            if (!std::exchange(watch_ticking_, true))
              runner_.PostAfter(kWatchEvery, [this] { WatchTick(); });
          });
        });
  });
  return watch;
}

void Control::Unwatch(uint64_t watch) {
  runner_.Post([this, watch] {
    const auto id = watch_ids_.find(watch);
    if (id == watch_ids_.end()) return;
    auto scan =
        watched_.find(id->second);  // none: it is still being looked for, and finds itself gone
    watch_ids_.erase(id);
    if (scan == watched_.end()) return;
    const size_t erased =
        std::erase_if(scan->second.watchers, [watch](const Watcher& w) { return w.id == watch; });
    watcher_count_ -= erased;
    if (scan->second.watchers.empty()) watched_.erase(scan);
  });
}

void Control::WatchTick() {
  watch_ticking_ = false;
  std::vector<ScanId> ids;
  for (const auto& [id, scan] : watched_) ids.push_back(id);
  for (const ScanId& id : ids) PushUpdates(id, false);
  if (!watched_.empty() && !std::exchange(watch_ticking_, true))
    runner_.PostAfter(kWatchEvery, [this] { WatchTick(); });
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
  if (!last && (IsFinished(status->state) || (!scan.dirty && done == scan.last_done &&
                                              now - scan.last_push < kWatchAtLeastEvery)))
    return;
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
