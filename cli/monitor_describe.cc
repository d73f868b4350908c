// portolan monitor describe NAME
#include <fmt/format.h>

#include <map>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/style.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "common/base/status.h"

namespace portolan {
namespace {

void AddRuns(const v1::Monitor& m, bool color, std::string* out) {
  if (m.runs().empty()) {
    *out += "\nno run yet: portolan monitor run-now " + Printable(m.name()) + " does not wait\n";
    return;
  }
  TextTable table({{"RUN"},
                   {"STATE"},
                   {"WHY"},
                   {"STARTED"},
                   {"TOOK", TextTable::Align::kRight},
                   {"KNOWN", TextTable::Align::kRight},
                   {"CHANGES", TextTable::Align::kRight},
                   {"SCAN"},
                   {"MESSAGE"}});
  for (const v1::MonitorRun& run : m.runs()) {
    const double took = static_cast<double>(run.finished_unix_us() - run.started_unix_us()) / 1e6;
    table.Add({std::to_string(run.number()), std::string(RunStateText(run.state())), run.trigger(),
               TimeText(run.started_unix_us()),
               run.finished_unix_us() == 0 ? "" : HumanDuration(took),
               run.positions() == 0 ? "" : Percent(run.known(), run.positions()),
               Grouped(run.candidates()), run.scan_id(), run.message()});
  }
  *out += "\n" + table.Render(color);
}

// Of the last run that has ended.
void AddNames(const v1::Monitor& m, bool color, std::string* out) {
  for (const v1::MonitorRun& run : m.runs()) {
    if (run.state() == v1::MonitorRun::STATE_RUNNING) continue;
    if (run.unresolved_names().empty()) return;
    *out += fmt::format(
        "\nnames with nothing to look at in run {}: what their ports are is not "
        "known\n",
        run.number());
    TextTable table({{"NAME"}, {"WHY"}});
    for (const v1::MonitorRun::UnresolvedName& n : run.unresolved_names())
      table.Add({Printable(n.name()), Printable(n.problem())});
    *out += table.Render(color);
    if (run.unresolved_names_size() >= 100) *out += "and perhaps more: the first 100 are kept\n";
    return;
  }
}

void AddVantages(const v1::Monitor& m, bool color, std::string* out) {
  for (const v1::MonitorVantageStatus& v : m.vantages()) {
    *out +=
        fmt::format("\nvantage {} ({}): {} open, last complete {}\n", Printable(v.vantage()),
                    Printable(v.side()), Grouped(v.open()), TimeText(v.last_complete_unix_us()));
    const bool bad = v.canaries() == "quarantined";
    *out += "  canaries " + Paint(color && bad, Ink::kRed, Printable(v.canaries())) +
            (v.since_unix_us() != 0 ? " since " + TimeText(v.since_unix_us()) : "") +
            (v.canary_reason().empty() ? "" : ": " + Printable(v.canary_reason())) + "\n";
    if (bad) *out += "  nothing that it sees is believed until they are right again\n";
    for (const auto& c : v.chosen()) {
      *out += fmt::format("    {} {}{}\n", SubjectText(c.target(), c.port()),
                          c.open() ? "open" : "closed", c.given() ? " (given)" : "");
    }
    if (v.confirming() > 0)
      *out += "  " + Counted(v.confirming(), "change is", "changes are") + " being confirmed\n";
    if (!v.mass_change().empty()) {
      *out += "  " + Paint(color, Ink::kRed, "mass change") + ": " + Printable(v.mass_change()) +
              "\n  if it is wanted: portolan monitor accept " + Printable(m.name()) +
              " --vantage " + Printable(v.vantage()) + "\n";
    }
  }
}

void AddFindings(const v1::Monitor& m, const v1::ListFindingsResponse& list, std::string* out) {
  std::map<int, uint64_t, std::greater<>> counts;
  std::map<int, std::string> names;
  for (const v1::ExposureFinding& f : list.findings()) {
    const int rank = SeverityRank(f.severity());
    ++counts[rank];
    names[rank] = f.severity();
  }
  std::string text;
  for (const auto& [rank, count] : counts)
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ", Grouped(count), Printable(names[rank]));
  *out += "\nopen findings: " + (text.empty() ? "none" : text);
  if (!text.empty()) *out += "; see portolan findings " + Printable(m.name());
  *out += "\n";
  for (const auto& total : list.totals()) {
    *out += fmt::format("  of rule {} only the first are kept: there are {}\n",
                        Printable(total.rule()), Grouped(total.total()));
  }
}

std::string Describe(const v1::Monitor& m, const v1::ListFindingsResponse& findings, WallTime now,
                     bool color) {
  std::string out;
  AddField(&out, "monitor", Printable(m.name()));
  AddField(&out, "owner", Printable(m.owner()));
  std::map<std::string, std::string> labels(m.labels().begin(), m.labels().end());
  std::string text;
  for (const auto& [key, value] : labels)
    text += (text.empty() ? "" : ", ") + Printable(key) + "=" + Printable(value);
  AddField(&out, "labels", text);
  AddField(&out, "declared by",
           m.manager().empty() ? "" : "the coordinator's " + Printable(m.manager()));
  AddField(&out, "generation", std::to_string(m.generation()));
  AddField(&out, "schedule", Printable(m.schedule()) + (m.paused() ? " (paused)" : ""));
  std::string next = m.next_due_unix_us() == 0 ? "never" : TimeText(m.next_due_unix_us());
  if (!m.waiting().empty()) next += " (" + Printable(m.waiting()) + ", waits to be started)";
  AddField(&out, "next run", next);
  if (m.behind_s() > 0) {
    AddField(&out, "late",
             Paint(color, Ink::kYellow, HumanDuration(m.behind_s())) + ": " +
                 Printable(m.behind_reason()));
  }
  AddField(&out, "complete",
           m.last_success_unix_us() == 0 ? "never"
                                         : TimeText(m.last_success_unix_us()) + ", " +
                                               AgoText(now, m.last_success_unix_us()));
  if (!m.no_data().empty())
    AddField(&out, "no data", Paint(color, Ink::kRed, Printable(m.no_data())));
  if (m.missed_runs() + m.skipped_runs() + m.runs_while_paused() > 0) {
    AddField(&out, "not run",
             fmt::format("{} missed, {} skipped, {} while paused", Grouped(m.missed_runs()),
                         Grouped(m.skipped_runs()), Grouped(m.runs_while_paused())));
  }
  AddField(&out, "events", Grouped(m.events()));
  AddRuns(m, color, &out);
  AddNames(m, color, &out);
  AddVantages(m, color, &out);
  AddFindings(m, findings, &out);
  return out;
}

}  // namespace

void AddMonitorDescribe(Program& program, CLI::App* monitor) {
  struct Flags {
    std::string name;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* app = program.AddVerb(
      monitor, "describe",
      {"[OPTION]... NAME", "show how a monitor does",
       "Its schedule, the next run and how late it is; its last runs; each vantage with its "
       "canaries and why they are so; mass changes, with the command that accepts them; how many "
       "findings are open, by severity.",
       "  portolan monitor describe web"},
      [flags](Context& context) -> absl::StatusOr<int> {
        PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
        PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor m, GetMonitor(*session, flags->name));
        if (flags->json) {
          PORTOLAN_RETURN_IF_ERROR(context.Print(JsonLine("monitor", m)));
          return kExitComplete;
        }
        v1::ListFindingsRequest request;
        request.set_monitor(flags->name);
        request.set_limit(10'000);
        PORTOLAN_ASSIGN_OR_RETURN(
            const v1::ListFindingsResponse findings,
            session->client->Call(&ApiClient::Monitors::ListFindings, request));
        PORTOLAN_RETURN_IF_ERROR(
            context.Print(Describe(m, findings, context.env.clock->Wall(), context.color)));
        return kExitComplete;
      });
  AddMonitorName(app, &flags->name);
  AddJsonFlag(app, &flags->json, "monitor");
}

}  // namespace portolan
