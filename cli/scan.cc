// portolan scan TARGET...
#include <fmt/format.h>

#include <charconv>
#include <random>

#include "cli/base/inputs.h"
#include "cli/exit_code.h"
#include "cli/follow.h"
#include "cli/print_results.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "cli/vantages.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/net/service_catalogue.h"
#include "common/net/target_parser.h"

namespace portolan {
namespace {

constexpr size_t kMaxTargetBytes = 32u << 20;  // of the API
constexpr const char kDefaultPorts[] = "top-100";

struct ScanFlags {
  std::vector<std::string> targets, target_files;
  std::string ports;
  int top_ports = 0;
  std::vector<std::string> exclude, exclude_files;
  std::string exclude_ports;
  std::vector<std::string> vantages;
  bool each_vantage = false, wait_for_agents = false;
  double max_rate = 0;
  std::string timeout, min_timeout, retry_delay, lane_timeout, retention;
  int retries = -1, level = -1;
  double target_rate = -1, prefix_rate = -1;
  std::string priority = "normal";
  int max_attempts = 0;
  std::string name, seed, request_id;
  bool wait = false, detach = false, yes = false;
  bool skip_unresolved = false;
  LocalFlags local;
  PrintFlags print;
};

// A flag that was given, between two durations, in the API's units of a time.
template <typename Unit, typename Set>
absl::Status SetTime(const char* flag, const std::string& text, Duration least, Duration most,
                     const Set& set) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<Duration> value = ParseDurationText(text, least, most);
  if (!value.ok()) return Annotate(value.status(), flag);
  set(std::chrono::ceil<Unit>(*value).count());
  return absl::OkStatus();
}

template <typename T>
absl::StatusOr<T> InRange(double value, double low, double high, const char* flag,
                          const char* unit) {
  if (!(value >= low && value <= high))
    return InvalidArgument("{}: {} is not between {} and {}{}", flag, value, low, high, unit);
  return static_cast<T>(value);
}

absl::Status SetTiming(const ScanFlags& flags, v1::ScanRequestSpec* spec) {
  using std::chrono::hours, std::chrono::milliseconds, std::chrono::seconds;
  PORTOLAN_RETURN_IF_ERROR(SetTime<milliseconds>(
      "--timeout", flags.timeout, milliseconds(50), seconds(60),
      [&](int64_t ms) { spec->mutable_timing()->set_timeout_ms(static_cast<uint32_t>(ms)); }));
  PORTOLAN_RETURN_IF_ERROR(SetTime<milliseconds>(
      "--min-timeout", flags.min_timeout, milliseconds(10), seconds(60),
      [&](int64_t ms) { spec->mutable_timing()->set_min_timeout_ms(static_cast<uint32_t>(ms)); }));
  PORTOLAN_RETURN_IF_ERROR(SetTime<milliseconds>(
      "--retry-delay", flags.retry_delay, Duration::zero(), seconds(60),
      [&](int64_t ms) { spec->mutable_timing()->set_retry_delay_ms(static_cast<uint32_t>(ms)); }));
  PORTOLAN_RETURN_IF_ERROR(
      SetTime<seconds>("--lane-timeout", flags.lane_timeout, seconds(1), hours(24 * 7),
                       [&](int64_t s) { spec->set_lane_timeout_s(static_cast<uint32_t>(s)); }));
  PORTOLAN_RETURN_IF_ERROR(
      SetTime<seconds>("--retention", flags.retention, seconds(1), hours(24 * 36'525),
                       [&](int64_t s) { spec->set_retention_s(static_cast<uint64_t>(s)); }));
  if (flags.level != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto level, InRange<uint32_t>(flags.level, 0, 5, "-T", ""));
    spec->mutable_timing()->set_level(level);
  }
  if (flags.target_rate != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto rate,
                              InRange<double>(flags.target_rate, 0, 1e9, "--target-rate", ""));
    spec->mutable_timing()->set_address_rate(rate);
    spec->mutable_timing()->set_growth(1);
  }
  if (flags.prefix_rate != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto rate,
                              InRange<double>(flags.prefix_rate, 0, 1e9, "--prefix-rate", ""));
    spec->mutable_timing()->set_prefix_rate(rate);
    spec->mutable_timing()->set_growth(1);
  }
  if (flags.retries != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto retries,
                              InRange<uint32_t>(flags.retries, 0, 10, "--retries", ""));
    spec->mutable_timing()->set_retries(retries);
  }
  return absl::OkStatus();
}

