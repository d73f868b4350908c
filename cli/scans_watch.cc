// portolan scans watch SCAN
#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/follow.h"
#include "cli/scans.h"
#include "common/base/status.h"

namespace portolan {

void AddScansWatch(Program& program, CLI::App* scans) {
  struct Flags {
    std::string id;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* app = program.AddVerb(
      scans, "watch",
      {"[OPTION]... SCAN", "follow a scan until it has finished",
       "Shows a progress line on a terminal, and the ledger at the end. Rides out restarts of the "
       "coordinator. Exits as the scan ends: 0 complete, 3 partial or "
       "cancelled. Ctrl-C stops watching, not the scan.",
       "  portolan scans watch last && portolan results last"},
      [flags](Context& context) -> absl::StatusOr<int> {
        PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
        // A watch that begins while the coordinator restarts waits as one that was interrupted by
        // it.
        PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan known, GetScanPatiently(*session, flags->id));
        if (session->is_local() && !IsFinished(known.state())) {
          return FailedPrecondition(
              "scan {0} is {1} and no agent runs it (local mode): go on with portolan scans resume "
              "{0} --wait{2}",
              known.id(), ScanStateName(known.state()), context.SameFlags());
        }
        const auto update = [&](const v1::Scan& now) -> absl::Status {
          if (!flags->json) return absl::OkStatus();
          // One object a state; a reader waits for each, so nothing is held back.
          PORTOLAN_RETURN_IF_ERROR(context.Print(ScanJson(now) + "\n"));
          return context.env.out->Flush();
        };
        PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan scan,
                                  FollowScan(context, *session, known.id(), update));
        const ScanRecordEnd end = ToRecordEnd(scan);
        PORTOLAN_RETURN_IF_ERROR(
            context.Print(flags->json ? SummaryJson(end) + "\n" : SummaryText(end)));
        return ExitCodeOfScan(scan);
      });
  AddScanId(app, &flags->id);
  app->add_flag("--json", flags->json,
                "A JSON object for each change, \"type\":\"scan\"; the last is the ledger, "
                "\"type\":\"summary\".")
      ->group("Output");
}

}  // namespace portolan
