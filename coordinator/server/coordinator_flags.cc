#include "coordinator/server/coordinator_flags.h"

#include <unistd.h>

#include <cstdlib>

#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/ops/signals.h"

namespace portolan {
namespace {

constexpr auto kMostRetention = std::chrono::hours(24 * 36'525);

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

}  // namespace

void AddCoordinatorFlags(CLI::App& app, CoordinatorFlags* flags) {
  CoordinatorOptions& o = flags->options;
  o.listen = "127.0.0.1:7411";
  o.http = "127.0.0.1:7412";
  o.data_directory = DefaultDirectory();
  app.name("portolan-coordinator");
  app.description(kDescription);
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("portolan-coordinator ") + Version());
  app.get_formatter()->column_width(36);
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
  app.add_option("--lease-term", flags->lease_term,
                 "How long after its last call an agent's work is given to others, 1s to 1h")
      ->envname("PORTOLAN_LEASE_TERM")
      ->type_name("DURATION")
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

absl::Status FinishCoordinatorFlags(CoordinatorFlags* flags) {
  CoordinatorOptions& o = flags->options;
  PORTOLAN_RETURN_IF_ERROR(InitLogging(flags->log));
  PORTOLAN_ASSIGN_OR_RETURN(o.scope, flags->scope.Build());
  const auto retention =
      ParseDurationText(flags->retention, std::chrono::seconds(1), kMostRetention);
  if (!retention.ok()) return Annotate(retention.status(), "--retention");
  o.retention = *retention;
  const auto term =
      ParseDurationText(flags->lease_term, std::chrono::seconds(1), std::chrono::hours(1));
  if (!term.ok()) return Annotate(term.status(), "--lease-term");
  o.scheduler.lease_term = *term;
  if (o.http == "none") o.http.clear();
  return absl::OkStatus();
}

absl::Status CheckCoordinatorCommand(const std::vector<std::string>& words) {
  CLI::App app;
  CoordinatorFlags flags;
  AddCoordinatorFlags(app, &flags);
  return CheckFlags(app, words);
}

}  // namespace portolan
