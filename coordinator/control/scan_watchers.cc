#include "coordinator/control/scan_watchers.h"

#include <utility>

namespace portolan {
namespace {

constexpr Duration kEvery = std::chrono::milliseconds(250);
constexpr Duration kAtLeastEvery = std::chrono::seconds(10);

}  // namespace

ScanWatchers::Update ScanWatchers::Admit(Update update) {
  if (count_.fetch_add(1) >= most_) {
    --count_;
    return nullptr;
  }
  return [this, update = std::move(update)](
             absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last) {
    if (last) --count_;
    update(std::move(status), last);
  };
}

void ScanWatchers::Join(uint64_t watch, const ScanId& id, const Update& update, ScanStatus now) {
  watched_[id].watchers.push_back({watch, update});
  scan_of_[watch] = id;
  // An end is sent after its commit only.
  if (!IsFinished(now.state)) update(std::make_shared<const ScanStatus>(std::move(now)), false);
  ScheduleTick();
}

void ScanWatchers::Remove(uint64_t watch) {
  const auto id = scan_of_.find(watch);
  if (id == scan_of_.end()) return;
  const auto scan = watched_.find(id->second);
  scan_of_.erase(id);
  if (scan == watched_.end()) return;
  count_ -=
      std::erase_if(scan->second.watchers, [watch](const Watcher& w) { return w.id == watch; });
  if (scan->second.watchers.empty()) watched_.erase(scan);
}

void ScanWatchers::NoteChange(const ScanId& id) {
  if (const auto it = watched_.find(id); it != watched_.end()) it->second.changed = true;
}

void ScanWatchers::NoteChangeOfAll() {
  for (auto& [id, scan] : watched_) scan.changed = true;
}

void ScanWatchers::ScheduleTick() {
  if (watched_.empty() || std::exchange(ticking_, true)) return;
  env_.control.PostAfter(kEvery, [this] { Tick(); });
}

void ScanWatchers::Tick() {
  ticking_ = false;
  for (auto& [id, scan] : watched_) Push(id, scan);
  ScheduleTick();
}

void ScanWatchers::Push(const ScanId& id, Watched& scan) {
  absl::StatusOr<ScanStatus> status = env_.describe(id);
  if (!status.ok() || IsFinished(status->state)) return;  // End sends the last updates
  const Time now = env_.clock.Now();
  const uint64_t done = status->ledger.Done();
  if (!scan.changed && done == scan.last_done && now - scan.last_push < kAtLeastEvery) return;
  scan.changed = false;
  scan.last_done = done;
  scan.last_push = now;
  const auto shared = std::make_shared<const ScanStatus>(*std::move(status));
  for (const Watcher& w : scan.watchers) w.update(shared, false);
}

void ScanWatchers::End(const ScanId& id) {
  const auto it = watched_.find(id);
  if (it == watched_.end()) return;
  absl::StatusOr<ScanStatus> status = env_.describe(id);
  if (!status.ok()) return;
  const auto shared = std::make_shared<const ScanStatus>(*std::move(status));
  const std::vector<Watcher> watchers = std::move(it->second.watchers);
  watched_.erase(it);
  for (const Watcher& w : watchers) {
    scan_of_.erase(w.id);
    w.update(shared, true);
  }
}

void ScanWatchers::Shutdown(const absl::Status& why) {
  for (auto& [id, scan] : std::exchange(watched_, {})) {
    for (Watcher& w : scan.watchers) w.update(why, true);
  }
  scan_of_.clear();
}

}  // namespace portolan
