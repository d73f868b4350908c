#include "common/dns/blocking_lookup.h"

#include <memory>
#include <optional>
#include <utility>

#include "common/base/mutex.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr Duration kLookAtCancelled = std::chrono::milliseconds(20);

// What the lookup's thread leaves for the one that waits.
struct Mailbox {
  Mutex mu;
  CondVar changed;
  size_t done GUARDED_BY(mu) = 0;
  std::optional<std::vector<NameAnswer>> answers GUARDED_BY(mu);
};

}  // namespace

absl::StatusOr<std::vector<NameAnswer>> LookUp(NameLookup& lookup, std::vector<std::string> names,
                                               const NameLookup::Progress& progress,
                                               const std::function<bool()>& cancelled) {
  const size_t count = names.size();
  Mailbox box;
  // Destroyed before the mailbox: no callback runs afterwards.
  std::unique_ptr<NameLookup::Request> request = lookup.Start(
      std::move(names),
      [&box](size_t done) {
        MutexLock lock(box.mu);
        box.done = done;
        box.changed.NotifyOne();
      },
      [&box](std::vector<NameAnswer> answers) {
        MutexLock lock(box.mu);
        box.answers = std::move(answers);
        box.changed.NotifyOne();
      });
  size_t shown = 0;
  while (true) {
    size_t done = 0;
    {
      MutexLock lock(box.mu);
      if (!box.answers.has_value() && box.done == shown) {
        if (cancelled != nullptr) {
          box.changed.WaitFor(box.mu, kLookAtCancelled);
        } else {
          box.changed.Wait(box.mu);
        }
      }
      if (box.answers.has_value()) return *std::move(box.answers);
      done = box.done;
    }
    // Without the lock: both may take their time, and the lookup's thread must not wait for them.
    if (done != shown && progress != nullptr) progress(done);
    shown = done;
    if (cancelled != nullptr && cancelled()) {
      return Cancelled("looking up names was cancelled after {} of {}", done, count);
    }
  }
}

}  // namespace portolan
