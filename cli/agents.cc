// portolan agents [list|drain NAME]
#include <fmt/format.h>

#include <cmath>

#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr int64_t kSoonEnds = int64_t{7} * 24 * 3600 * 1'000'000;  // microseconds

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

// How far the clock is off: "+2h00m", "-12 s"; "ok" within a second, nothing when it is not known.
std::string ClockText(const v1::Agent& a) {
  if (!a.has_clock_skew_s()) return "";
  const double off = a.clock_skew_s();
  if (std::abs(off) < 1) return "ok";
  return (off > 0 ? "+" : "-") + HumanDuration(std::abs(off));
}

// What a person should know of the agent.
std::string NotesText(const v1::Agent& a, int64_t now_unix_us) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (!a.live() && !a.away_reason().empty()) add(a.away_reason());
  for (const std::string& rival : a.rival_peers())
    add(fmt::format("another agent of this name calls from {}", rival));
  if (a.times_replaced())
    add("its clock is wrong: its observations have the time at which they are received");
  const int64_t ends = a.certificate_not_after_unix_us();
  if (a.live() && ends != 0 && ends - now_unix_us < kSoonEnds) {
    const std::string when = HumanTime(FromUnixMicros(ends));
    add(ends > now_unix_us ? "its certificate ends at " + when
                           : "its certificate ended at " + when +
                                 ": it works until its connection breaks; renew it");
  }
  if (!a.limited_by().empty()) add(a.limited_by());
  return out;
}

absl::StatusOr<int> RunAgentsList(const AgentsFlags& flags, Context& context) {
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
                   {"CLOCK", TextTable::Align::kRight},
                   {"FROM"},
                   {"NOTES"}});
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
               a.last_seen_unix_us() == 0 ? "" : HumanDuration(seen) + " ago", ClockText(a),
               a.peer(), NotesText(a, now)});
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
        fmt::format("agent {0} drains: it gets nothing new and finishes or gives back {1}; to "
                    "take that back: portolan agents drain {0} --undo{2}",
                    agent.name(), Counted(agent.leases(), "lease", "leases"), context.SameFlags()));
  }
  return kExitComplete;
}

}  // namespace

void AddAgents(Program& program) {
  auto flags = std::make_shared<AgentsFlags>();
  const auto list = [flags](Context& context) { return RunAgentsList(*flags, context); };
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
       "out on its leases; CLOCK is how far its clock is ahead of the coordinator's, or behind "
       "(-), "
       "if that is a second or more; FROM is where it calls from; NOTES say why it is away, what "
       "keeps it from being faster, and whether another agent has its name. An agent that ended "
       "after it had drained is not listed.",
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
