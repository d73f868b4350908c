#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/engine/answer.h"

// Things on loopback that answer, refuse or keep silent. Nothing here leaves the machine.
namespace portolan {

class TestSocket {
 public:
  TestSocket() = default;
  explicit TestSocket(int fd) : fd_(fd) {}
  ~TestSocket() {
    if (fd_ >= 0) close(fd_);
  }
  TestSocket(TestSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  TestSocket& operator=(TestSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  uint16_t port() const {
    const std::optional<SocketName> name = LocalNameOf(fd_);
    return name ? name->port : 0;
  }

  // Bound to a free port, so that nobody else listens there; not listening, so that it refuses.
  static TestSocket Bound(const IpAddress& address, uint16_t port = 0) {
    TestSocket s(socket(address.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress at = ToSocketAddress(address, port);
    if (!s.ok() || bind(s.get(), at.get(), at.length) != 0) return {};
    return s;
  }
  static TestSocket Listening(const IpAddress& address, int backlog = 128) {
    TestSocket s = Bound(address);
    if (!s.ok() || listen(s.get(), backlog) != 0) return {};
    return s;
  }

 private:
  int fd_ = -1;
};

// A listening socket whose queue of connections is full: Linux then drops further SYNs in silence.
class SilentPort {
 public:
  explicit SilentPort(const IpAddress& address) : listener_(TestSocket::Listening(address, 0)) {
    const SocketAddress to = ToSocketAddress(address, listener_.port());
    for (int i = 0; i < 3; ++i) {
      fillers_.emplace_back(socket(address.is_v6() ? AF_INET6 : AF_INET,
                                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      (void)connect(fillers_.back().get(), to.get(), to.length);  // the later ones stay in SYN-SENT
    }
  }
  uint16_t port() const { return listener_.port(); }

 private:
  TestSocket listener_;
  std::vector<TestSocket> fillers_;
};

// Listens, and does one thing with each connection as soon as it has accepted it: resets it, closes
// it, or says something and keeps it.
class ActingPort {
 public:
  enum class Act { kReset, kClose, kSay };
  ActingPort(const IpAddress& address, Act act)
      : listener_(TestSocket::Listening(address, 4096)), stop_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this, act] { Run(act); });
  }
  ~ActingPort() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  uint16_t port() const { return listener_.port(); }

 private:
  void Run(Act act) {
    std::vector<TestSocket> kept;
    for (;;) {
      pollfd wanted[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      if (poll(wanted, 2, -1) < 0 || wanted[1].revents != 0) return;
      TestSocket accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const linger reset{1, 0};
      if (act == Act::kReset)
        setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      if (act != Act::kSay || send(accepted.get(), "hello", 5, MSG_NOSIGNAL) < 0) continue;
      kept.push_back(std::move(accepted));
      if (kept.size() > 100) kept.clear();
    }
  }

  TestSocket listener_;
  TestSocket stop_;
  std::thread thread_;
};

// Runs `body` in a child process and gives its exit status (0 to 255), or nullopt when it died
// otherwise. Ends the child after a minute.
inline std::optional<int> InChild(const std::function<int()>& body) {
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);
    _exit(body());
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return std::nullopt;
  return WEXITSTATUS(status);
}

inline int OpenDescriptorCount() {
  int count = 0;
  for (int fd = 0; fd < 4096; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

}  // namespace portolan
