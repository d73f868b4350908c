#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/compactor.h"

namespace portolan {
namespace {

using Segment = CompactedGroup::Segment;

// More intervals than this in one group say nothing that is worth their bytes.
constexpr size_t kMaxSegmentRanges = 8192;

constexpr Symbol kUnknown{State::kOwed, Reason::kNone};

bool IsKnown(Symbol s) { return s.state != State::kOwed; }

// Puts a chunk's verdicts in their places; gives the positions that it decided.
absl::StatusOr<std::vector<IndexRange>> Place(const StoredChunk& chunk, const GroupView& view,
                                              std::vector<Symbol>& natural, uint64_t& known) {
  const IndexRange group = view.group().range;
  if (chunk.range.empty() || chunk.range.begin < group.begin || chunk.range.end > group.end) {
    return DataLoss("stored chunk at position {} is not within its group", chunk.range.begin);
  }
  PORTOLAN_ASSIGN_OR_RETURN(const DecodedOutcomes decoded,
                            DecodeOutcomes(chunk.outcomes, chunk.range.size()));
  if (decoded.size() != chunk.range.size())
    return DataLoss("stored chunk at position {} has another length than it says",
                    chunk.range.begin);
  std::vector<IndexRange> decided;
  for (size_t i = 0; i < decoded.size(); ++i) {
    const Symbol s = decoded.At(i);
    if (!IsKnown(s)) continue;
    const uint64_t index = chunk.range.begin + i;
    Symbol& place = natural[view.NaturalOf(index)];
    if (IsKnown(place)) continue;  // the first one was counted
    place = s;
    ++known;
    if (!decided.empty() && decided.back().end == index) {
      ++decided.back().end;
    } else {
      decided.push_back({index, index + 1});
    }
  }
  return decided;
}

// One segment for all where the pieces are too many: what they have in common.
std::vector<Segment> Summary(std::vector<Segment> segments, IndexRange group) {
  size_t ranges = 0;
  for (const Segment& s : segments) ranges += s.positions.size();
  if (ranges <= kMaxSegmentRanges) return segments;
  Segment all = segments.front();
  all.positions = {group};
  for (const Segment& s : segments) {
    if (s.agent != all.agent) all.agent.clear();
    if (s.vantage != all.vantage) all.vantage.clear();
    all.start = std::min(all.start, s.start);
    all.time_of_receipt |= s.time_of_receipt;
  }
  return {std::move(all)};
}

}  // namespace

absl::StatusOr<CompactedGroup> CompactGroup(LaneId lane,
                                            const std::shared_ptr<const ScanSpace>& space,
                                            IndexRange range, const Store::GroupOutcomes& outcomes,
                                            const std::vector<Gap>& gaps) {
  const auto unfinished = [&] {
    return FailedPrecondition("group at position {} is not finished", range.begin);
  };
  // Cheaper than placing: not finished when all together would not fill it.
  uint64_t most = 0;
  for (const StoredChunk& chunk : outcomes.chunks) most += chunk.range.size();
  for (const Gap& gap : gaps) most += gap.range.size();
  if (most < range.size()) return unfinished();

  const ScanSpace::Group group = space->GroupOf(range.begin);
  if (group.range != range)
    return InvalidArgument("no group begins at position {} and ends at {}", range.begin, range.end);
  const GroupView view(space, group);
  CompactedGroup out;
  out.lane = lane;
  out.range = range;
  out.chunks = outcomes.chunks.size();
  std::vector<Symbol> natural(range.size(), kUnknown);
  uint64_t known = 0;
  for (const StoredChunk& chunk : outcomes.chunks) {
    PORTOLAN_ASSIGN_OR_RETURN(std::vector<IndexRange> decided, Place(chunk, view, natural, known));
    if (!decided.empty())
      out.segments.push_back(
          {std::move(decided), chunk.agent, chunk.vantage, chunk.start, chunk.time_of_receipt});
  }
  for (const Gap& gap : gaps) {
    for (uint64_t i = std::max(gap.range.begin, range.begin);
         i < std::min(gap.range.end, range.end); ++i) {
      Symbol& place = natural[view.NaturalOf(i)];
      if (IsKnown(place)) continue;
      place = {State::kNotProbed, gap.cause};
      ++known;
    }
  }
  if (known < range.size()) return unfinished();
  out.outcomes = EncodeOutcomes(natural);
  out.segments = Summary(std::move(out.segments), range);
  return out;
}

}  // namespace portolan
