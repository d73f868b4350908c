#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/task_runner.h"
#include "coordinator/control/scan_status.h"

namespace portolan {

// Who watches which scan, and when each is sent the scan's state: at most 4 times a second, only
// when something has changed, and at least every 10 s. Lives on the control thread: every method is
// called there, and so are the updates, unless said otherwise. Borrows what it is given; the
// control thread must have stopped before it is destroyed.
class ScanWatchers {
 public:
  using Update =
      std::function<void(absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last)>;
  struct Environment {
    TaskRunner& control;
    const Clock& clock;
    // The scan as it is now; an error: it is not one of those that run.
    std::function<absl::StatusOr<ScanStatus>(const ScanId& id)> describe;
  };
  // `most`: watchers at a time.
  ScanWatchers(Environment environment, size_t most) : env_(std::move(environment)), most_(most) {}

  // Any thread. Takes a watcher's place and returns an update that gives it back with its last
  // call; null: there are too many.
  Update Admit(Update update);
  size_t count() const { return count_; }  // any thread

  // A watcher whose scan is still being looked for: Remove finds it from now on.
  void Announce(uint64_t watch) { scan_of_[watch] = ""; }
  bool IsAnnounced(uint64_t watch) const { return scan_of_.count(watch) > 0; }
  // It watches this scan, whose state is `now`: sends that, and then what changes.
  void Join(uint64_t watch, const ScanId& id, const Update& update, ScanStatus now);
  // It wants nothing more. A no-op when it is not known. The update of one that has not joined is
  // not called here, so its owner makes the last call.
  void Remove(uint64_t watch);
  // It has had its last update elsewhere.
  void Forget(uint64_t watch) { scan_of_.erase(watch); }

  void NoteChange(const ScanId& id);
  void NoteChangeOfAll();
  // The end of a scan is committed: sends the last updates.
  void End(const ScanId& id);
  // Ends all that have joined with `why`.
  void Shutdown(const absl::Status& why);

 private:
  struct Watcher {
    uint64_t id;
    Update update;
  };
  struct Watched {
    std::vector<Watcher> watchers;
    bool changed = true;
    Time last_push{};
    uint64_t last_done = 0;
  };
  void Tick();
  void ScheduleTick();
  void Push(const ScanId& id, Watched& scan);

  const Environment env_;
  const size_t most_;
  std::atomic<size_t> count_{0};
  std::map<ScanId, Watched> watched_;
  std::unordered_map<uint64_t, ScanId> scan_of_;  // "": not found yet
  bool ticking_ = false;
};

}  // namespace portolan
