// portolan monitor delete NAME...
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct MonitorDeleteFlags {
  std::vector<std::string> names;
  bool yes = false;
};

absl::StatusOr<int> RunMonitorDelete(const MonitorDeleteFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  // All are looked up first: a mistyped name deletes nothing.
  std::string what;
  for (const std::string& name : flags.names) {
    PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor m, GetMonitor(*session, name));
    uint64_t open = 0;
    for (const v1::MonitorVantageStatus& v : m.vantages()) open += v.open();
    what += fmt::format("monitor {}: baselines of {}, {}, {}, its runs\n", Printable(m.name()),
                        Counted(open, "open port", "open ports"),
                        Counted(m.events(), "event", "events"),
                        Counted(m.open_findings(), "open finding", "open findings"));
  }
  context.env.notes->Print(what +
                           "This cannot be undone. The scans of its runs stay until their "
                           "retention ends.\n");
  if (!flags.yes) {
    if (!context.env.in_is_terminal) {
      return InvalidArgument(
          "nobody is there to be asked (standard input is not a terminal): add --yes to delete");
    }
    context.env.notes->Print("Delete? [y/N] ");
    std::string answer;
    std::getline(*context.env.in, answer);
    if (answer != "y" && answer != "Y" && answer != "yes") {
      context.env.notes->Note("nothing was deleted");
      return kExitFailed;
    }
  }
  for (const std::string& name : flags.names) {
    v1::DeleteMonitorRequest request;
    request.set_name(name);
    PORTOLAN_RETURN_IF_ERROR(
        session->client->Call(&ApiClient::Monitors::DeleteMonitor, request, std::chrono::minutes(5))
            .status());
    context.env.notes->Note(fmt::format("monitor {} is deleted", name));
  }
  return kExitComplete;
}

}  // namespace

void AddMonitorDelete(Program& program, CLI::App* monitor) {
  auto flags = std::make_shared<MonitorDeleteFlags>();
  CLI::App* app = program.AddVerb(
      monitor, "delete",
      {"[OPTION]... NAME...", "delete monitors with their baselines, events and findings",
       "Says what goes, and asks on a terminal; elsewhere it needs --yes.",
       "  portolan monitor delete web-old --yes"},
      [flags](Context& context) { return RunMonitorDelete(*flags, context); });
  app->add_option("names", flags->names, "The monitors' names.")
      ->option_text("NAME...")
      ->required()
      ->group("Which monitor");
  app->add_flag("--yes", flags->yes, "Do not ask.")->group("Which monitor");
}

}  // namespace portolan
