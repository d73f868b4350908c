#pragma once

#include "absl/status/status.h"

namespace portolan {

// What the program's exit code says. Documented in `portolan --help`.
enum ExitCode : int {
  kExitComplete = 0,
  kExitFailed = 1,
  kExitUsage = 2,     // the request is at fault: flags, targets, scope
  kExitPartial = 3,   // the scan ended with something not probed
  kExitFindings = 4,  // check: there are open findings; diff: what it was asked to fail on
  kExitInterrupted = 130,
  kExitPipeClosed = 141,  // the reader of stdout has gone, as shells show it
  kExitTerminated = 143,
};

inline int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitComplete;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:
      return kExitUsage;
    case absl::StatusCode::kCancelled:
      return kExitPipeClosed;  // only Output says so: calls never end with it (see ApiClient)
    default:
      return kExitFailed;
  }
}

inline int ExitCodeOfSignal(int signal) { return 128 + signal; }

}  // namespace portolan