// The targets of a request with where they were written.
struct WrittenTargets {
  std::vector<TargetText> targets, excluded;
};

// The problems of targets and exclusions in the order of the request, each at its place.
absl::Status TargetsRefused(absl::StatusCode code, const std::vector<ShownProblem>& shown,
                            uint64_t total, Notes& notes) {
  notes.Note(TargetProblemsText(shown, total));
  return MakeStatus(code, total == 1 ? "no scan was created: correct the target"
                                     : "no scan was created: correct the targets");
}

// People write -p TARGET, as other programs take -p for something else or nothing.
absl::Status CheckPorts(const ScanFlags& flags) {
  const absl::Status status = ParsePorts(flags.ports).status();
  if (status.ok()) return status;
  const bool dotted = flags.ports.find_first_of(".:") != std::string::npos;
  const absl::StatusOr<ParsedTargets> as_target = ParseTargets({flags.ports});
  if (dotted && as_target.ok() && as_target->problems().empty()) {
    return InvalidArgument(
        "-p \"{}\": -p took the target as its ports; write -p PORTS {}, or leave -p out",
        flags.ports, flags.ports);
  }
  return Annotate(status, "-p");
}

absl::Status SetTargets(const ScanFlags& flags, std::istream& in, Notes& notes,
                        v1::ScanRequestSpec* spec, WrittenTargets* written) {
  if (!flags.ports.empty()) PORTOLAN_RETURN_IF_ERROR(CheckPorts(flags));
  std::vector<TargetText>& targets = written->targets;
  targets = TargetArguments(flags.targets, "");
  for (const std::string& file : flags.target_files)
    PORTOLAN_RETURN_IF_ERROR(ReadTargetFile(file, in, kMaxTargetBytes, &targets));
  if (targets.empty()) {
    return InvalidArgument("no target: {}",
                           flags.target_files.empty()
                               ? "name addresses, networks or hosts, or read them with -iL FILE"
                               : "the files of -iL name none");
  }
  std::vector<TargetText>& excluded = written->excluded;
  excluded = TargetArguments(flags.exclude, "--exclude");
  for (const std::string& file : flags.exclude_files)
    PORTOLAN_RETURN_IF_ERROR(ReadTargetFile(file, in, kMaxTargetBytes, &excluded));

  PORTOLAN_ASSIGN_OR_RETURN(const TargetShape shape, CheckTargets(targets));
  PORTOLAN_ASSIGN_OR_RETURN(const TargetShape exclusions, CheckTargets(excluded));
  if (TargetProblems all = shape.problems; !all.empty() || !exclusions.problems.empty()) {
    all.AddExclusions(exclusions.problems);
    std::vector<ShownProblem> shown;
    for (const TargetProblem& p : all.first())
      shown.push_back(ShowProblem(p, p.exclude ? excluded : targets));
    return TargetsRefused(absl::StatusCode::kInvalidArgument, shown, all.total(), notes);
  }
  size_t bytes = 0;
  for (const TargetText& t : targets) bytes += t.text.size();
  if (bytes > kMaxTargetBytes)
    return InvalidArgument("more than 32 MiB of targets: write ranges, or scan in parts");
  for (const TargetText& t : targets) spec->add_targets(t.text);
  for (const TargetText& t : excluded) spec->add_exclude(t.text);
  spec->set_skip_unresolved(flags.skip_unresolved);

  if (!flags.ports.empty() && flags.top_ports != 0)
    return InvalidArgument("-p and --top-ports exclude each other: write -p {},top-{}", flags.ports,
                           flags.top_ports);
  if (flags.top_ports != 0) {
    PORTOLAN_RETURN_IF_ERROR(Annotate(TopPorts(flags.top_ports).status(), "--top-ports"));
    spec->set_ports(fmt::format("top-{}", flags.top_ports));
  } else if (!flags.ports.empty()) {
    spec->set_ports(flags.ports);
  } else if (shape.without_port) {
    spec->set_ports(kDefaultPorts);
    notes.Note("no -p: scanning the 100 ports most worth it (top-100); -p- is all of them");
  }
  if (!flags.exclude_ports.empty()) {
    PORTOLAN_RETURN_IF_ERROR(Annotate(ParsePorts(flags.exclude_ports).status(), "--exclude-ports"));
    spec->set_exclude_ports(flags.exclude_ports);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::CreateScanRequest> MakeRequest(const ScanFlags& flags, Environment& env,
                                                  WrittenTargets* written) {
  v1::CreateScanRequest request;
  v1::ScanRequestSpec* spec = request.mutable_spec();
  PORTOLAN_RETURN_IF_ERROR(SetTiming(flags, spec));
  spec->set_name(flags.name);
  spec->set_mode(flags.each_vantage ? v1::SCAN_MODE_EACH_VANTAGE : v1::SCAN_MODE_SPLIT);
  for (const std::string& list : flags.vantages) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto names, SplitList(list));
    for (const std::string& name : names) spec->add_vantages(name);
  }
  spec->set_wait_for_agents(flags.wait_for_agents);
  if (flags.priority == "low") {
    spec->set_priority(v1::PRIORITY_LOW);
  } else if (flags.priority == "high") {
    spec->set_priority(v1::PRIORITY_HIGH);
  } else if (flags.priority == "normal") {
    spec->set_priority(v1::PRIORITY_NORMAL);
  } else {
    return InvalidArgument("--priority \"{}\": write low, normal or high", flags.priority);
  }
  if (flags.max_rate != 0) {
    PORTOLAN_ASSIGN_OR_RETURN(
        const auto rate, InRange<double>(flags.max_rate, 0.01, 1e8, "--max-rate", " probes/s"));
    spec->set_max_rate(rate);
  }
  if (flags.max_attempts != 0) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto attempts,
                              InRange<uint32_t>(flags.max_attempts, 1, 100, "--max-attempts", ""));
    spec->set_max_attempts(attempts);
  }
  if (!flags.seed.empty()) {
    uint64_t seed = 0;
    const bool hex = flags.seed.starts_with("0x");
    const char* end = flags.seed.data() + flags.seed.size();
    const auto [at, error] =
        std::from_chars(flags.seed.data() + (hex ? 2 : 0), end, seed, hex ? 16 : 10);
    if (error != std::errc() || at != end || seed == 0) {
      return InvalidArgument(
          "--seed \"{}\": write a number from 1 to 18446744073709551615, or 0x and hexadecimal "
          "digits",
          flags.seed);
    }
    spec->set_seed(seed);
  }
  spec->set_allow_long(flags.yes);
  request.set_request_id(flags.request_id);
  if (flags.request_id.empty()) {  // so that a call whose answer was lost can be repeated
    std::random_device random;
    for (int i = 0; i < 4; ++i)
      request.mutable_request_id()->append(fmt::format("{:08x}", random()));
  }
  PORTOLAN_RETURN_IF_ERROR(SetTargets(flags, *env.in, *env.notes, spec, written));
  return request;
}

