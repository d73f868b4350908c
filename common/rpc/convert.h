#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/interval_set.h"
#include "common/scan/host_finding.h"
#include "common/scan/observation.h"
#include "common/scan/scan_space.h"
#include "common/scan/scan_spec.h"
#include "portolan/v1/types.pb.h"

// Proto <-> domain. From-functions validate hostile input and return InvalidArgument naming the
// field; to-functions cannot fail.
namespace portolan {

void ToProto(const std::vector<Block>& blocks, uint64_t seed, v1::ScanSpace* out);
absl::StatusOr<std::shared_ptr<const ScanSpace>> FromProto(const v1::ScanSpace& space);

void ToProto(const ProbeTiming& timing, v1::ProbeTiming* out);
absl::StatusOr<ProbeTiming> FromProto(const v1::ProbeTiming& timing);  // fills in defaults

void ToProto(const Ledger& ledger, uint64_t planned, v1::Ledger* out);
Ledger FromProto(const v1::Ledger& ledger);

void ToProto(const IntervalSet& set, google::protobuf::RepeatedPtrField<v1::IndexRange>* out);
// Reversed, overlapping or unsorted ranges, an end above `limit`, more than `max_ranges`:
// InvalidArgument.
absl::StatusOr<IntervalSet> FromProto(
    const google::protobuf::RepeatedPtrField<v1::IndexRange>& ranges, uint64_t limit,
    size_t max_ranges);

v1::PortState ToProto(State state);

void ToProto(const HostFinding& finding, v1::HostFinding* out);
absl::StatusOr<HostFinding> FromProto(const v1::HostFinding& finding);

void ToProto(const PortSet& ports, google::protobuf::RepeatedPtrField<v1::PortRange>* out);
// InvalidArgument naming `field`: no range of ports, or more than 65,536 of them.
absl::StatusOr<PortSet> FromProto(const google::protobuf::RepeatedPtrField<v1::PortRange>& ports,
                                  std::string_view field);

// Microseconds since the epoch; InvalidArgument naming `field` for what is before 1970 or after
// 9999.
absl::StatusOr<WallTime> TimeFromProto(std::string_view field, int64_t unix_us);

}  // namespace portolan
