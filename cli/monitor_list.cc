// portolan monitor list
#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "common/base/status.h"

namespace portolan {
namespace {

absl::StatusOr<int> RunMonitorList(bool json, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  PORTOLAN_ASSIGN_OR_RETURN(
      const auto list,
      session->client->Call(&ApiClient::Monitors::ListMonitors, v1::ListMonitorsRequest()));
  const WallTime now = context.env.clock->Wall();
  TextTable table({{"NAME"},
                   {"SCHEDULE"},
                   {"LAST RUN"},
                   {"COMPLETE"},
                   {"NEXT"},
                   {"OPEN", TextTable::Align::kRight},
                   {"FINDINGS", TextTable::Align::kRight},
                   {"STATE"}});
  for (const v1::Monitor& m : list.monitors()) {
    if (json) {
      PORTOLAN_RETURN_IF_ERROR(context.Print(JsonLine("monitor", m)));
      continue;
    }
    uint64_t open = 0;
    std::string state;
    const auto note = [&](std::string_view text) {
      state += (state.empty() ? "" : ", ") + std::string(text);
    };
    if (m.paused()) note("paused");
    if (m.behind_s() > 0) note(HumanDuration(m.behind_s()) + " late");
    for (const v1::MonitorVantageStatus& v : m.vantages()) {
      open = std::max(open, v.open());
      if (v.canaries() == "quarantined") note(v.vantage() + " quarantined");
      if (!v.mass_change().empty()) note(v.vantage() + " mass change");
    }
    if (state.empty()) note(m.no_data().empty() ? "ok" : "no data");
    table.Add({m.name(), CutTo(m.schedule(), 40),
               m.runs().empty() ? "" : std::string(RunStateText(m.runs(0).state())),
               AgoText(now, m.last_success_unix_us()), TimeText(m.next_due_unix_us()),
               Grouped(open), Grouped(m.open_findings()), CutTo(state, 60)});
  }
  if (json) return kExitComplete;
  if (table.empty())
    context.env.notes->Note("no monitors yet: declare one with portolan monitor apply -f FILE");
  PORTOLAN_RETURN_IF_ERROR(context.Print(table.Render(context.color)));
  return kExitComplete;
}

}  // namespace

void AddMonitorList(Program& program, CLI::App* monitor) {
  auto json = std::make_shared<bool>(false);
  CLI::App* app = program.AddVerb(
      monitor, "list",
      {"[OPTION]...", "list monitors",
       "LAST RUN is how it ended, COMPLETE when a run was last complete, OPEN the ports of the "
       "baseline of the vantage that sees most.",
       "  portolan monitor list --json | jq -r 'select(.paused) | .name'"},
      [json](Context& context) { return RunMonitorList(*json, context); });
  AddJsonFlag(app, json.get(), "monitor");
}

}  // namespace portolan
