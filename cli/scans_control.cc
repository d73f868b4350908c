// portolan scans pause|resume|cancel|exclude|rm SCAN
#include <fmt/format.h>

#include "cli/base/inputs.h"
#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/follow.h"
#include "cli/render/text.h"
#include "cli/scans.h"
#include "common/base/status.h"
#include "common/scope/exclusion_request.h"

namespace portolan {
namespace {

struct ScansControlFlags {
  std::vector<std::string> ids;
  std::string id;
  std::vector<std::string> rules;
  bool json = false, wait = false;
  PrintFlags print;
  LocalFlags local;
};

void AddJson(CLI::App* app, bool* json) {
  app->add_flag("--json", *json, "Print the scan as a JSON object, \"type\":\"scan\".")
      ->group("Output");
}

absl::Status Report(Context& context, const v1::Scan& scan, bool json) {
  if (json) return context.Print(ScanJson(scan) + "\n");
  context.env.notes->Note(fmt::format("scan {} is {}", scan.id(), ScanStateName(scan.state())));
  return absl::OkStatus();
}

absl::StatusOr<int> RunPause(const ScansControlFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
  v1::PauseScanRequest request;
  request.set_scan_id(flags.id);
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan scan,
                            session->client->Call(&ApiClient::Stub::PauseScan, request));
  PORTOLAN_RETURN_IF_ERROR(Report(context, scan, flags.json));
  return kExitComplete;
}

absl::StatusOr<int> RunResume(const ScansControlFlags& flags, Context& context) {
  PORTOLAN_RETURN_IF_ERROR(CheckPrintFlags(flags.print));
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect(flags.local, false));
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan known, GetScan(*session, flags.id));
  if (session->is_local()) PORTOLAN_RETURN_IF_ERROR(StartLocalAgent(context, *session, known.id()));
  v1::ResumeScanRequest request;
  request.set_scan_id(known.id());
  // A local scan that was killed is still running as far as its record goes.
  v1::Scan scan = known;
  if (!session->is_local() || known.state() != v1::SCAN_STATE_RUNNING) {
    PORTOLAN_ASSIGN_OR_RETURN(scan, session->client->Call(&ApiClient::Stub::ResumeScan, request));
  }
  if (flags.wait || session->is_local())
    return FollowAndPrint(context, *session, scan.id(), flags.print);
  PORTOLAN_RETURN_IF_ERROR(Report(context, scan, flags.print.json));
  return kExitComplete;
}

absl::StatusOr<int> RunCancel(const ScansControlFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
  v1::CancelScanRequest request;
  request.set_scan_id(flags.id);
  PORTOLAN_ASSIGN_OR_RETURN(v1::Scan scan,
                            session->client->Call(&ApiClient::Stub::CancelScan, request));
  // A coordinator inside this program ends with it, so it waits for the last leases to expire.
  if ((flags.wait || session->is_local()) && !IsFinished(scan.state())) {
    PORTOLAN_ASSIGN_OR_RETURN(scan, session->client->Watch(scan.id(), [&](const v1::Scan& now) {
      context.env.notes->ShowProgress(ToProgress(now));
      return absl::OkStatus();
    }));
  }
  PORTOLAN_RETURN_IF_ERROR(Report(context, scan, flags.json));
  return kExitComplete;
}

absl::StatusOr<int> RunExclude(const ScansControlFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
  v1::ExcludeFromScanRequest request;
  request.set_scan_id(flags.id);
  // A mistake is found before anything is sent.
  std::vector<std::string> rules;
  for (TargetText& text : TargetArguments(flags.rules, "")) rules.push_back(std::move(text.text));
  PORTOLAN_RETURN_IF_ERROR(ExclusionRequest::Parse(rules).status());
  for (std::string& rule : rules) request.add_rules(std::move(rule));
  // Takes hold at once; the answer waits for the names.
  PORTOLAN_ASSIGN_OR_RETURN(
      const v1::Scan scan,
      session->client->Call(&ApiClient::Stub::ExcludeFromScan, request, std::chrono::minutes(2)));
  if (flags.json) {
    PORTOLAN_RETURN_IF_ERROR(context.Print(ScanJson(scan) + "\n"));
  } else {
    context.env.notes->Note(
        fmt::format("scan {}: {} excluded, version {}; agents take it up within seconds", scan.id(),
                    Counted(flags.rules.size(), "rule", "rules"), scan.overlay_version()));
  }
  return kExitComplete;
}

