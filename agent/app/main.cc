#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <optional>

#include "agent/app/agent_flags.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/ops/log.h"
#include "common/ops/scope_watch.h"
#include "common/ops/service_manager.h"
#include "common/ops/signals.h"

namespace portolan {
namespace {

// Another agent of this name is at work. Service managers do not start this one again
// (RestartPreventExitStatus in deploy/systemd): it would only end again.
constexpr int kExitNameInUse = 3;

int Run(AgentProgram program, SignalWaiter& signals, ServiceManager& manager) {
  if (program.options.insecure && !program.options.tls.enabled()) {
    Log(LogLevel::kWarning,
        "no TLS: anybody on the way can read and change what is scanned and found",
        {{"flag", "--insecure"}});
  }
  const Scope scope = program.options.scope;
  auto agent = Agent::Start(std::move(program.options));
  if (!agent.ok()) {
    fmt::print(stderr, "portolan-agent: {}\n", Message(agent.status()));
    return agent.status().code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
  }
  const ScopeWatch watch(program.scope, scope, SystemClock(),
                         [&](const Scope& changed) { (*agent)->SetScope(changed); });
  // Also while no coordinator answers: that is none of this machine's business to repair.
  manager.Ready((*agent)->Describe());
  std::future<absl::Status> draining;
  while (true) {
    manager.Beat(SystemClock().Now(), (*agent)->Live());
    const std::optional<int> signal =
        signals.Wait(std::chrono::milliseconds(draining.valid() ? 20 : 200));
    if (signal == SIGHUP) {
      Log(LogLevel::kInfo,
          "SIGHUP: nothing to reload; TLS and scope files are read again by themselves");
    } else if (signal.has_value() && draining.valid()) {
      Log(LogLevel::kWarning, "second signal: stopping at once");
      std::_Exit(128 + *signal);
    } else if (signal.has_value()) {
      Log(LogLevel::kInfo, "draining",
          {{"grace_s", fmt::format("{:.0f}", ToSeconds(program.grace))}});
      manager.Stopping("draining");
      draining = std::async(std::launch::async, [&] { return (*agent)->Drain(program.grace); });
    }
    if (const absl::Status fatal = (*agent)->Fatal(); !fatal.ok()) {
      manager.Stopping(Message(fatal));
      fmt::print(stderr, "portolan-agent: {}\n", Message(fatal));
      if (draining.valid()) draining.wait();
      return absl::IsAlreadyExists(fatal) ? kExitNameInUse : 1;
    }
    if (!draining.valid() && (*agent)->Live().ok()) manager.Status((*agent)->Describe());
    if (draining.valid() &&
        draining.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      const absl::Status drained = draining.get();
      if (drained.ok()) {
        Log(LogLevel::kInfo, "drained");
      } else {
        Log(LogLevel::kWarning, "not drained", {{"error", std::string(Message(drained))}});
      }
      return 0;
    }
  }
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) {
  auto parsed = portolan::ParseAgentFlags(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  portolan::ServiceManager manager(portolan::ServiceManager::FromEnvironment());
  portolan::SignalWaiter signals;
  return portolan::Run(std::move(std::get<portolan::AgentProgram>(parsed)), signals, manager);
}
