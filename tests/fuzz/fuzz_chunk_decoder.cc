// The chunk decoder reads what agents send: whatever the bytes, it must refuse them or agree with
// itself.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/chunk_ops.h"
#include "common/scan/storage_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  constexpr size_t kMaxCount = 1 << 16;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto decoded = DecodeOutcomes(bytes, kMaxCount);
  const auto counted = CountOutcomes(bytes, kMaxCount);
  PORTOLAN_CHECK(decoded.status() == counted.status());
  if (decoded.ok()) {
    PORTOLAN_CHECK(decoded->size() <= kMaxCount && decoded->size() == counted->count);
    PORTOLAN_CHECK(decoded->table == counted->table && decoded->totals == counted->totals);
    std::vector<Symbol> outcomes;
    Ledger ledger;
    for (size_t i = 0; i < decoded->size(); ++i) {
      outcomes.push_back(decoded->At(i));
      if (outcomes.back().state != State::kOwed) ledger.Count(outcomes.back(), 1);
    }
    PORTOLAN_CHECK(LedgerOf(*counted) == ledger);
    const auto again = DecodeOutcomes(EncodeOutcomes(outcomes), outcomes.size());
    PORTOLAN_CHECK(again.ok() && again->size() == outcomes.size());
    for (size_t i = 0; i < outcomes.size(); ++i) PORTOLAN_CHECK(again->At(i) == outcomes[i]);
    const uint64_t base = uint64_t{1} << 61;
    PORTOLAN_CHECK(OwedPositions(*decoded, base).size() + ledger.Done() == outcomes.size());
  }
  const auto stored = DecompressFromStorage(bytes, kMaxCount);
  PORTOLAN_CHECK(!stored.ok() || stored->size() <= kMaxCount);
  return 0;
}