// What the coordinator says about single targets, at their places.
absl::Status ExplainRefusal(const absl::Status& status, const WrittenTargets& written,
                            Notes& notes) {
  v1::TargetProblems problems;
  if (!problems.ParseFromString(DetailsOf(status)) || problems.total() == 0) return status;
  std::vector<ShownProblem> shown;
  bool names_only = true;
  for (const v1::TargetProblem& p : problems.problems()) {
    TargetProblem problem;
    problem.expression = p.index();
    problem.entry = p.entry();
    problem.problem = p.problem();
    shown.push_back(ShowProblem(problem, p.exclude() ? written.excluded : written.targets));
    names_only &= p.lookup() != v1::LOOKUP_PROBLEM_UNSPECIFIED && !p.exclude();
  }
  absl::Status refused = TargetsRefused(status.code(), shown, problems.total(), notes);
  if (absl::IsUnavailable(status)) {
    refused = MakeStatus(status.code(),
                         "no scan was created: names could not be looked up; try again when name "
                         "servers answer");
  }
  if (!names_only) return refused;
  return MakeStatus(refused.code(), fmt::format("{}, or go on with the rest by --skip-unresolved",
                                                Message(refused)));
}

// Creates the scan, and shows how far the names are.
absl::StatusOr<v1::Scan> CreateScan(const v1::CreateScanRequest& request, Session& session,
                                    Context& context, const WrittenTargets& written) {
  Notes& notes = *context.env.notes;
  bool looking_up = false;
  absl::StatusOr<v1::Scan> scan =
      session.client->CreateScan(request, [&](uint64_t done, uint64_t total) {
        looking_up = done < total;
        notes.ShowStep(fmt::format("looking up names {} of {}", Grouped(done), Grouped(total)));
      });
  notes.ClearProgress();
  if (scan.ok()) {
    if (const uint64_t skipped = scan->names_skipped(); skipped > 0) {
      notes.Note(fmt::format("{} name{} could not be looked up and {} skipped", Grouped(skipped),
                             skipped == 1 ? "" : "s", skipped == 1 ? "is" : "are"));
    }
    return scan;
  }
  if (context.env.interrupts->interrupted()) {
    notes.Note(looking_up ? "cancelled while names were looked up: no scan was created"
                          : "cancelled: no scan was created");
    return scan;
  }
  return ExplainRefusal(scan.status(), written, notes);
}

