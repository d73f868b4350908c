#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "coordinator/control/control.h"
#include "portolan/v1/scan_service.pb.h"

// ScanService's messages <-> the coordinator's own words.
namespace portolan {

absl::StatusOr<ScanRequest> FromProto(const v1::ScanRequestSpec& spec);
// Tells two requests apart: SHA-256 of the message, in hex.
std::string DigestOf(const v1::ScanRequestSpec& spec);

void ToProto(const ScanStatus& status, v1::Scan* out);
void ToProto(const LaneStatus& lane, const ScanSpace* space, v1::Lane* out);
void ToProto(const AgentStatus& agent, v1::Agent* out);
void ToProto(const Control::LeaseStatus& lease, v1::LeaseInfo* out);
void ToProto(const ResultPage& page, v1::ListObservationsResponse* out);
void ToProto(const FindingRows& rows, v1::ListHostFindingsResponse* out);

absl::StatusOr<Control::ResultRequest> FromProto(const v1::ListObservationsRequest& request,
                                                 size_t page_size);
absl::StatusOr<Control::ResultRequest> FromProto(const v1::ListHostFindingsRequest& request,
                                                 size_t page_size);
absl::StatusOr<ExclusionRequest> FromProto(const v1::ExcludeFromScanRequest& request);
// Adds what a status says about targets as its details, a serialised v1::TargetProblems of about
// `max_bytes`: the limit is the caller's on headers, many take no more than 8 KiB.
absl::Status WithProblems(const absl::Status& status, size_t max_bytes);

}  // namespace portolan
