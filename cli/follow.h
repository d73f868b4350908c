#pragma once

#include <functional>
#include <string>

#include "cli/print_results.h"
#include "cli/program.h"

namespace portolan {

// Waits until a scan has finished, with the progress line. `update` (may be empty) gets every
// state. Aborted when interrupted: then everything is said already, and in local mode the scan is
// paused.
absl::StatusOr<v1::Scan> FollowScan(
    Context& context, Session& session, const std::string& scan_id,
    const std::function<absl::Status(const v1::Scan&)>& update = {});

// FollowScan, then the record, then the exit code of the scan's end.
absl::StatusOr<int> FollowAndPrint(Context& context, Session& session, const std::string& scan_id,
                                   const PrintFlags& flags);

// 0 complete, 3 partial or cancelled.
int ExitCodeOfScan(const v1::Scan& scan);

// Local mode: scans that an earlier run left behind would start again with the agent; they are
// paused, and it is said how to go on. Then starts the agent. `keep`: the scan that is to run.
absl::Status StartLocalAgent(Context& context, Session& session, const std::string& keep);

}  // namespace portolan
