// portolan findings [MONITOR]
#include <fmt/format.h>

#include <algorithm>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct FindingsFlags {
  std::string monitor, severity;
  bool resolved = false, json = false, csv = false;
};

std::string CsvOf(const v1::ExposureFinding& f) {
  const auto time = [](int64_t us) { return us == 0 ? "" : Rfc3339(FromUnixMicros(us)); };
  return fmt::format(
      "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", CsvCell(f.severity()), CsvCell(f.monitor()),
      CsvCell(f.kind()), CsvCell(f.rule()), CsvCell(f.vantage()), CsvCell(f.target()),
      f.has_port() ? std::to_string(f.port()) : "", CsvCell(f.service()), CsvCell(f.address()),
      CsvCell(f.owner()), time(f.since_unix_us()), time(f.found_unix_us()),
      time(f.resolved_unix_us()), CsvCell(f.text()), CsvCell(f.remedy()));
}

absl::StatusOr<int> RunFindings(const FindingsFlags& flags, Context& context) {
  if (flags.json && flags.csv)
    return InvalidArgument("--json and --csv exclude each other: give one");
  if (!flags.severity.empty() && SeverityRank(flags.severity) == 0) {
    return InvalidArgument("--severity \"{}\": write info, low, medium, high or critical",
                           flags.severity);
  }
  v1::ListFindingsRequest request;
  request.set_monitor(flags.monitor);
  request.set_min_severity(flags.severity);
  request.set_resolved(flags.resolved);
  request.set_limit(10'000);
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  PORTOLAN_ASSIGN_OR_RETURN(v1::ListFindingsResponse list,
                            session->client->Call(&ApiClient::Monitors::ListFindings, request));
  auto& found = *list.mutable_findings();
  std::stable_sort(found.pointer_begin(), found.pointer_end(), [](const auto* a, const auto* b) {
    const bool a_resolved = a->resolved_unix_us() != 0, b_resolved = b->resolved_unix_us() != 0;
    if (a_resolved != b_resolved) return b_resolved;
    return SeverityRank(a->severity()) > SeverityRank(b->severity());
  });
  if (flags.csv) {
    PORTOLAN_RETURN_IF_ERROR(
        context.Print("severity,monitor,kind,rule,vantage,target,port,service,address,owner,since,"
                      "found,resolved,text,remedy\n"));
  }
  for (const v1::ExposureFinding& f : found) {
    PORTOLAN_RETURN_IF_ERROR(context.Print(flags.json  ? JsonLine("finding", f)
                                           : flags.csv ? CsvOf(f)
                                                       : FindingText(f, context.color)));
  }
  if (found.empty())
    context.env.notes->Note("no finding; to see whether that can be relied on: portolan check");
  for (const auto& total : list.totals()) {
    context.env.notes->Note(fmt::format("of rule {} of {} only the first are kept: there are {}",
                                        total.rule(), total.monitor(), Grouped(total.total())));
  }
  return kExitComplete;
}

}  // namespace

void AddFindings(Program& program) {
  auto flags = std::make_shared<FindingsFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "findings",
      {"[OPTION]... [MONITOR]", "show what is true now and should not be, with its remedy",
       "The worst first: ports that are open and must not be, or the reverse; vantages that cannot "
       "be believed; names without an address; mass changes; hosts that answer everywhere. What "
       "each is: docs/exposure.md.",
       "  portolan findings --severity high\n"
       "  portolan findings web --resolved --csv > findings.csv"},
      [flags](Context& context) { return RunFindings(*flags, context); });
  AddMonitorFilter(app, &flags->monitor);
  app->add_option("--severity", flags->severity,
                  "Only these and worse: info, low, medium, high, critical.")
      ->option_text("SEVERITY")
      ->group("Which");
  app->add_flag("--resolved", flags->resolved, "Also those that are no longer true.")
      ->group("Which");
  AddJsonFlag(app, &flags->json, "finding");
  app->add_flag("--csv", flags->csv, "CSV with a header line.")->group("Output");
}

}  // namespace portolan
