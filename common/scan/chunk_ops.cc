#include "common/scan/chunk_ops.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "common/base/status.h"

namespace portolan {
namespace {

Ledger CountAll(std::span<const Symbol> table, std::span<const uint64_t> totals) {
  Ledger ledger;
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].state != State::kOwed) ledger.Count(table[i], totals[i]);
  }
  return ledger;
}

}  // namespace

Ledger LedgerOf(const OutcomeTotals& totals) { return CountAll(totals.table, totals.totals); }
Ledger LedgerOf(const DecodedOutcomes& outcomes) {
  return CountAll(outcomes.table, outcomes.totals);
}

IntervalSet OwedPositions(const DecodedOutcomes& outcomes, uint64_t base,
                          std::optional<Reason> reason) {
  IntervalSet owed;
  std::array<bool, 256> wanted{};
  bool any = false;
  for (size_t code = 0; code < outcomes.table.size(); ++code) {
    const Symbol s = outcomes.table[code];
    wanted[code] = s.state == State::kOwed && (!reason || s.reason == *reason);
    any = any || (wanted[code] && outcomes.totals[code] > 0);
  }
  if (!any) return owed;
  const std::vector<uint8_t>& codes = outcomes.codes;
  for (size_t i = 0; i < codes.size(); ++i) {
    if (!wanted[codes[i]]) continue;
    const size_t begin = i;
    while (i < codes.size() && wanted[codes[i]]) ++i;
    owed.Add({base + begin, base + i});
  }
  return owed;
}

RemaskedOutcomes Remask(const DecodedOutcomes& outcomes, uint64_t base, const IntervalSet& keep) {
  RemaskedOutcomes out;
  std::vector<Symbol> symbols(outcomes.size());  // owed, without a reason
  std::vector<uint64_t> totals(outcomes.table.size());
  for (const IndexRange& r :
       keep.Intersection(IndexRange{base, base + outcomes.size()}).ToVector()) {
    for (uint64_t i = r.begin - base; i < r.end - base; ++i) {
      symbols[i] = outcomes.At(i);
      ++totals[outcomes.codes[i]];
    }
  }
  out.counts = CountAll(outcomes.table, totals);
  out.encoded = EncodeOutcomes(symbols);
  return out;
}

absl::StatusOr<RemaskedOutcomes> Remask(std::string_view encoded, size_t max_count, uint64_t base,
                                        const IntervalSet& keep) {
  PORTOLAN_ASSIGN_OR_RETURN(const DecodedOutcomes outcomes, DecodeOutcomes(encoded, max_count));
  return Remask(outcomes, base, keep);
}

}  // namespace portolan