absl::StatusOr<int> RunRemove(const ScansControlFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
  // What a word means changes with each removal, so all are looked up first. Names and beginnings
  // go to the coordinator as they are, which refuses what is not clear.
  std::vector<std::string> ids;
  for (const std::string& id : flags.ids) {
    PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan scan, GetScan(*session, id));
    ids.push_back(scan.id());
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string& id = ids[i];
    v1::DeleteScanRequest request;
    request.set_scan_id(id);
    if (flags.ids[i] != "last" && flags.ids[i] != id) {
      PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan again, GetScan(*session, flags.ids[i]));
      if (again.id() != id) {
        return FailedPrecondition("\"{}\" named scan {} and is {} now; give ids", flags.ids[i], id,
                                  again.id());
      }
      request.set_scan_id(flags.ids[i]);
    }
    PORTOLAN_RETURN_IF_ERROR(
        session->client->Call(&ApiClient::Stub::DeleteScan, request, std::chrono::minutes(5))
            .status());
    context.env.notes->Note(fmt::format("scan {} and its results are removed", id));
  }
  return kExitComplete;
}

}  // namespace

void AddScansControl(Program& program, CLI::App* scans) {
  auto flags = std::make_shared<ScansControlFlags>();
  const auto add = [&](const char* name, const VerbHelp& help,
                       absl::StatusOr<int> (*run)(const ScansControlFlags&, Context&)) {
    return program.AddVerb(scans, name, help,
                           [flags, run](Context& context) { return run(*flags, context); });
  };
  CLI::App* pause = add("pause",
                        {"[OPTION]... SCAN", "stop a scan for now",
                         "Agents give back what they hold; nothing that was found is lost.",
                         "  portolan scans pause last"},
                        RunPause);
  AddScanId(pause, &flags->id);
  AddJson(pause, &flags->json);

  CLI::App* resume =
      add("resume",
          {"[OPTION]... SCAN", "let a paused scan go on",
           "Only what is left is probed. In local mode it runs the agent inside this program and "
           "always waits; give --allow again where the scan needs it.",
           "  portolan scans resume last --wait"},
          RunResume);
  AddScanId(resume, &flags->id);
  resume->add_flag("--wait", flags->wait, "Wait for the end and print the results.")
      ->group("Record");
  AddPrintFlags(resume, &flags->print);
  AddLocalFlags(resume, &flags->local);

  CLI::App* cancel =
      add("cancel",
          {"[OPTION]... SCAN", "stop a scan for good",
           "Its results so far are kept; what is left counts as not probed (cancelled).",
           "  portolan scans cancel last"},
          RunCancel);
  AddScanId(cancel, &flags->id);
  cancel->add_flag("--wait", flags->wait, "Wait until every agent has stopped.")
      ->group("Which scan");
  AddJson(cancel, &flags->json);

  CLI::App* exclude = add(
      "exclude",
      {"[OPTION]... SCAN RULE...", "exclude addresses from a running scan",
       "A rule is a target as scan takes them (an address, network, range or host name, perhaps "
       "with a port), or addresses with ports behind a blank. A name that the scan was given "
       "means its addresses in the scan, and those that it has now. It takes hold on every agent "
       "within seconds; what it "
       "keeps from being probed counts as not probed (excluded). It cannot be taken back.",
       "  portolan scans exclude last 10.0.0.0/24 2001:db8::/64\n  portolan scans exclude last "
       "printer.example 10.0.0.9:9100\n  portolan scans exclude last "
       "'10.0.1.7 22,80'"},
      RunExclude);
  AddScanId(exclude, &flags->id);
  exclude->add_option("rules", flags->rules, "What is not to be probed any more.")
      ->option_text("RULE...")
      ->required()
      ->group("Which scan");
  AddJson(exclude, &flags->json);

  CLI::App* rm = add(
      "rm", {"SCAN...", "remove finished scans and their results", "", "  portolan scans rm last"},
      RunRemove);
  rm->add_option("scans", flags->ids,
                 "Ids, unique beginnings of them, names that only one scan has, or last.")
      ->option_text("SCAN...")
      ->required()
      ->group("Which scan");
}

}  // namespace portolan
