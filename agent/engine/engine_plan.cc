#include "agent/engine/engine_plan.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/engine/answer.h"
#include "common/base/status.h"

namespace portolan {
namespace {

absl::Status CheckSource(const IpAddress& source) {
  const int fd = socket(source.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return ResourceExhausted("source address {}: cannot make a socket: {}", source.ToString(),
                             strerror(errno));
  // As the sockets of the pool: a port that is free is none of the address's business.
  const int later = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &later, sizeof later);
  const SocketAddress from = ToSocketAddress(source, 0);
  const int error = bind(fd, from.get(), from.length) == 0 ? 0 : errno;
  close(fd);
  if (error == 0) return absl::OkStatus();
  return InvalidArgument("source address {}: {}; name an address of this machine",
                         source.ToString(), strerror(error));
}

}  // namespace

absl::StatusOr<EnginePlan> PlanEngine(const EngineOptions& options) {
  for (const IpAddress& source : options.sources) PORTOLAN_RETURN_IF_ERROR(CheckSource(source));
  const FileBudget budget = RaiseFileLimit();
  if (budget.probes == 0) {
    return FailedPrecondition(
        "file limit {} leaves no descriptor for probes ({} are open): raise LimitNOFILE (ulimit "
        "-n)",
        budget.limit, budget.open);
  }
  const uint32_t wanted = options.window == 0 ? kDefaultWindow : options.window;
  EnginePlan plan;
  plan.window = std::min(wanted, budget.probes);
  if (plan.window < wanted) {
    plan.limited_by =
        fmt::format("file limit {} caps probes in flight at {}: raise LimitNOFILE (ulimit -n)",
                    budget.limit, plan.window);
  }
  return plan;
}

}  // namespace portolan
