#include "agent/app/agent_flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/ops/cli_flags.h"
#include "common/ops/health_check.h"
#include "common/ops/signals.h"

namespace portolan {
namespace {

constexpr const char* kDescription =
    "Probes TCP ports for a Portolan coordinator, from where it runs.\n\n"
    "The agent dials the coordinator, takes leases of scans, makes the connection attempts and "
    "reports every outcome. It opens no port\n"
    "(but for --http) and needs no privilege. While the coordinator is away it goes on until its "
    "leases end, keeps the results and\n"
    "delivers them when it is back. Agents with the same --vantage share their work; each --name "
    "runs once.";

constexpr const char* kFooter =
    "Signals:\n"
    "  SIGTERM, SIGINT  Drain: give back what is not begun, finish and report the rest, exit 0. A "
    "second one stops at once (exit 128 + number).\n\n"
    "Exit codes:\n"
    "  0 drained   1 failed, or refused or superseded by the coordinator   2 bad usage\n"
    "  3 another agent of this name is at work: do not start this one again; give it a --name of "
    "its "
    "own\n\n"
    "Endpoints of --http:\n"
    "  /metrics  Prometheus metrics      /livez  200 while its threads work\n"
    "  /readyz   200 while the coordinator has answered within two lease terms, else 503\n\n"
    "File limit:\n"
    "  Each probe in flight needs a descriptor, and 64 are kept for the rest. The soft limit is "
    "raised to the hard one; in a systemd unit set\n"
    "  LimitNOFILE=65536. When the limit caps the window, the log and `portolan agents` say so.\n\n"
    "Examples:\n"
    "  portolan-agent --coordinator 127.0.0.1:7443 --vantage lab\n"
    "  portolan-agent --coordinator scan-a.example:7443,scan-b.example:7443 --vantage dmz --name "
    "dmz-1 \\\n"
    "      --tls-cert agent.pem --tls-key agent.key --tls-ca ca.pem --http 127.0.0.1:9101 --allow "
    "10.0.0.0/8 --deny '10.9.0.0/16 22'\n";

struct Texts {
  std::string coordinator, source, grace = "25s", max_rate = "0", window = "0", threads = "0",
                                   spool_mib = "64";
};

std::vector<std::string> SplitCommas(const std::string& text) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (!text.empty()) {
    const size_t end = text.find(',', begin);
    out.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  return out;
}

// The whole text as a number from `least` to `most`.
template <typename T>
absl::StatusOr<T> Number(std::string_view flag, const std::string& text, T least, T most,
                         std::string_view unit) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(value >= least && value <= most)) {
    return InvalidArgument("{} \"{}\": write a number from {} to {}{}", flag, text, least, most,
                           unit);
  }
  return value;
}