absl::StatusOr<int> RunScan(const ScanFlags& flags, Context& context) {
  if (flags.wait && flags.detach)
    return InvalidArgument("--wait and --detach exclude each other: give one");
  if (flags.detach && context.globals.coordinator.empty()) {
    return InvalidArgument(
        "--detach needs a coordinator (--coordinator HOST:PORT): in local mode the scan runs "
        "inside this program");
  }
  PORTOLAN_RETURN_IF_ERROR(CheckPrintFlags(flags.print));
  WrittenTargets written;
  PORTOLAN_ASSIGN_OR_RETURN(v1::CreateScanRequest request,
                            MakeRequest(flags, context.env, &written));
  PORTOLAN_RETURN_IF_ERROR(CheckLocalVantages(request.spec(), context));
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect(flags.local, true));
  if (session->is_local()) {
    PORTOLAN_RETURN_IF_ERROR(StartLocalAgent(context, *session, ""));
    request.mutable_spec()->set_wait_for_agents(true);  // it is about to call
  }
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan scan, CreateScan(request, *session, context, written));
  if (!session->is_local()) {
    const v1::ScanRequestSpec& spec = scan.spec();
    NoteMissingAgents(context, *session, {spec.vantages().begin(), spec.vantages().end()},
                      fmt::format("scan {} waits {} for one (--lane-timeout)", scan.id(),
                                  HumanDuration(spec.lane_timeout_s())));
  }
  if (flags.detach) {
    if (flags.print.json) {
      JsonObject o;
      o.Text("type", "created").Text("scan_id", scan.id()).Uint("planned", scan.ledger().planned());
      PORTOLAN_RETURN_IF_ERROR(context.Print(o.Done() + "\n"));
    } else {
      PORTOLAN_RETURN_IF_ERROR(context.Print(scan.id() + "\n"));
    }
    return kExitComplete;
  }
  return FollowAndPrint(context, *session, scan.id(), flags.print);
}

