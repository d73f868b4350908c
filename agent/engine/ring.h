#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/time.h"

namespace portolan {

// An io_uring with the best settings that this kernel takes, and a table of registered files. Made
// anywhere; owned by the thread that calls Own, which makes every other call but the destructor.
class Ring {
 public:
  // For `slots` requests in flight and as many registered files. Makes a trial ring first and runs
  // a request through it, so what is returned works. FailedPrecondition, for people: the kernel or
  // a sandbox refuses io_uring ("Operation not permitted"), or lacks a feature or an operation.
  // `skip`: leaves out so many of the best settings, as an older kernel would; there are kSettings.
  // `may_disconnect`: looks whether ends_by_disconnect(), which a process tries once.
  static constexpr uint32_t kSettings = 4;
  static absl::StatusOr<std::unique_ptr<Ring>> Make(uint32_t slots, uint32_t skip = 0,
                                                    bool may_disconnect = true);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Binds the ring to the calling thread; nothing happens when it is bound already.
  void Own() {
    if (!owned_) Enable();
  }
  bool owned() const { return owned_; }

  // An empty submission entry; submits when there is none. Null: the kernel takes no more now.
  io_uring_sqe* Next();
  uint32_t Room() { return io_uring_sq_space_left(&ring_); }
  // Hands over what is prepared, which begins at once. Returns how many entries were not taken (out
  // of memory) and are left for the next call; `error` says why.
  uint32_t Submit(int& error);
  // The i-th entry that Submit has left.
  io_uring_sqe& Left(uint32_t i);
  // Submits, and lets the kernel finish what is due; waits for the first completion, at most for
  // `wait`.
  void Run(Duration wait);
  // Whether there are, or may be at once, more completions.
  bool HasMore() const;

  // Calls f(user_data, result) for each completion that is there; returns how many there were.
  template <typename F>
  uint32_t Reap(F f) {
    unsigned head;
    uint32_t count = 0;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++count;
      f(cqe->user_data, cqe->res);
    }
    io_uring_cq_advance(&ring_, count);
    return count;
  }

  // Puts a descriptor into the table: an entry is then addressed by `slot` and IOSQE_FIXED_FILE.
  // The table holds the file until another one takes its place. False: use the descriptor.
  bool Register(uint32_t slot, int fd);
  // For requests whose success is of no interest; 0 before Linux 5.17.
  uint8_t skip_success() const { return skip_success_; }
  // Whether a CONNECT in flight completes, and sends nothing any more, when its socket is
  // disconnected (Linux 6.13, and what was maintained then; some before it would connect again).
  // That is cheaper than a cancellation, for which the kernel searches 256 lists of all that is in
  // flight: 17 % of the time of a scan that nobody answers.
  bool ends_by_disconnect() const { return ends_by_disconnect_; }
  // "deferred task work, registered files"
  const std::string& settings() const { return settings_; }

 private:
  Ring() = default;
  void Enable();

  io_uring ring_{};
  bool made_ = false;
  bool owned_ = false;
  bool table_ = false;
  bool ends_by_disconnect_ = false;
  uint8_t skip_success_ = 0;
  std::string settings_;
};

}  // namespace portolan
