#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/engine/epoll_engine.h"
#include "common/base/status.h"

namespace portolan {
namespace {

absl::Status CheckSource(const IpAddress& source) {
  const int fd = socket(source.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return ResourceExhausted("source address {}: cannot make a socket: {}", source.ToString(),
                             strerror(errno));
  const SocketAddress from = ToSocketAddress(source, 0);
  const int error = bind(fd, from.get(), from.length) == 0 ? 0 : errno;
  close(fd);
  if (error == 0) return absl::OkStatus();
  return InvalidArgument("source address {}: {}; name an address of this machine",
                         source.ToString(), strerror(error));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProbeEngine>> MakeEpollEngine(const EngineOptions& options,
                                                             const Clock& clock) {
  for (const IpAddress& source : options.sources) PORTOLAN_RETURN_IF_ERROR(CheckSource(source));
  const FileBudget budget = RaiseFileLimit();
  if (budget.probes == 0) {
    return FailedPrecondition(
        "file limit {} leaves no descriptor for probes ({} are open): raise LimitNOFILE (ulimit "
        "-n)",
        budget.limit, budget.open);
  }
  const uint32_t wanted = options.window == 0 ? kDefaultWindow : options.window;
  const uint32_t window = std::min(wanted, budget.probes);
  std::string limited_by;
  if (window < wanted) {
    limited_by =
        fmt::format("file limit {} caps probes in flight at {}: raise LimitNOFILE (ulimit -n)",
                    budget.limit, window);
  }
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = UINT64_MAX;
  if (epoll_fd < 0 || wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
    const int error = errno;
    if (epoll_fd >= 0) close(epoll_fd);
    if (wake_fd >= 0) close(wake_fd);
    return FailedPrecondition(
        "the kernel gives no epoll: {}; raise LimitNOFILE or allow epoll in the sandbox",
        strerror(error));
  }
  return std::make_unique<EpollEngine>(window, options.sources, std::move(limited_by), epoll_fd,
                                       wake_fd, clock);
}

}  // namespace portolan
