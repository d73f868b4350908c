#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// How a watcher finds its scan; ScanWatchers has the rest.
namespace portolan {

uint64_t Control::Watch(const std::string& ref, WatchUpdate update) {
  const uint64_t watch = NextCallId();
  const WatchUpdate admitted = watchers_.Admit(update);
  if (admitted == nullptr) {
    update(ResourceExhausted("too many calls watch scans ({}); try again later, or poll GetScan",
                             options_.max_watchers),
           true);
    return watch;
  }
  const Done<ScanStatus> ended = [this, watch, admitted](absl::StatusOr<ScanStatus> status) {
    runner_.Post([this, watch] { watchers_.Forget(watch); });
    if (!status.ok()) return admitted(status.status(), true);
    admitted(std::make_shared<const ScanStatus>(*std::move(status)), true);
  };
  // Known to the control thread before the scan is looked for, so that Unwatch finds it whenever it
  // comes.
  calls_.OnControl<ScanStatus>(ended, [this, watch, ref, admitted](Done<ScanStatus> known) {
    if (stopping_) return known(ControlCalls::Stopping());
    watchers_.Announce(watch);
    finder_.With<ScanStatus>(
        ref, std::move(known), [this, watch, admitted](const ScanId& id, Done<ScanStatus> found) {
          calls_.OnControl<ScanStatus>(std::move(found),
                                       [this, watch, admitted, id](Done<ScanStatus> d) {
                                         if (stopping_) return d(ControlCalls::Stopping());
                                         if (!watchers_.IsAnnounced(watch))
                                           return d(Cancelled("cancelled by the caller"));
                                         absl::StatusOr<ScanStatus> live = LiveStatus(id);
                                         if (!live.ok()) return StoredStatus(id, d);
                                         watchers_.Join(watch, id, admitted, *std::move(live));
                                       });
        });
  });
  return watch;
}

void Control::Unwatch(uint64_t watch) {
  runner_.Post([this, watch] { watchers_.Remove(watch); });
}

}  // namespace portolan
