#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/scheduler/types.h"
#include "coordinator/store/store.h"

// How scans are kept as blobs: compact, versioned (the first byte), independent of any schema
// language, so that every Store implementation shares them. Decoders take damaged bytes: DataLoss,
// never a crash.
namespace portolan {

// All of a spec but its space and resolved names: what lists of scans show. With counts, so that
// the space need not be read for them.
struct SpecCounts {
  uint64_t addresses = 0, positions = 0;
  uint32_t target_names = 0;
};
std::string EncodeSpec(const ScanSpec& spec);
// space: null, names: empty
absl::StatusOr<std::pair<ScanSpec, SpecCounts>> DecodeSpec(std::string_view bytes);

// The scan space and the resolved names. 1 M single addresses take 2-5 MB.
std::string EncodeSpace(const ScanSpec& spec);
absl::Status DecodeSpace(std::string_view bytes, ScanSpec& spec);

std::string EncodeOverlay(const DenyOverlay& overlay);
absl::StatusOr<DenyOverlay> DecodeOverlay(std::string_view bytes);

// Ascending, disjoint; as distances.
std::string EncodeRanges(const std::vector<IndexRange>& ranges);
absl::StatusOr<std::vector<IndexRange>> DecodeRanges(std::string_view bytes);

using Attempts = std::vector<std::pair<IndexRange, uint32_t>>;
std::string EncodeAttempts(const Attempts& attempts);
absl::StatusOr<Attempts> DecodeAttempts(std::string_view bytes);

std::string EncodeSegments(const std::vector<CompactedGroup::Segment>& segments);
absl::StatusOr<std::vector<CompactedGroup::Segment>> DecodeSegments(std::string_view bytes);

// Three bytes each.
std::string EncodeConfirmed(const std::vector<ConfirmedPort>& ports);
absl::StatusOr<std::vector<ConfirmedPort>> DecodeConfirmed(std::string_view bytes);

// No chunk encoding of `positions` is longer: what bounds decompression.
inline size_t MaxEncodedSize(uint64_t positions) { return 4096 + 4 * positions; }

// An address as a key that sorts like IpAddress: one byte 4 or 6, then 4 or 16 bytes in network
// order.
std::string AddressKey(const IpAddress& address);
absl::StatusOr<IpAddress> AddressFromKey(std::string_view key);

}  // namespace portolan
