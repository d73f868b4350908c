// portolan results SCAN [TARGET...]
#include "cli/base/inputs.h"
#include "cli/exit_code.h"
#include "cli/print_results.h"
#include "cli/program.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct ResultsFlags {
  std::string scan;
  std::vector<std::string> targets, more_targets, vantages;
  std::string ports;
  PrintFlags print;
};

absl::StatusOr<int> RunResults(const ResultsFlags& flags, Context& context) {
  PORTOLAN_RETURN_IF_ERROR(CheckPrintFlags(flags.print));
  ResultFilter filter;
  for (const auto* list : {&flags.targets, &flags.more_targets}) {
    for (const std::string& text : *list) {
      for (std::string& one : SplitTargets(text)) filter.targets.push_back(std::move(one));
    }
  }
  for (const std::string& list : flags.vantages) {
    PORTOLAN_ASSIGN_OR_RETURN(auto names, SplitList(list));
    filter.vantages.insert(filter.vantages.end(), names.begin(), names.end());
  }
  if (!flags.ports.empty()) PORTOLAN_RETURN_IF_ERROR(CheckPortsFlag("-p", flags.ports, true));
  filter.ports = flags.ports;
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
  v1::GetScanRequest get;
  get.set_scan_id(flags.scan);
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan scan,
                            session->client->Call(&ApiClient::Stub::GetScan, get));
  PORTOLAN_RETURN_IF_ERROR(PrintResults(context, *session, scan, flags.print, filter));
  return kExitComplete;
}

}  // namespace

void AddResults(Program& program) {
  auto flags = std::make_shared<ResultsFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "results",
      {"[OPTION]... SCAN [TARGET...]", "print what a scan found",
       "Every outcome of a scan is kept, closed and filtered ports too, until its retention ends. "
       "Also of a scan that still runs: what is known so far. "
       "For scans of --each-vantage the table has a column for each vantage; rows in which they "
       "differ begin with *. "
       "Exits 0 when the record was printed, however the scan ended.",
       "  portolan results last\n"
       "  portolan results last 10.0.0.7 -p 1-1024 --show all\n"
       "  portolan results 4kq7 --vantage dmz --show filtered --csv --output dmz.csv\n"
       "  portolan results last --json | jq -r 'select(.type == \"observation\") | "
       "\"\\(.ip):\\(.port)\"'"},
      [flags](Context& context) { return RunResults(*flags, context); });
  const char* kGroup = "Which results";
  app->add_option("scan", flags->scan,
                  "The scan: its id, a unique beginning of that, its name (the newest of that "
                  "name), or last.")
      ->option_text("SCAN")
      ->required()
      ->group(kGroup);
  app->add_option(
         "targets", flags->targets,
         "Only these targets: addresses, networks, ranges, or a name that the scan resolved.")
      ->option_text("TARGET...")
      ->group(kGroup);
  app->add_option("--target", flags->more_targets, "The same; comma list, repeatable.")
      ->option_text("TARGETS")
      ->group(kGroup)
      ->allow_extra_args(false)
      ->take_all();
  app->add_option("-p,--ports", flags->ports, "Only these ports.")
      ->option_text("PORTS")
      ->group(kGroup);
  app->add_option("--vantage", flags->vantages, "Only from these vantages. Comma list, repeatable.")
      ->option_text("NAMES")
      ->group(kGroup)
      ->allow_extra_args(false)
      ->take_all();
  AddPrintFlags(app, &flags->print);
}

}  // namespace portolan
