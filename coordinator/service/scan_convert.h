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
absl::StatusOr<std::vector<ScopeRule>> FromProto(const v1::ExcludeFromScanRequest& request);

}  // namespace portolan
