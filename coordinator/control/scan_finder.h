#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "coordinator/control/control_calls.h"
#include "coordinator/store/store.h"

namespace portolan {

// Finds the scan that somebody names: by "last", by its id or the beginning of one, or by the name
// that it was given. Thread-safe; borrows what it is given.
class ScanFinder {
 public:
  template <typename T>
  using Done = ControlCalls::Done<T>;
  // What the caller is about to do with the scan.
  enum class Purpose { kUse, kEnd };  // kEnd: cannot be taken back

  // `is_live`: whether the scheduler has a scan of this id; called on the control thread.
  ScanFinder(Store& store, ControlCalls& calls, std::function<bool(const ScanId& id)> is_live)
      : store_(store), calls_(calls), is_live_(std::move(is_live)) {}

  // Finds the one scan that `ref` means, then runs `task` on whichever thread found it.
  template <typename T>
  void With(const std::string& ref, Done<T> done, std::function<void(const ScanId&, Done<T>)> task,
            Purpose purpose = Purpose::kUse) {
    if (!IsWholeId(ref)) return OnReader<T>(ref, std::move(done), std::move(task), purpose);
    // Those that run need no look into the database; any other may be a name that looks like an id.
    calls_.OnControl<T>(std::move(done),
                        [this, ref, task = std::move(task), purpose](Done<T> d) mutable {
                          if (is_live_(ref)) return task(ref, std::move(d));
                          OnReader<T>(ref, std::move(d), std::move(task), purpose);
                        });
  }

  // Blocks. InvalidArgument: empty, or more than one scan can be meant. NotFound: no such scan.
  absl::StatusOr<ScanId> Find(const std::string& ref, Purpose purpose) const;

 private:
  static bool IsWholeId(const std::string& ref);
  absl::StatusOr<ScanId> FindLast() const;

  template <typename T>
  void OnReader(const std::string& ref, Done<T> done,
                std::function<void(const ScanId&, Done<T>)> task, Purpose purpose) {
    calls_.OnReader<T>(std::move(done), [this, ref, task = std::move(task), purpose](Done<T> d) {
      absl::StatusOr<ScanId> id = Find(ref, purpose);
      if (!id.ok()) {
        d(id.status());
      } else {
        task(*id, std::move(d));
      }
    });
  }

  Store& store_;
  ControlCalls& calls_;
  const std::function<bool(const ScanId& id)> is_live_;
};

}  // namespace portolan
