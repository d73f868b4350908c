// portolan monitor pause|resume NAME
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "common/base/status.h"

namespace portolan {

void AddMonitorPause(Program& program, CLI::App* monitor) {
  auto name = std::make_shared<std::string>();
  const auto run = [name](bool undo) {
    return [name, undo](Context& context) -> absl::StatusOr<int> {
      PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
      v1::PauseMonitorRequest request;
      request.set_name(*name);
      request.set_undo(undo);
      PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor m,
                                session->client->Call(&ApiClient::Monitors::PauseMonitor, request));
      context.env.notes->Note(m.paused()
                                  ? fmt::format("monitor {} is paused{}", m.name(),
                                                undo ? ": its document says so (spec.paused)" : "")
                                  : fmt::format("monitor {} runs again; next run {}", m.name(),
                                                TimeText(m.next_due_unix_us())));
      return kExitComplete;
    };
  };
  AddMonitorName(program.AddVerb(monitor, "pause",
                                 {"NAME", "start no further runs of a monitor for now",
                                  "A run under way goes on. Slots that pass are not made up for.",
                                  "  portolan monitor pause web"},
                                 run(false)),
                 name.get());
  AddMonitorName(program.AddVerb(monitor, "resume",
                                 {"NAME", "let a paused monitor run by its schedule again", "",
                                  "  portolan monitor resume web"},
                                 run(true)),
                 name.get());
}

}  // namespace portolan
