#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>

#include "agent/engine/engine_plan.h"
#include "agent/engine/probe_engine.h"
#include "agent/engine/ring.h"
#include "agent/engine/uring_engine.h"
#include "common/base/status.h"

namespace portolan {

absl::StatusOr<std::unique_ptr<ProbeEngine>> MakeUringEngine(const EngineOptions& options,
                                                             const Clock& clock) {
  PORTOLAN_ASSIGN_OR_RETURN(EnginePlan plan, PlanEngine(options));
  PORTOLAN_ASSIGN_OR_RETURN(std::unique_ptr<Ring> ring, Ring::Make(plan.window));
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    return FailedPrecondition("no descriptor to wake the engine by: {}; raise LimitNOFILE",
                              strerror(errno));
  }
  return std::make_unique<UringEngine>(plan.window, options.sources, std::move(plan.limited_by),
                                       std::move(ring), wake_fd, clock);
}

std::optional<EngineChoice> EngineChoiceFromName(std::string_view name) {
  if (name == "auto") return EngineChoice::kAuto;
  if (name == "epoll") return EngineChoice::kEpoll;
  if (name == "io_uring") return EngineChoice::kUring;
  return std::nullopt;
}

absl::StatusOr<MadeEngine> MakeEngine(EngineChoice choice, const EngineOptions& options,
                                      const Clock& clock) {
  MadeEngine made;
  made.reason = choice == EngineChoice::kAuto ? "the cheapest that works here" : "asked for";
  if (choice != EngineChoice::kEpoll) {
    // What concerns both engines (sources, the file limit) is no reason to try the other.
    PORTOLAN_RETURN_IF_ERROR(PlanEngine(options).status());
    auto uring = MakeUringEngine(options, clock);
    if (uring.ok()) {
      made.engine = *std::move(uring);
      return made;
    }
    if (choice == EngineChoice::kUring) return Annotate(uring.status(), "--engine io_uring");
    made.reason = fmt::format("{}; using epoll", Message(uring.status()));
  }
  PORTOLAN_ASSIGN_OR_RETURN(made.engine, MakeEpollEngine(options, clock));
  return made;
}

}  // namespace portolan
