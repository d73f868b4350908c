#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/link/reconcile.h"
#include "agent/runner/spool.h"
#include "agent/runner/types.h"
#include "portolan/v1/fleet_service.pb.h"

// SynchronizeRequest and SynchronizeResponse <-> what the agent thinks in.
namespace portolan {

// What the runner says of the leases that are listed, put into `request` with the rest of `state`.
// Leases of which `progress` says nothing are listed as granted and unprobed.
void FillRequest(const LinkState& state, const std::map<Token, LeaseProgress>& progress,
                 v1::SynchronizeRequest* request);

// InvalidArgument naming the field when the answer cannot be followed as a whole; then nothing of
// it is. `state` tells the contexts that the answer may refer to. A context that this agent cannot
// use (a permutation it does not know, say) is left out and told in `problems`: its leases are not
// taken.
absl::StatusOr<DesiredState> FromProto(const v1::SynchronizeResponse& response,
                                       const LinkState& state, std::vector<std::string>& problems);

void ToProto(const SpoolBatch& batch, v1::ReportBatch* out);

}  // namespace portolan
