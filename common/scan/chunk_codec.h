#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/scan/observation.h"

namespace portolan {

// The outcomes of a run of positions, as sent, stored, and asked again: a table of (state, reason) symbols, the most frequent
// first; then 0, 1, 2, 4 or 8 bits a position naming one of the first 2^b symbols, packed from the low bit up; then the
// exceptions, as (gap, symbol) varints, for positions whose symbol is beyond the table's coded part. The encoder takes the
// b that makes it smallest, so a dark chunk costs a few bytes and a chunk of refused, silent and 1 % open about 0.14 bytes a position.
// Layout (all integers LEB128 varints): version=1, count, symbol count, (state, reason) byte pairs, b, packed bytes, exception
// count, exceptions. The whole is self-contained; docs/protocol.md repeats it for other implementers.
std::string EncodeOutcomes(std::span<const Symbol> outcomes);

struct DecodedOutcomes {
  std::vector<Symbol> table;
  std::vector<uint8_t> codes;  // one a position: index into `table`
  std::vector<uint64_t> totals;  // by table entry
  Symbol At(size_t i) const { return table[codes[i]]; }
};

// Hostile input: InvalidArgument for anything that is not exactly one well-formed encoding of at most `max_count` positions with
// valid (state, reason) pairs. Never reads past the end, never allocates more than max_count bytes plus a constant.
absl::StatusOr<DecodedOutcomes> DecodeOutcomes(std::string_view encoded, size_t max_count);

// Only the totals, validated the same way; for ingest's fast path (no per-position array).
struct OutcomeTotals {
  uint64_t count = 0;
  std::vector<Symbol> table;
  std::vector<uint64_t> totals;
};
absl::StatusOr<OutcomeTotals> CountOutcomes(std::string_view encoded, size_t max_count);

}  // namespace portolan
