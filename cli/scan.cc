// portolan scan TARGET...
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/follow.h"
#include "cli/print_results.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "cli/scan_flags.h"
#include "cli/scan_request.h"
#include "cli/vantages.h"
#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {
namespace {

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
      notes.Note(Counted(skipped, "name could not be looked up and is skipped",
                         "names could not be looked up and are skipped"));
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
                            MakeScanRequest(flags, context.env, &written));
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
    "2001:db8::1, 2001:db8::/64, host names (looked up once, by "
    "the coordinator, or in local mode by this program; all their addresses are scanned), each "
    "also with a port of its own: "
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

constexpr const char kScanExamples[] =
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
      {"[OPTION]... TARGET...", "scan targets and print what is open", kText, kScanExamples},
      [flags](Context& context) { return RunScan(*flags, context); });
  AddScanFlags(app, flags.get());
}

}  // namespace portolan