constexpr const char kText[] =
    "Probes every port of every target with a TCP connect, waits for the end, and prints what "
    "answered. In local mode open ports are also shown while it scans: on stderr, or with --json "
    "and "
    "--csv as lines of the record.\n\n"
    "Targets: 10.0.0.1, 10.0.0.0/24, 10.0.0.1-10.0.1.9, octet ranges (10.0.0-5.1,3-4, 10.0.*.1), "
    "2001:db8::1, 2001:db8::/64, host names (resolved once, by "
    "the coordinator; all their addresses are scanned), each also with a port of its own: "
    "10.0.0.1:80, [2001:db8::1]:443, host:22. Masks may be dotted (10.0.0.0/255.255.255.0). "
    "Blanks, "
    "line ends and commas separate targets, here, in files and in exclusions; blanks around the "
    "dash "
    "of a range are fine.\n\n"
    "Ports: 22, 22,80,8000-8100, - (all, 1-65535), 1-, -100, names and wildcards of the service "
    "catalogue (ssh, http*), well-known, registered, dynamic, top-N; "
    "to see what an expression means: portolan ports EXPR.\n\n"
    "States: open; closed: the host refused; filtered: silence, or a firewall said so; "
    "unreachable: the network said so. What was not probed is counted with its "
    "cause in the ledger, planned = open + closed + filtered + unreachable + not probed, that ends "
    "every record.\n\n"
    "The first Ctrl-C leaves the scan running on the coordinator, or pauses it in local mode, and "
    "says how to go on; the second stops at once.";

constexpr const char kExamples[] =
    "  portolan scan 127.0.0.1 -p-\n"
    "  portolan scan 10.0.0.0/16 --exclude 10.0.9.0/24,10.0.0.1 -p 22,80,443,8000-8100\n"
    "  portolan scan -iL hosts.txt --top-ports 50 --json > results.jsonl\n"
    "  portolan scan fd00::/120 db.example:5432 -p ssh,http* --show open,filtered\n"
    "  portolan scan 10.1.0.0/16 -p- --each-vantage --vantage office,dmz --max-rate 5000\n"
    "  portolan scan 10.1.0.0/16 -p- --name weekly --detach\n"
    "  portolan scan 192.88.99.1 -p 443 --allow 192.88.99.1     a public address, in local mode";

}  // namespace

