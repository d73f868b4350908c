#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "coordinator/results/result_reader.h"

namespace portolan {

// Where a listing goes on.
struct RowPlace {  // behind this row
  Store::RowKey key;
};
struct PositionPlace {   // with this position, of this lane
  uint64_t group = 0;    // where the group begins
  uint64_t natural = 0;  // within it
  uint32_t lane = 0;     // which of the lanes that the query selects
};
struct FindingPlace {  // behind this finding, of this lane
  uint32_t lane = 0;   // which of the lanes that the query selects
  std::optional<Store::FindingKey> after;
};
using Place = std::variant<RowPlace, PositionPlace, FindingPlace>;

// What a query asks for, but for its limit: a token is good for the query that it came from only.
uint64_t QueryDigest(const ScanId& id, const ResultQuery& query);

// Opaque to callers; letters, digits, '-' and '_'.
std::string EncodePageToken(uint64_t digest, const Place& place);
// InvalidArgument: damaged, or of another query. What it says of the place is still to be checked
// against the scan: it may be forged.
absl::StatusOr<Place> DecodePageToken(std::string_view token, uint64_t digest);

}  // namespace portolan
