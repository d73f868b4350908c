#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/engine/engine_plan.h"
#include "agent/engine/epoll_engine.h"
#include "common/base/status.h"

namespace portolan {

absl::StatusOr<std::unique_ptr<ProbeEngine>> MakeEpollEngine(const EngineOptions& options,
                                                             const Clock& clock) {
  PORTOLAN_ASSIGN_OR_RETURN(EnginePlan plan, PlanEngine(options));
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
  return std::make_unique<EpollEngine>(plan.window, options.sources, std::move(plan.limited_by),
                                       epoll_fd, wake_fd, clock);
}

}  // namespace portolan
