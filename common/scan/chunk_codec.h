#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/scan/observation.h"

namespace portolan {

// The outcomes of a run of positions, as sent, stored, and asked again: a table of (state, reason)
// symbols, the most frequent first; then 0, 1, 2, 4 or 8 bits a position naming one of the first
// 2^b symbols; then the exceptions: positions whose symbol is further down the table. The encoder
// takes the b that makes it smallest, so a dark chunk costs a few bytes and a chunk of refused,
// silent and 1 % open 0.14 bytes a position.
//
// Layout, version 1. Integers are unsigned LEB128 varints in their shortest form.
//   version            1
//   count              positions
//   symbols            entries of the table: 0 exactly when count is 0
//   table              for each entry one byte state, one byte reason: the numbers of
//                      observation.h, in valid pairs, no pair twice
//   b                  one byte: 0, 1, 2, 4 or 8; 0 when count is 0
//   codes              ceil(count * b / 8) bytes: the code of position i is in bits
//                      [i * b, (i + 1) * b), counted from the low bit of the first byte up. A code
//                      is below min(2^b, symbols). Bits past the end are 0.
//   exceptions         how many
//   exceptions         each one varint: gap * (symbols - 2^b) + (code - 2^b), positions ascending.
//                      gap: positions between this exception and the one before (from the start,
//                      for the first). Its place among the codes holds 0.
// Nothing follows. The same outcomes give the same bytes (ties in frequency go by the symbol's
// numbers).
//
// Every pair of `outcomes` must be valid (CHECK).
std::string EncodeOutcomes(std::span<const Symbol> outcomes);

struct DecodedOutcomes {
  std::vector<Symbol> table;
  std::vector<uint8_t> codes;    // one a position: index into `table`
  std::vector<uint64_t> totals;  // by table entry
  size_t size() const { return codes.size(); }
  Symbol At(size_t i) const { return table[codes[i]]; }
};

// Hostile input: InvalidArgument for anything that is not exactly one well-formed encoding of at
// most `max_count` positions with valid (state, reason) pairs. Never reads past the end, never
// allocates more than max_count bytes plus a constant.
absl::StatusOr<DecodedOutcomes> DecodeOutcomes(std::string_view encoded, size_t max_count);

// Only the totals, validated the same way; for ingest's fast path (no per-position array).
struct OutcomeTotals {
  uint64_t count = 0;
  std::vector<Symbol> table;
  std::vector<uint64_t> totals;  // by table entry; sums to `count`
};
absl::StatusOr<OutcomeTotals> CountOutcomes(std::string_view encoded, size_t max_count);

}  // namespace portolan
