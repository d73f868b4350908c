#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/chunk_ops.h"
#include "common/scan/scan_space.h"
#include "coordinator/ingest/ingest.h"

namespace portolan {

absl::StatusOr<ParsedChunk> ParseChunk(Token token, uint64_t begin, uint32_t count, WallTime start,
                                       uint32_t duration_ms, std::string outcomes, uint32_t extra) {
  if (count == 0 || count > kMaxChunkPositions) {
    return InvalidArgument("chunk of {} positions: send 1 to {}", count, kMaxChunkPositions);
  }
  if (begin >= ScanSpace::kMaxPositions)
    return InvalidArgument("chunk at position {}: no scan space is that large", begin);
  ParsedChunk chunk;
  chunk.token = token;
  chunk.range = {begin, begin + count};
  chunk.start = start;
  chunk.duration_ms = duration_ms;
  PORTOLAN_ASSIGN_OR_RETURN(const OutcomeTotals totals, CountOutcomes(outcomes, count));
  if (totals.count != count)
    return InvalidArgument("chunk says {} and encodes {}", Counted(count, "position", "positions"),
                           totals.count);
  bool owed = false, refused = false;
  for (size_t i = 0; i < totals.table.size(); ++i) {
    const Symbol s = totals.table[i];
    if (s.state == State::kNotProbed && s.reason != Reason::kExcluded) {
      return InvalidArgument(
          "chunk with outcome not-probed ({}): only \"{}\" is for an agent to say",
          ReasonName(s.reason), ReasonName(Reason::kExcluded));
    }
    owed |= s.state == State::kOwed && totals.totals[i] > 0;
    refused |= s.reason == Reason::kRefusedByScope && totals.totals[i] > 0;
  }
  chunk.counts = LedgerOf(totals);
  chunk.counts.extra = extra;
  if (owed) {
    PORTOLAN_ASSIGN_OR_RETURN(const DecodedOutcomes decoded, DecodeOutcomes(outcomes, count));
    chunk.owed = OwedPositions(decoded, begin);
    if (refused) chunk.refused_by_scope = OwedPositions(decoded, begin, Reason::kRefusedByScope);
  }
  chunk.outcomes = std::move(outcomes);
  return chunk;
}

}  // namespace portolan
