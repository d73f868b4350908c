// portolan monitor run-now NAME
#include <fmt/format.h>

#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "cli/vantages.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct MonitorRunNowFlags {
  std::string name;
  bool wait = false;
};

const v1::MonitorRun* FindRun(const v1::Monitor& m, uint64_t number) {
  for (const v1::MonitorRun& run : m.runs()) {
    if (run.number() == number) return &run;
  }
  return nullptr;
}

// The number of the run that was asked for: it waits, or was started at once.
uint64_t NumberOf(const v1::Monitor& m) {
  return m.waiting().empty() && !m.runs().empty() ? m.runs(0).number() : m.next_run();
}

absl::StatusOr<v1::MonitorRun> WaitFor(const std::string& name, uint64_t number, Session& session,
                                       Context& context) {
  v1::GetMonitorRequest request;
  request.set_name(name);
  while (true) {
    PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor m, session.client->CallPatiently(
                                                       &ApiClient::Monitors::GetMonitor, request));
    const v1::MonitorRun* run = FindRun(m, number);
    if (run != nullptr && run->state() != v1::MonitorRun::STATE_RUNNING) return *run;
    if (run == nullptr && m.next_run() > number) {
      return NotFound(
          "run {} of {} is not among its last runs any more; see portolan monitor "
          "describe {}",
          number, name, name);
    }
    if (run != nullptr && !run->scan_id().empty()) {
      const absl::StatusOr<v1::Scan> scan = [&] {
        v1::GetScanRequest get;
        get.set_scan_id(run->scan_id());
        return session.client->Call(&ApiClient::Stub::GetScan, get);
      }();
      if (scan.ok()) context.env.notes->ShowProgress(ToProgress(*scan));
    }
    if (context.env.wait(std::chrono::seconds(1))) {
      context.env.notes->Note(
          fmt::format("run {} of {} goes on without this program", number, name));
      return Aborted("interrupted");
    }
  }
}

absl::StatusOr<int> RunMonitorRunNow(const MonitorRunNowFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  v1::RunMonitorRequest request;
  request.set_name(flags.name);
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor m,
                            session->client->Call(&ApiClient::Monitors::RunMonitor, request));
  const uint64_t number = NumberOf(m);
  context.env.notes->Note(
      fmt::format("run {} of {} {}", number, m.name(),
                  m.waiting().empty() ? "is started" : "starts as soon as it may"));
  std::vector<std::string> vantages;
  for (const v1::MonitorVantageStatus& v : m.vantages()) vantages.push_back(v.vantage());
  if (!vantages.empty()) NoteMissingAgents(context, *session, vantages, "the run waits for one");
  if (!flags.wait) return kExitComplete;
  PORTOLAN_ASSIGN_OR_RETURN(const v1::MonitorRun run, WaitFor(m.name(), number, *session, context));
  PORTOLAN_RETURN_IF_ERROR(context.Print(
      fmt::format("run {} of {}: {}, {} of {} known, {} to be confirmed{}{}\n", run.number(),
                  m.name(), RunStateText(run.state()), Grouped(run.known()),
                  Grouped(run.positions()), Counted(run.candidates(), "change", "changes"),
                  run.scan_id().empty() ? "" : ", scan " + Printable(run.scan_id()),
                  run.message().empty() ? "" : ": " + Printable(run.message()))));
  switch (run.state()) {
    case v1::MonitorRun::STATE_COMPLETE:
      return kExitComplete;
    case v1::MonitorRun::STATE_PARTIAL:
      return kExitPartial;
    default:
      return kExitFailed;
  }
}

}  // namespace

void AddMonitorRunNow(Program& program, CLI::App* monitor) {
  auto flags = std::make_shared<MonitorRunNowFlags>();
  CLI::App* app = program.AddVerb(
      monitor, "run-now",
      {"[OPTION]... NAME", "start a run now, besides the schedule",
       "Also of a paused monitor. Refused while one is under way, unless its overlap is queue. "
       "With --wait the exit code says how it ended: 0 complete, 3 partial, 1 failed.",
       "  portolan monitor run-now web --wait"},
      [flags](Context& context) { return RunMonitorRunNow(*flags, context); });
  AddMonitorName(app, &flags->name);
  app->add_flag("--wait", flags->wait, "Wait until the run has ended, and say how.")
      ->group("Which monitor");
}

}  // namespace portolan
