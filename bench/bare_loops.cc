#include "bench/bare_loops.h"

#include <fmt/format.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "common/base/clock.h"

namespace portolan::bench {
namespace {

constexpr int kBurst = 64;  // started between two looks at what has ended

sockaddr_in SocketAddressOf(const BareTargets& targets, uint64_t n) {
  const BareTargets::Target target = targets.target(n);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(target.port);
  to.sin_addr.s_addr = htonl(target.address);
  return to;
}

int NewSocket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
  return fd;
}

void DrainErrors(int fd) {
  sockaddr_storage name;
  char control[256];
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = sizeof name;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  while (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
  }
}

bool IsConnected(int fd) {
  sockaddr_storage name;
  socklen_t length = sizeof name;
  return getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length) == 0;
}

void Disconnect(int fd) {
  sockaddr unspec{};
  unspec.sa_family = AF_UNSPEC;
  connect(fd, &unspec, sizeof unspec);
}

int TakeError(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

[[noreturn]] void Die(const char* what, int error) {
  fmt::print(stderr, "{}: {}\n", what, strerror(error));
  exit(2);
}

uint64_t OverEpoll(const BareTargets& targets, uint32_t window, Time until, bool reuse) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<int> idle, all;
  std::vector<epoll_event> events(512);
  uint64_t started = 0, done = 0;
  uint32_t in_flight = 0;
  while (done < targets.count && SystemClock().Now() < until) {
    for (int burst = 0; burst < kBurst && in_flight < window && started < targets.count; ++burst) {
      int fd;
      const bool fresh = idle.empty();
      if (fresh) {
        fd = NewSocket();
        if (reuse) all.push_back(fd);
      } else {
        fd = idle.back();
        idle.pop_back();
      }
      const sockaddr_in to = SocketAddressOf(targets, started++);
      if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
          errno != EINPROGRESS)
        Die("connect", errno);
      if (fresh) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.fd = fd;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
      }
      ++in_flight;
    }
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()),
                                 in_flight < window && started < targets.count ? 0 : 100);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      const int error = TakeError(fd);
      // No error: the echo of a disconnect, or connected.
      if (error == 0 && !IsConnected(fd)) continue;
      DrainErrors(fd);
      if (reuse) {
        Disconnect(fd);
        if (error == 0) TakeError(fd);  // what disconnecting a connection leaves behind
        idle.push_back(fd);
      } else {
        close(fd);
      }
      --in_flight;
      ++done;
    }
  }
  for (int fd : all) close(fd);
  close(epoll);
  return done;
}

}  // namespace

uint64_t BarePlain(const BareTargets& targets, uint32_t window, Time until) {
  return OverEpoll(targets, window, until, false);
}

uint64_t BareReusing(const BareTargets& targets, uint32_t window, Time until) {
  return OverEpoll(targets, window, until, true);
}

uint64_t BareUring(const BareTargets& targets, uint32_t window, Time until) {
  constexpr uint32_t kBatch = 32;
  io_uring ring;
  io_uring_params params{};
  params.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  params.cq_entries = std::max(2 * window, 512u);
  if (io_uring_queue_init_params(256, &ring, &params) != 0) return 0;
  io_uring_register_files_sparse(&ring, window);
  std::vector<int> fds;
  std::vector<uint32_t> idle, refused;
  std::vector<sockaddr_in> to(window);
  uint64_t started = 0, done = 0;
  uint32_t in_flight = 0;
  while (done < targets.count && SystemClock().Now() < until) {
    for (int burst = 0; burst < kBurst && in_flight < window && started < targets.count;) {
      for (uint32_t i = 0; i < kBatch && in_flight < window && started < targets.count;
           ++i, ++burst) {
        uint32_t slot;
        if (idle.empty()) {
          slot = static_cast<uint32_t>(fds.size());
          fds.push_back(NewSocket());
          io_uring_register_files_update(&ring, slot, &fds.back(), 1);
        } else {
          slot = idle.back();
          idle.pop_back();
        }
        to[slot] = SocketAddressOf(targets, started++);
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
        io_uring_prep_connect(sqe, static_cast<int>(slot),
                              reinterpret_cast<const sockaddr*>(&to[slot]), sizeof to[slot]);
        sqe->flags |= IOSQE_FIXED_FILE;
        sqe->user_data = slot;
        ++in_flight;
      }
      io_uring_submit(&ring);
    }
    bool wait = in_flight == window || started == targets.count;
    do {
      if (wait) {
        __kernel_timespec limit{0, 100'000'000};
        io_uring_cqe* cqe;
        io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &limit, nullptr);
      } else {
        io_uring_submit_and_get_events(&ring);
      }
      wait = false;
      unsigned head, count = 0;
      io_uring_cqe* cqe;
      refused.clear();
      io_uring_for_each_cqe(&ring, head, cqe) {
        ++count;
        if (cqe->res != -ECONNREFUSED && (cqe->res != 0 || !IsConnected(fds[cqe->user_data])))
          Die("CONNECT", -cqe->res);
        refused.push_back(static_cast<uint32_t>(cqe->user_data));
      }
      io_uring_cq_advance(&ring, count);
      std::array<pollfd, 128> polled;
      for (size_t begin = 0; begin < refused.size(); begin += polled.size()) {
        const size_t n = std::min(refused.size() - begin, polled.size());
        for (size_t i = 0; i < n; ++i) polled[i] = {fds[refused[begin + i]], 0, 0};
        poll(polled.data(), n, 0);
        for (size_t i = 0; i < n; ++i) {
          if ((polled[i].revents & POLLERR) != 0) DrainErrors(polled[i].fd);
          Disconnect(polled[i].fd);
          idle.push_back(refused[begin + i]);
        }
        in_flight -= static_cast<uint32_t>(n);
        done += n;
      }
    } while ((IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_TASKRUN) != 0 ||
             io_uring_cq_ready(&ring) > 0);
  }
  io_uring_queue_exit(&ring);
  for (int fd : fds) close(fd);
  return done;
}

}  // namespace portolan::bench