absl::Status Fill(const Texts& texts, AgentProgram& program) {
  AgentOptions& o = program.options;
  o.coordinators = SplitCommas(texts.coordinator);
  for (const std::string& source : SplitCommas(texts.source)) {
    const auto address = IpAddress::Parse(source);
    if (!address.ok()) return Annotate(address.status(), "--source");
    o.sources.push_back(*address);
  }
  PORTOLAN_ASSIGN_OR_RETURN(o.max_rate, Number<double>("--max-rate", texts.max_rate, 0, 1e9,
                                                       " probes a second; 0: no limit"));
  PORTOLAN_ASSIGN_OR_RETURN(
      o.window, Number<uint32_t>("--window", texts.window, 0, 1u << 20, "; 0: 16384 a thread"));
  PORTOLAN_ASSIGN_OR_RETURN(o.engine_threads, Number<int>("--threads", texts.threads, 0, 64,
                                                          "; 0: by the number of cores"));
  PORTOLAN_ASSIGN_OR_RETURN(const size_t mib,
                            Number<size_t>("--spool-mib", texts.spool_mib, 1, 65'536, " MiB"));
  o.spool_bytes = mib << 20;
  const auto grace = ParseDurationText(texts.grace);
  if (!grace.ok()) return Annotate(grace.status(), "--grace");
  program.grace = *grace;
  return CheckAgentOptions(o);
}

// What the command line is read into.
struct Flags {
  AgentProgram program;
  Texts texts;
  ScopeFlags scope;
  bool health_check = false;
};

void AddFlags(CLI::App& app, Flags* flags) {
  AgentOptions& o = flags->program.options;
  Texts& texts = flags->texts;
  app.set_version_flag("--version", std::string("portolan-agent ") + Version());
  app.footer(kFooter);
  app.add_option("--coordinator", texts.coordinator,
                 "Coordinators, tried in turn; the first that answers is kept")
      ->envname("PORTOLAN_COORDINATOR")
      ->type_name("HOST:PORT[,HOST:PORT...]");
  app.add_option("--vantage", o.vantage,
                 "The place that this agent looks from: 1 to 60 characters of A-Z a-z 0-9 . _ -")
      ->envname("PORTOLAN_VANTAGE")
      ->type_name("NAME");
  app.add_option("--name", o.name, "Unique among all agents. Default: the host's name")
      ->envname("PORTOLAN_NAME")
      ->type_name("NAME");
  app.add_option(
         "--http", o.http,
         "Serve metrics and health here; port 0: any free one. \"none\": nowhere, the default")
      ->envname("PORTOLAN_HTTP")
      ->type_name("HOST:PORT");
  app.add_flag("--health-check", flags->health_check,
               "Ask the agent that runs with this --http whether it is well, and end: 0 or 1");
  app.add_flag("--insecure", o.insecure, "Dial a coordinator beyond this machine without TLS");

  const char* probing = "Probing";
  app.add_option("--max-rate", texts.max_rate,
                 "Probes a second over all scans, every SYN counted; 0: no limit of its own")
      ->envname("PORTOLAN_MAX_RATE")
      ->type_name("N")
      ->capture_default_str()
      ->group(probing);
  app.add_option(
         "--window", texts.window,
         "Probes in flight over all threads; 0: 16384 a thread, as far as the file limit goes")
      ->envname("PORTOLAN_WINDOW")
      ->type_name("N")
      ->capture_default_str()
      ->group(probing);
  app.add_option("--engine", o.engine,
                 "How to make connection attempts: epoll, io_uring, or auto for io_uring where the "
                 "kernel has it and no sandbox refuses it, else epoll (the log says which)")
      ->envname("PORTOLAN_ENGINE")
      ->type_name("NAME")
      ->capture_default_str()
      ->group(probing);
  app.add_option("--threads", texts.threads,
                 "Engine threads; 0: one for each core but one, at least 1, at most 4")
      ->envname("PORTOLAN_THREADS")
      ->type_name("N")
      ->capture_default_str()
      ->group(probing);
  app.add_option(
         "--source", texts.source,
         "Probe from these addresses of this machine, in turn. Default: the kernel's choice")
      ->envname("PORTOLAN_SOURCE")
      ->type_name("ADDR[,ADDR...]")
      ->group(probing);
  app.add_option(
         "--spool-mib", texts.spool_mib,
         "Memory for results that are not acknowledged, in MiB; at three quarters probing pauses")
      ->envname("PORTOLAN_SPOOL_MIB")
      ->type_name("N")
      ->capture_default_str()
      ->group(probing);
  app.add_option("--grace", texts.grace, "How long draining may take")
      ->envname("PORTOLAN_GRACE")
      ->type_name("DURATION")
      ->capture_default_str()
      ->group(probing);
  flags->scope.AddTo(app);
  AddTlsFlags(app, &o.tls);
  AddLogFlags(app, &flags->program.log);
}

}  // namespace

absl::Status CheckAgentCommand(const std::vector<std::string>& words) {
  CLI::App app(kDescription, "portolan-agent");
  Flags flags;
  AddFlags(app, &flags);
  return CheckFlags(app, words);
}

std::variant<AgentProgram, int> ParseAgentFlags(int argc, char** argv) {
  CLI::App app(kDescription, "portolan-agent");
  Flags flags;
  AddFlags(app, &flags);
  AgentProgram& program = flags.program;
  AgentOptions& o = program.options;
  if (const std::optional<int> code = ParseFlags(app, argc, argv)) return *code;
  if (flags.health_check) return CheckHealth("portolan-agent", o.http);
  absl::Status status = Fill(flags.texts, program);
  if (status.ok()) {
    auto built = flags.scope.Build();
    status = built.status();
    if (status.ok()) o.scope = *std::move(built);
  }
  program.scope = flags.scope;
  if (status.ok()) status = InitLogging(program.log);
  if (status.ok()) return std::move(program);
  fmt::print(stderr, "portolan-agent: {}\nTry portolan-agent --help.\n", Message(status));
  return 2;
}

}  // namespace portolan
