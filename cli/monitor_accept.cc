// portolan monitor accept NAME
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "common/base/status.h"

namespace portolan {

void AddMonitorAccept(Program& program, CLI::App* monitor) {
  struct Flags {
    std::string name, vantage;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* app = program.AddVerb(
      monitor, "accept",
      {"[OPTION]... NAME", "take what the next complete run sees as the new baseline",
       "Without events: after a migration or a new firewall, when thousands of ports have changed "
       "and somebody wanted that. What was expected is asked of the new baseline as before.",
       "  portolan monitor accept web --vantage cloud-east"},
      [flags](Context& context) -> absl::StatusOr<int> {
        PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
        v1::AcceptNextRunRequest request;
        request.set_name(flags->name);
        request.set_vantage(flags->vantage);
        PORTOLAN_ASSIGN_OR_RETURN(
            const v1::Monitor m,
            session->client->Call(&ApiClient::Monitors::AcceptNextRun, request));
        context.env.notes->Note(fmt::format(
            "the next complete run of {} becomes the baseline of {}; to run it now: portolan "
            "monitor run-now {}",
            m.name(), flags->vantage.empty() ? "all its vantages" : "vantage " + flags->vantage,
            m.name()));
        return kExitComplete;
      });
  AddMonitorName(app, &flags->name);
  app->add_option("--vantage", flags->vantage, "Only of this vantage. Default: of all.")
      ->option_text("NAME")
      ->group("Which monitor");
}

}  // namespace portolan
