#pragma once

#include <memory>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "common/base/time.h"

struct ares_channeldata;

namespace portolan {

// Waits for the sockets of several c-ares channels, and for Wake(). Owned by one thread; only
// Wake() may be called from others.
class SocketPoll {
 public:
  // Unavailable when the system gives no descriptors.
  static absl::StatusOr<std::unique_ptr<SocketPoll>> Create();
  ~SocketPoll();
  SocketPoll(const SocketPoll&) = delete;
  SocketPoll& operator=(const SocketPoll&) = delete;

  // What the channel wants to know about one of its sockets; neither: forget it.
  void Watch(int fd, bool readable, bool writable, ares_channeldata* channel);
  // Waits until a socket is ready, Wake() is called, or `timeout` has passed (negative: for ever),
  // and lets the channels work on their sockets.
  void Wait(Duration timeout);
  // Thread-safe.
  void Wake();

 private:
  SocketPoll(int epoll, int wake) : epoll_(epoll), wake_(wake) {}

  const int epoll_;
  const int wake_;
  std::unordered_map<int, ares_channeldata*> channels_;
};

}  // namespace portolan
