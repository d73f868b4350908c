#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/ops/cli_flags.h"
#include "common/ops/health_check.h"
#include "common/ops/log.h"
#include "common/ops/scope_watch.h"
#include "common/ops/service_manager.h"
#include "common/ops/signals.h"
#include "coordinator/server/coordinator.h"

namespace portolan {
namespace {

constexpr auto kGrace = std::chrono::seconds(10);

const char* const kDescription =
    "portolan-coordinator plans scans, hands them out to agents at several vantage points, and "
    "keeps what they see.\n\n"
    "It keeps everything in one directory (--data) and goes on with what was running when it is "
    "started again, also after a crash. Agents and operators "
    "call it over gRPC (--listen); Prometheus reads its metrics over HTTP (--http). Without TLS it "
    "listens on loopback only.";

const char* const kFooter =
    R"(Examples:
  On one machine, for a try:
    portolan-coordinator --data /tmp/portolan
    portolan-agent --coordinator 127.0.0.1:7411 --vantage here
    portolan scan 127.0.0.1 -p- --coordinator 127.0.0.1:7411

  For a network, with mutual TLS, allowed to scan 10.20.0.0/16 and nothing else:
    portolan-coordinator --listen 0.0.0.0:7411 --tls-cert coordinator.pem --tls-key coordinator.key --tls-ca ca.pem \
        --allow none --allow 10.20.0.0/16

  Every flag that names an environment variable (Env:...) can be given by it.

Certificates: a caller is told by the SAN URI of its certificate, spiffe://DOMAIN/portolan/agent[/NAME] or
  spiffe://DOMAIN/portolan/operator[/NAME]. An agent may report results, an operator may make scans; neither may do the other.
  The coordinator's own certificate must name the host that they dial (SAN DNS or IP).

HTTP: /metrics, /livez, /readyz, and on loopback the read-only JSON API below /api/v1/. There is nothing to change there.
  Beyond loopback the API is refused, because it tells what is open, unless --http-tls is given: then it is for operators'
  certificates. The metrics of monitors name open ports, too, so let
  nobody but Prometheus reach --http there.

Signals: SIGTERM and SIGINT stop it: parked calls are answered, what is queued is committed. A second one stops it at once; nothing
  that was acknowledged is lost either way.

Exit status: 0 stopped by a signal; 1 failed; 2 wrong usage.
)";

std::string DefaultDirectory() {
  if (geteuid() == 0) return "/var/lib/portolan";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && state[0] == '/')
    return std::string(state) + "/portolan/coordinator";
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/')
    return std::string(home) + "/.local/state/portolan/coordinator";
  return "portolan-data";
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "portolan-coordinator: %s\n", std::string(Message(status)).c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

struct Flags {
  CoordinatorOptions options;
  LogOptions log;
  ScopeFlags scope;
  std::string retention = "30d";
  double lease_term_s = 10;
  bool health_check = false;
};

void AddFlags(CLI::App& app, Flags* flags) {
  CoordinatorOptions& o = flags->options;
  app.add_option("--listen", o.listen,
                 "Where agents and operators call (gRPC). Port 0: any free one, told in the log")
      ->envname("PORTOLAN_LISTEN")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("--http", o.http, "Where metrics and health are served. \"none\": nowhere")
      ->envname("PORTOLAN_HTTP")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_flag("--http-tls", o.http_tls,
               "Serve --http over TLS, with the certificate of --listen. Its JSON API is then also "
               "served "
               "beyond loopback, to whoever shows an operator's certificate")
      ->envname("PORTOLAN_HTTP_TLS");
  app.add_option("--data", o.data_directory,
                 "The directory that holds everything. One coordinator at a time")
      ->envname("PORTOLAN_DATA")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option(
         "--retention", flags->retention,
         "How long the results of a finished scan are kept, unless it says otherwise (30d, 12h)")
      ->envname("PORTOLAN_RETENTION")
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--monitors", o.monitors,
                 "Keep the monitors as the *.yaml files of this directory declare them; looked at "
                 "every 5 s")
      ->envname("PORTOLAN_MONITORS")
      ->type_name("DIR");
  app.add_option("--webhooks", o.webhooks,
                 "YAML file of those who are told of events and findings (docs/webhooks.md)")
      ->envname("PORTOLAN_WEBHOOKS")
      ->type_name("FILE");
  app.add_option("--series-budget", o.series_budget,
                 "Open ports of monitors that are metrics of their own (portolan_port_open); what "
                 "is beyond is counted")
      ->envname("PORTOLAN_SERIES_BUDGET")
      ->type_name("N")
      ->check(CLI::Range(size_t{0}, size_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--lease-term", flags->lease_term_s,
                 "Seconds after its last call that an agent's work is given to others, 1 to 3600")
      ->envname("PORTOLAN_LEASE_TERM")
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_flag(
      "--health-check", flags->health_check,
      "Ask the coordinator that runs with this --http whether it is well, and end: 0 or 1");
  app.add_flag("--insecure", o.insecure,
               "Listen beyond loopback without TLS: whoever can connect can scan from the agents")
      ->envname("PORTOLAN_INSECURE");
  AddTlsFlags(app, &o.tls);
  flags->scope.AddTo(app);
  AddLogFlags(app, &flags->log);
}

absl::Status Finish(Flags* flags) {
  CoordinatorOptions& o = flags->options;
  PORTOLAN_RETURN_IF_ERROR(InitLogging(flags->log));
  PORTOLAN_ASSIGN_OR_RETURN(o.scope, flags->scope.Build());
  absl::StatusOr<Duration> retention = ParseDuration(flags->retention);
  if (!retention.ok()) return Annotate(retention.status(), "--retention");
  o.retention = *retention;
  if (!(flags->lease_term_s >= 1 && flags->lease_term_s <= 3600)) {
    return InvalidArgument("--lease-term {}: give 1 to 3600 seconds", flags->lease_term_s);
  }
  o.scheduler.lease_term = FromSeconds(flags->lease_term_s);
  if (o.http == "none") o.http.clear();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  ServiceManager manager(ServiceManager::FromEnvironment());  // before any thread, too
  SignalWaiter signals;                                       // before any thread
  Flags flags;
  flags.options.listen = "127.0.0.1:7411";
  flags.options.http = "127.0.0.1:7412";
  flags.options.data_directory = DefaultDirectory();

  CLI::App app(kDescription, "portolan-coordinator");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("portolan-coordinator ") + Version());
  app.get_formatter()->column_width(36);
  AddFlags(app, &flags);
  if (const std::optional<int> exit = ParseFlags(app, argc, argv); exit.has_value()) return *exit;
  if (flags.health_check)
    return CheckHealth("portolan-coordinator", flags.options.http, flags.options.http_tls);
  if (const absl::Status s = Finish(&flags); !s.ok()) return Fail(s);

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
