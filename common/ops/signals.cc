#include "common/ops/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/check.h"

namespace portolan {
namespace {

sigset_t Taken() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

SignalWaiter::SignalWaiter() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t set = Taken();
  PORTOLAN_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  PORTOLAN_CHECK(fd_ >= 0 && wake_ >= 0);
}

SignalWaiter::~SignalWaiter() {
  close(fd_);
  close(wake_);
}

void SignalWaiter::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, that is, when it has been woken already.
  if (write(wake_, &one, sizeof one) != sizeof one) return;
}

std::optional<int> SignalWaiter::Wait(Duration timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  pollfd p[] = {{fd_, POLLIN, 0}, {wake_, POLLIN, 0}};
  // An interrupted wait counts as one that timed out: callers loop anyhow.
  if (poll(p, 2, static_cast<int>(std::clamp<int64_t>(ms, 0, 3'600'000))) <= 0) return std::nullopt;
  uint64_t woken;
  if (read(wake_, &woken, sizeof woken) == sizeof woken) return std::nullopt;
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace portolan