void AddScan(Program& program) {
  auto flags = std::make_shared<ScanFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "scan",
      {"[OPTION]... TARGET...", "scan targets and print what is open", kText, kExamples},
      [flags](Context& context) { return RunScan(*flags, context); });
  // Every option takes one word; lists are repeated options or comma lists.
  const auto text = [app](const char* group, const char* names, std::string& into,
                          const char* value, const char* description) {
    app->add_option(names, into, description)->option_text(value)->group(group);
  };
  const auto texts = [app](const char* group, const char* names, std::vector<std::string>& into,
                           const char* value, const char* description) {
    app->add_option(names, into, description)
        ->option_text(value)
        ->group(group)
        ->allow_extra_args(false)
        ->take_all();
  };
  const auto number = [app](const char* group, const char* names, auto& into, const char* value,
                            const char* description) {
    app->add_option(names, into, description)->option_text(value)->group(group);
  };
  const char* kWhat = "Targets and ports";
  app->add_option("targets", flags->targets, "What to scan.")
      ->option_text("TARGET...")
      ->group(kWhat);
  texts(kWhat, "--targets-from", flags->target_files, "FILE",
        "Read targets from FILE (UTF-8, or UTF-16 with a byte order mark), or from standard input "
        "when it is -; # begins a comment. -iL FILE is the same. Repeatable.");
  text(kWhat, "-p,--ports", flags->ports, "PORTS",
       "Ports of the targets without a port of their own. Default: top-100, the 100 ports of the "
       "service catalogue most worth scanning.");
  number(kWhat, "--top-ports", flags->top_ports, "N", "The N ports most worth scanning.");
  app->add_flag("--skip-unresolved", flags->skip_unresolved,
                "Go on without targets whose names cannot be looked up; the record lists them as "
                "names skipped. An exclusion that cannot be looked up stays an error.")
      ->group(kWhat);
  texts(kWhat, "--exclude", flags->exclude, "TARGETS",
        "Never probe these; a target with a port excludes just that port. Comma list, repeatable.");
  texts(kWhat, "--exclude-file", flags->exclude_files, "FILE", "The same from a file. Repeatable.");
  text(kWhat, "--exclude-ports", flags->exclude_ports, "PORTS", "Never probe these ports.");
  const char* kFrom = "Vantages";
  texts(
      kFrom, "--vantage", flags->vantages, "NAMES",
      "Scan from these vantages. Comma list, repeatable. Default: all. A vantage that no agent has "
      "ever had is refused.");
  app->add_flag("--wait-for-agents", flags->wait_for_agents,
                "Accept vantages that no agent has had yet, and wait for one (--lane-timeout).")
      ->group(kFrom);
  app->add_flag("--each-vantage", flags->each_vantage,
                "Probe every port from every vantage and compare them; the table then has a column "
                "for each. Without: split the work, each port is probed once.")
      ->group(kFrom);
  text(kFrom, "--lane-timeout", flags->lane_timeout, "TIME",
       "Give a vantage up (PARTIAL) when it has had no agent for this long. Default: 10m.");
  const char* kHow = "Pace";
  number(kHow, "--max-rate", flags->max_rate, "N",
         "At most N probes a second over all agents, every SYN counted. Default: as fast as "
         "targets and agents bear.");
  number(kHow, "-T,--timing", flags->level, "N",
         "0 (paranoid), 1 (sneaky), 2 (polite), 3 (normal), 4 (aggressive) or 5 (insane): rate, "
         "timeouts, retries and limits on each target in one, see docs/timing.md. Default: 3.");
  text(kHow, "--timeout", flags->timeout, "TIME",
       "Wait at most this long for an answer, 50ms to 60s. Default: 1500ms (-T3).");
  text(kHow, "--min-timeout", flags->min_timeout, "TIME",
       "Wait at least this long, also for targets that are known to answer sooner, 10ms to 60s. "
       "Default: 300ms (-T3).");
  number(kHow, "--retries", flags->retries, "N",
         "Try again N times after silence, 0 to 10. Default: 1 (-T3).");
  text(kHow, "--retry-delay", flags->retry_delay, "TIME",
       "Wait before such a try, 0 to 60s. Default: 1s (-T3).");
  number(kHow, "--target-rate", flags->target_rate, "N",
         "At most N probes a second from an agent to one address, answering or not; 0: no limit. "
         "Default: 100 (-T3), more as it answers.");
  number(kHow, "--prefix-rate", flags->prefix_rate, "N",
         "The same for each /24 or /64. Default: 1000 (-T3), more as it answers.");
  text(kHow, "--priority", flags->priority, "LEVEL",
       "low, normal or high: shares of 1, 4 and 16 while scans compete. Default: normal.");
  number(kHow, "--max-attempts", flags->max_attempts, "N",
         "Hand a port out at most N times when agents fail, 1 to 100. Default: 5.");
  const char* kRecord = "Record";
  text(kRecord, "--name", flags->name, "TEXT",
       "A name, by which the scan can be found: portolan results TEXT.");
  text(kRecord, "--retention", flags->retention, "TIME",
       "Keep the results this long after the end. Default: the coordinator's (30d).");
  text(kRecord, "--seed", flags->seed, "N", "Fixes the order of probing. Default: random.");
  text(kRecord, "--request-id", flags->request_id, "TEXT",
       "Makes repeating safe: the same id with the same request returns the scan that was created "
       "then.");
  app->add_flag("--wait", flags->wait, "Wait for the end and print the results (the default).")
      ->group(kRecord);
  app->add_flag("--yes", flags->yes,
                "Scan also what would take more than a year, which is refused without.")
      ->group(kHow);
  app->add_flag("--detach", flags->detach,
                "Print the scan's id at once and leave it running; with --json as "
                "{\"type\":\"created\",\"scan_id\":...}.")
      ->group(kRecord);
  AddPrintFlags(app, &flags->print);
  AddLocalFlags(app, &flags->local);
}

void AddLocalFlags(CLI::App* app, LocalFlags* flags) {
  flags->scope.AddTo(*app);
  app->add_option(
         "--engine-threads", flags->engine_threads,
         "Threads that probe, in local mode. Default: one for each core but one, at most 4.")
      ->option_text("N")
      ->group("Scope")
      ->check(CLI::Range(1, 64));
  app->add_option(
         "--engine", flags->engine,
         "How local mode makes connection attempts: auto, epoll or io_uring. Default: auto, "
         "which is io_uring where the kernel has it and no sandbox refuses it, else epoll.")
      ->option_text("NAME")
      ->group("Scope")
      ->check(CLI::IsMember({"auto", "epoll", "io_uring"}));
}

}  // namespace portolan
