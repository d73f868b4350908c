#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "common/base/check.h"
#include "common/base/mutex.h"

namespace portolan {

// Waits for the one call of a callback.
template <typename T>
class Waiter {
 public:
  std::function<void(absl::StatusOr<T>)> done() {
    return [state = state_](absl::StatusOr<T> value) {
      MutexLock lock(state->mu);
      PORTOLAN_CHECK(!state->value.has_value());  // exactly once
      state->value = std::move(value);
      state->cv.NotifyAll();
    };
  }
  bool ready() const {
    MutexLock lock(state_->mu);
    return state_->value.has_value();
  }
  // Once. Moved out: what the callback's thread destroys last would else share an error with the
  // caller, by a counter in Abseil that ThreadSanitizer does not see.
  absl::StatusOr<T> Wait() {
    MutexLock lock(state_->mu);
    while (!state_->value.has_value()) state_->cv.Wait(state_->mu);
    PORTOLAN_CHECK(!std::exchange(state_->taken, true));
    return *std::move(state_->value);
  }

 private:
  struct State {
    Mutex mu;
    CondVar cv;
    std::optional<absl::StatusOr<T>> value GUARDED_BY(mu);
    bool taken GUARDED_BY(mu) = false;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace portolan
