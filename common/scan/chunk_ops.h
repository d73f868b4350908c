#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/interval_set.h"
#include "common/scan/chunk_codec.h"

// What is done with the outcomes of a chunk between the wire and the store. `base` is the scan
// position of the first outcome.
namespace portolan {

// The outcomes that are not owed, counted.
Ledger LedgerOf(const OutcomeTotals& totals);
Ledger LedgerOf(const DecodedOutcomes& outcomes);

// Positions that are owed; with a reason, only those that are owed for it.
IntervalSet OwedPositions(const DecodedOutcomes& outcomes, uint64_t base,
                          std::optional<Reason> reason = std::nullopt);

// Outcomes of which only the positions in `keep` still count.
struct RemaskedOutcomes {
  std::string encoded;  // as many positions as before; the others are owed, without a reason
  Ledger counts;        // of the positions kept
};
RemaskedOutcomes Remask(const DecodedOutcomes& outcomes, uint64_t base, const IntervalSet& keep);
// InvalidArgument as DecodeOutcomes.
absl::StatusOr<RemaskedOutcomes> Remask(std::string_view encoded, size_t max_count, uint64_t base,
                                        const IntervalSet& keep);

}  // namespace portolan
