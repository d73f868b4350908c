#include "common/dns/socket_poll.h"

#include <ares.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {

absl::StatusOr<std::unique_ptr<SocketPoll>> SocketPoll::Create() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int wake = epoll < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    const int error = errno;
    if (epoll >= 0) close(epoll);
    return Unavailable("looking up names: no descriptor to wait on: {}", std::strerror(error));
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake;
  PORTOLAN_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) == 0);
  return std::unique_ptr<SocketPoll>(new SocketPoll(epoll, wake));
}

SocketPoll::~SocketPoll() {
  close(wake_);
  close(epoll_);
}

void SocketPoll::Watch(int fd, bool readable, bool writable, ares_channeldata* channel) {
  if (!readable && !writable) {
    channels_.erase(fd);
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    return;
  }
  epoll_event event{};
  event.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
  event.data.fd = fd;
  const bool is_new = channels_.insert_or_assign(fd, channel).second;
  // When the kernel refuses (its limit on watches), the questions on this socket time out, and say
  // so.
  epoll_ctl(epoll_, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

void SocketPoll::Wait(Duration timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  std::array<epoll_event, 64> events{};
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                               timeout < Duration::zero() ? -1 : static_cast<int>(ms));
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<size_t>(i)].data.fd;
    const uint32_t ready = events[static_cast<size_t>(i)].events;
    if (fd == wake_) {
      uint64_t ignored = 0;
      // Empty already: fine, somebody else's turn took it.
      [[maybe_unused]] const ssize_t got = read(wake_, &ignored, sizeof ignored);
      continue;
    }
    // What an earlier event closed is not there any more.
    const auto channel = channels_.find(fd);
    if (channel == channels_.end()) continue;
    const bool in = (ready & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    const bool out = (ready & EPOLLOUT) != 0;
    ares_process_fd(channel->second, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
  }
}

void SocketPoll::Wake() {
  const uint64_t one = 1;
  // It fails only when the counter is full, and then the thread wakes anyway.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

}  // namespace portolan
