// portolan check [MONITOR...]
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/style.h"
#include "cli/render/text.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct CheckVerbFlags {
  std::vector<std::string> monitors;
  std::string fail_on = "high";
  bool json = false;
};

absl::StatusOr<std::vector<v1::Monitor>> MonitorsOf(const CheckVerbFlags& flags, Session& session) {
  std::vector<v1::Monitor> out;
  for (const std::string& name : flags.monitors) {
    PORTOLAN_ASSIGN_OR_RETURN(out.emplace_back(), GetMonitor(session, name));
  }
  if (!flags.monitors.empty()) return out;
  PORTOLAN_ASSIGN_OR_RETURN(
      const auto list,
      session.client->Call(&ApiClient::Monitors::ListMonitors, v1::ListMonitorsRequest()));
  return std::vector<v1::Monitor>(list.monitors().begin(), list.monitors().end());
}

absl::StatusOr<int> RunCheck(const CheckVerbFlags& flags, Context& context) {
  if (SeverityRank(flags.fail_on) == 0) {
    return InvalidArgument("--fail-on \"{}\": write info, low, medium, high or critical",
                           flags.fail_on);
  }
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  PORTOLAN_ASSIGN_OR_RETURN(const auto monitors, MonitorsOf(flags, *session));
  if (monitors.empty()) {
    return FailedPrecondition(
        "NO DATA: there is no monitor, so nothing was checked; declare one with portolan monitor "
        "apply -f FILE");
  }
  uint64_t found = 0;
  bool no_data = false;
  for (const v1::Monitor& m : monitors) {
    if (!m.no_data().empty()) {
      no_data = true;
      context.env.notes->Note(fmt::format(
          "NO DATA: monitor {}: {}; that nothing is found means nothing. See portolan monitor "
          "describe {}",
          m.name(), m.no_data(), m.name()));
    }
    v1::ListFindingsRequest request;
    request.set_monitor(m.name());
    request.set_min_severity(flags.fail_on);
    request.set_limit(10'000);
    PORTOLAN_ASSIGN_OR_RETURN(const v1::ListFindingsResponse list,
                              session->client->Call(&ApiClient::Monitors::ListFindings, request));
    for (const v1::ExposureFinding& f : list.findings()) {
      // What a newer coordinator calls otherwise counts: it was asked for this severity and worse.
      if (f.resolved_unix_us() != 0) continue;
      ++found;
      PORTOLAN_RETURN_IF_ERROR(
          context.Print(flags.json ? JsonLine("finding", f) : FindingText(f, context.color)));
    }
  }
  if (found > 0) {
    context.env.notes->Note(fmt::format("FAILED: {} of severity {} or worse",
                                        Counted(found, "open finding", "open findings"),
                                        flags.fail_on));
    return kExitFindings;
  }
  if (no_data) return kExitFailed;
  context.env.notes->Note(fmt::format("ok: {}, no open finding of severity {} or worse",
                                      Counted(monitors.size(), "monitor", "monitors"),
                                      flags.fail_on));
  return kExitComplete;
}

}  // namespace

void AddCheck(Program& program) {
  auto flags = std::make_shared<CheckVerbFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "check",
      {"[OPTION]... [MONITOR...]", "fail when there are open findings, for pipelines",
       "Prints the open findings that count. Exit code 4: there are some. 0: there are none, and "
       "each monitor has data to say so. 1: a monitor has never completed a run, or two runs were "
       "due since it did: then nothing found means nothing.",
       "  portolan check --fail-on medium\n"
       "  portolan check web db && ./deploy"},
      [flags](Context& context) { return RunCheck(*flags, context); });
  app->add_option("monitors", flags->monitors, "Only these. Default: all.")
      ->option_text("MONITOR...")
      ->group("Which");
  app->add_option("--fail-on", flags->fail_on,
                  "Findings of this severity and worse count: info, low, medium, high, critical. "
                  "Default: high.")
      ->option_text("SEVERITY")
      ->group("Which");
  AddJsonFlag(app, &flags->json, "finding");
}

}  // namespace portolan
