// portolan monitor VERB
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/monitors.h"

namespace portolan {

void AddMonitor(Program& program) {
  auto self = std::make_shared<CLI::App*>(nullptr);
  CLI::App* monitor = program.AddVerb(
      &program.root(), "monitor",
      {"VERB [OPTION]...",
       "declare, list, show, run and remove monitors: scans that recur, and what is expected",
       "A monitor is declared in YAML and run by the coordinator, on a schedule, from each of its "
       "vantages. What it finds is shown by the verbs exposure, events, findings, explain and "
       "check.",
       "  portolan monitor apply -f monitors/ --dry-run\n"
       "  portolan monitor list\n"
       "  portolan monitor describe web"},
      [self](Context& context) -> absl::StatusOr<int> {
        context.env.notes->Print((*self)->help());
        return kExitUsage;
      });
  *self = monitor;
  AddMonitorApply(program, monitor);
  AddMonitorList(program, monitor);
  AddMonitorGet(program, monitor);
  AddMonitorDescribe(program, monitor);
  AddMonitorRunNow(program, monitor);
  AddMonitorPause(program, monitor);
  AddMonitorAccept(program, monitor);
  AddMonitorDelete(program, monitor);
}

}  // namespace portolan
