#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "coordinator/control/fleet.h"
#include "coordinator/ingest/ingest.h"
#include "portolan/v1/fleet_service.pb.h"

// FleetService's messages <-> the coordinator's own words. What agents send is validated as
// hostile: InvalidArgument names the field.
namespace portolan {

inline constexpr size_t kMaxReportBytes = 1u << 20;  // a batch, encoded

// `received`: when the request arrived, by the coordinator's clock.
absl::StatusOr<AgentCall> FromProto(const v1::SynchronizeRequest& request, const std::string& peer,
                                    WallTime received);
// Whether ToProto takes more than some milliseconds, so that it belongs on a thread that may block.
bool IsLarge(const SyncAnswer& answer);
// Contexts that would make the message too large are left out, and their leases and shares with
// them: the agent, not listing those leases, gives them back, and is granted them again.
void ToProto(const SyncAnswer& answer, v1::SynchronizeResponse* out);

// Name and incarnation of a report stream's first message.
absl::Status CheckHello(const v1::ReportHello& hello);
// Verifies every chunk and column. Takes the batch's contents. No time is refused, however wrong
// the agent's clock: TimeJudge decides what becomes of it.
absl::StatusOr<ParsedBatch> ParseBatch(v1::ReportBatch& batch);
// About what it holds in memory.
size_t MemoryOf(const ParsedBatch& batch);

}  // namespace portolan
