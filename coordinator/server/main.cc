#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/ops/health_check.h"
#include "common/ops/log.h"
#include "common/ops/scope_watch.h"
#include "common/ops/service_manager.h"
#include "common/ops/signals.h"
#include "coordinator/server/coordinator.h"
#include "coordinator/server/coordinator_flags.h"

namespace portolan {
namespace {

constexpr auto kGrace = std::chrono::seconds(10);

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "portolan-coordinator: %s\n", std::string(Message(status)).c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

int Main(int argc, char** argv) {
  ServiceManager manager(ServiceManager::FromEnvironment());  // before any thread, too
  SignalWaiter signals;                                       // before any thread
  CoordinatorFlags flags;
  CLI::App app;
  AddCoordinatorFlags(app, &flags);
  if (const std::optional<int> exit = ParseFlags(app, argc, argv); exit.has_value()) return *exit;
  if (flags.health_check)
    return CheckHealth("portolan-coordinator", flags.options.http, flags.options.http_tls);
  if (const absl::Status s = FinishCoordinatorFlags(&flags); !s.ok()) return Fail(s);

  const Scope scope = flags.options.scope;
  absl::StatusOr<std::unique_ptr<Coordinator>> coordinator =
      Coordinator::Start(std::move(flags.options));
  if (!coordinator.ok()) return Fail(coordinator.status());

  std::optional<ScopeWatch> watch;
  watch.emplace(flags.scope, scope, SystemClock(),
                [&](const Scope& changed) { (*coordinator)->SetScope(changed); });

  const auto wanted = [&](Duration timeout) {
    const std::optional<int> signal = signals.Wait(timeout);
    return signal.has_value() && *signal != SIGHUP;  // certificates are read again without it
  };
  manager.Ready(
      fmt::format("listening for agents and operators, port {}", (*coordinator)->grpc_port()));
  while (!wanted(manager.beat_every())) manager.Beat(SystemClock().Now(), (*coordinator)->Live());
  manager.Stopping("committing what is queued");
  Log(LogLevel::kInfo, "stopping");
  watch.reset();
  std::atomic<bool> done{false};
  std::thread stopper([&] {
    (*coordinator)->Shutdown(kGrace);
    done = true;
  });
  while (!done) {
    if (wanted(std::chrono::milliseconds(50))) _exit(1);
    manager.Beat(SystemClock().Now(), absl::OkStatus());  // systemd bounds how long it may take
  }
  stopper.join();
  return 0;
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) { return portolan::Main(argc, argv); }
