#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <utility>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/rpc/status.h"

namespace portolan {

// A stream that shows the newest state of something: it is written whenever the message before is
// on its way, and what came in between is skipped. Owns itself until gRPC is done with it and
// nobody holds it any more. Thread-safe.
template <typename Message>
class LatestStream : public grpc::ServerWriteReactor<Message> {
 public:
  // Writes a state into an empty message. Called at most once, and only if it is not skipped.
  using Fill = std::function<void(Message* out)>;

 protected:
  // To be called once, before the stream is returned to gRPC.
  void Own(std::shared_ptr<LatestStream> self) { self_ = std::move(self); }

  // The state is this now. A no-op after End() or a cancellation.
  void Show(Fill state) EXCLUDES(mu_) {
    {
      MutexLock lock(mu_);
      if (ended_) return;
      latest_ = std::move(state);
    }
    Pump();
  }
  // Ends the stream with `status` once the newest state is written. `last`: that state; null: as
  // shown before. A no-op after the first End() or a cancellation.
  void End(absl::Status status, Fill last = nullptr) EXCLUDES(mu_) {
    {
      MutexLock lock(mu_);
      if (ended_) return;
      ended_ = true;
      end_ = std::move(status);
      if (last != nullptr) latest_ = std::move(last);
    }
    Pump();
  }

  // The caller went away (`cancelled`), or the stream has ended. May be called more than once.
  virtual void Detach(bool cancelled) = 0;

 private:
  void Pump() EXCLUDES(mu_) {
    Fill next;
    grpc::Status end;
    {
      MutexLock lock(mu_);
      if (writing_ || finished_) return;
      if (latest_ != nullptr) {
        next = std::exchange(latest_, nullptr);
        writing_ = true;
      } else if (ended_) {
        finished_ = true;
        end = ToGrpc(end_);
      } else {
        return;
      }
    }
    if (next == nullptr) return this->Finish(end);
    message_.Clear();
    next(&message_);
    this->StartWrite(&message_);
  }
  void OnWriteDone(bool ok) final {
    {
      MutexLock lock(mu_);
      writing_ = false;
      if (!ok) {
        latest_ = nullptr;
        ended_ = true;
      }
    }
    Pump();
  }
  void OnCancel() final {
    Detach(true);
    {
      MutexLock lock(mu_);
      latest_ = nullptr;
      ended_ = true;
      end_ = Cancelled("cancelled by the caller");
    }
    Pump();
  }
  void OnDone() final {
    Detach(false);
    const std::shared_ptr<LatestStream> last = std::move(self_);  // may delete this at the end
  }

  std::shared_ptr<LatestStream> self_;
  Message message_;  // gRPC's while writing

  Mutex mu_;
  Fill latest_ GUARDED_BY(mu_);
  bool writing_ GUARDED_BY(mu_) = false;
  bool ended_ GUARDED_BY(mu_) = false;
  bool finished_ GUARDED_BY(mu_) = false;
  absl::Status end_ GUARDED_BY(mu_);
};

}  // namespace portolan
