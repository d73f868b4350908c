// portolan agents [list|drain NAME]
#include <fmt/format.h>

#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct AgentsFlags {
  bool json = false;
  std::string name;
  bool undo = false;
};

absl::Status NeedsCoordinator(const Context& context) {
  if (!context.globals.coordinator.empty()) return absl::OkStatus();
  return InvalidArgument(
      "agents belong to a coordinator: name it with --coordinator HOST:PORT or "
      "PORTOLAN_COORDINATOR");
}

absl::StatusOr<int> RunList(const AgentsFlags& flags, Context& context) {
  PORTOLAN_RETURN_IF_ERROR(NeedsCoordinator(context));
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
  PORTOLAN_ASSIGN_OR_RETURN(const auto list, session->client->Call(&ApiClient::Stub::ListAgents,
                                                                   v1::ListAgentsRequest()));
  TextTable table({{"NAME"},
                   {"VANTAGE"},
                   {"STATE"},
                   {"RATE", TextTable::Align::kRight},
                   {"LEASES", TextTable::Align::kRight},
                   {"POSITIONS", TextTable::Align::kRight},
                   {"PROBES", TextTable::Align::kRight},
                   {"VERSION"},
                   {"ENGINE"},
                   {"SEEN"},
                   {"LIMITED BY"}});
  const int64_t now = ToUnixMicros(context.env.clock->Wall());
  for (const v1::Agent& a : list.agents()) {
    if (flags.json) {
      PORTOLAN_RETURN_IF_ERROR(context.Print(AgentJson(a) + "\n"));
      continue;
    }
    const double seen = static_cast<double>(now - a.last_seen_unix_us()) / 1e6;
    table.Add({a.name(), a.vantage(), a.live() ? (a.draining() ? "draining" : "live") : "away",
               a.measured_rate() > 0 ? HumanRate(a.measured_rate()) : "", Grouped(a.leases()),
               Grouped(a.leased_positions()), Grouped(a.probes_sent()), a.version(), a.engine(),
               a.last_seen_unix_us() == 0 ? "" : HumanDuration(seen) + " ago", a.limited_by()});
  }
  if (flags.json) return kExitComplete;
  if (table.empty())
    context.env.notes->Note(
        "no agent has called yet: start portolan-agent --coordinator HOST:PORT --vantage NAME");
  PORTOLAN_RETURN_IF_ERROR(context.Print(table.Render(context.color)));
  return kExitComplete;
}

absl::StatusOr<int> RunDrain(const AgentsFlags& flags, Context& context) {
  PORTOLAN_RETURN_IF_ERROR(NeedsCoordinator(context));
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
  v1::DrainAgentRequest request;
  request.set_name(flags.name);
  request.set_undo(flags.undo);
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Agent agent,
                            session->client->Call(&ApiClient::Stub::DrainAgent, request));
  if (flags.json) {
    PORTOLAN_RETURN_IF_ERROR(context.Print(AgentJson(agent) + "\n"));
  } else if (flags.undo) {
    context.env.notes->Note(fmt::format("agent {} takes work again", agent.name()));
  } else {
    context.env.notes->Note(
        fmt::format("agent {} drains: it gets nothing new and finishes or gives back {} leases; to "
                    "take that back: portolan agents drain {} --undo",
                    agent.name(), agent.leases(), agent.name()));
  }
  return kExitComplete;
}

}  // namespace

void AddAgents(Program& program) {
  auto flags = std::make_shared<AgentsFlags>();
  const auto list = [flags](Context& context) { return RunList(*flags, context); };
  const auto json = [flags](CLI::App* app) {
    app->add_flag("--json", flags->json, "A JSON object a line, \"type\":\"agent\".")
        ->group("Output");
  };
  CLI::App* agents = program.AddVerb(
      &program.root(), "agents",
      {"[VERB] [OPTION]...", "list the coordinator's agents, or drain one", "Without a verb: list.",
       "  portolan agents\n  portolan agents drain dmz-1\n  portolan agents drain dmz-1 --undo"},
      list);
  json(agents);
  json(program.AddVerb(
      agents, "list",
      {"[OPTION]...", "list agents",
       "STATE is live (has called within the lease term), draining or away; POSITIONS are those "
       "out on its leases; LIMITED BY says what keeps it from being faster.",
       "  portolan agents list --json | jq -r 'select(.live) | .name'"},
      list));
  CLI::App* drain = program.AddVerb(
      agents, "drain",
      {"[OPTION]... NAME",
       "ask an agent to finish or give back what it holds, and give it nothing more",
       "The agent stays connected and idle. A restart of the agent does not undo it.",
       "  portolan agents drain dmz-1"},
      [flags](Context& context) { return RunDrain(*flags, context); });
  drain->add_option("name", flags->name, "The agent's name.")
      ->option_text("NAME")
      ->required()
      ->group("Which agent");
  drain->add_flag("--undo", flags->undo, "Let it take work again.")->group("Which agent");
  json(drain);
}

}  // namespace portolan
