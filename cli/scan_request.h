#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/base/inputs.h"
#include "cli/environment.h"
#include "cli/scan_flags.h"
#include "common/rpc/convert.h"

namespace portolan {

// The targets of a request and its exclusions, each with where it was written.
struct WrittenTargets {
  std::vector<TargetText> targets, excluded;
};

// The request that the flags ask for; reads the files of targets. InvalidArgument names the flag,
// the value and the remedy; single targets that cannot be used are notes, each with its place.
absl::StatusOr<v1::CreateScanRequest> MakeScanRequest(const ScanFlags& flags, Environment& env,
                                                      WrittenTargets* written);

// Notes the problems of targets and exclusions, each at its place; `total` is how many there are,
// shown or not. Returns the error that sums them up.
absl::Status TargetsRefused(absl::StatusCode code, const std::vector<ShownProblem>& shown,
                            uint64_t total, Notes& notes);

}  // namespace portolan
