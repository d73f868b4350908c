#include "coordinator/results/lane_group.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/scan/chunk_codec.h"

namespace portolan {
namespace {

constexpr Symbol kUnknown{State::kOwed, Reason::kNone};

uint32_t BitOf(State s) { return 1u << static_cast<uint32_t>(s); }

// Different whenever gaps of one group differ: they only ever grow.
uint64_t Positions(const std::vector<Gap>& gaps) {
  uint64_t n = 0;
  for (const Gap& gap : gaps) n += gap.range.size();
  return n;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LaneGroup>> LaneGroup::Make(
    IndexRange range, const Store::GroupOutcomes& outcomes, const std::vector<Gap>& gaps) {
  auto group = std::make_shared<LaneGroup>();
  group->range_ = range;
  if (outcomes.natural.has_value()) {
    PORTOLAN_ASSIGN_OR_RETURN(DecodedOutcomes decoded,
                              DecodeOutcomes(outcomes.natural->outcomes, range.size()));
    if (decoded.size() != range.size())
      return DataLoss("stored group at position {} has another length than it says", range.begin);
    group->natural_ = true;
    group->table_ = std::move(decoded.table);
    group->codes_ = std::move(decoded.codes);
    for (size_t i = 0; i < group->table_.size(); ++i) {
      if (decoded.totals[i] > 0) group->states_ |= BitOf(group->table_[i].state);
    }
    for (const CompactedGroup::Segment& s : outcomes.natural->segments)
      group->AddSeen(s.positions, {s.agent, s.vantage, s.start, s.time_of_receipt});
  } else {
    group->table_ = {kUnknown};
    PORTOLAN_RETURN_IF_ERROR(group->TakeChunks(outcomes.chunks));
    group->TakeGaps(gaps);
  }
  std::sort(group->seen_by_.begin(), group->seen_by_.end(),
            [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
  group->bytes_ = sizeof(LaneGroup) + group->codes_.size() + group->seen_.size() * sizeof(Seen) +
                  group->seen_by_.size() * sizeof(group->seen_by_[0]);
  return std::shared_ptr<const LaneGroup>(std::move(group));
}

absl::Status LaneGroup::TakeChunks(const std::vector<StoredChunk>& chunks) {
  if (!chunks.empty()) codes_.resize(range_.size());
  for (const StoredChunk& chunk : chunks) {
    if (chunk.range.empty() || chunk.range.begin < range_.begin || chunk.range.end > range_.end) {
      return DataLoss("stored chunk at position {} is not within its group", chunk.range.begin);
    }
    PORTOLAN_ASSIGN_OR_RETURN(const DecodedOutcomes decoded,
                              DecodeOutcomes(chunk.outcomes, chunk.range.size()));
    if (decoded.size() != chunk.range.size())
      return DataLoss("stored chunk at position {} has another length than it says",
                      chunk.range.begin);
    std::array<uint8_t, 256> code{};
    for (size_t i = 0; i < decoded.table.size(); ++i) code[i] = CodeOf(decoded.table[i]);
    std::vector<IndexRange> decided;
    for (size_t i = 0; i < decoded.size(); ++i) {
      const uint8_t c = code[decoded.codes[i]];
      const uint64_t index = chunk.range.begin + i;
      uint8_t& place = codes_[index - range_.begin];
      if (c == 0 || place != 0) continue;
      place = c;
      if (!decided.empty() && decided.back().end == index) {
        ++decided.back().end;
      } else {
        decided.push_back({index, index + 1});
      }
    }
    if (!decided.empty())
      AddSeen(std::move(decided), {chunk.agent, chunk.vantage, chunk.start, chunk.time_of_receipt});
  }
  return absl::OkStatus();
}

void LaneGroup::TakeGaps(const std::vector<Gap>& gaps) {
  if (gaps.empty()) return;
  if (codes_.empty() && gaps.size() == 1 &&
      gaps[0].range == range_) {  // the usual gap is far larger than a group
    table_[0] = {State::kNotProbed, gaps[0].cause};
    states_ |= BitOf(State::kNotProbed);
    return;
  }
  codes_.resize(range_.size());
  for (const Gap& gap : gaps) {
    const uint8_t c = CodeOf({State::kNotProbed, gap.cause});
    for (uint64_t i = std::max(gap.range.begin, range_.begin);
         i < std::min(gap.range.end, range_.end); ++i) {
      uint8_t& place = codes_[i - range_.begin];
      if (place == 0) place = c;
    }
  }
}

uint8_t LaneGroup::CodeOf(Symbol s) {
  if (s.state == State::kOwed) return 0;
  states_ |= BitOf(s.state);
  const auto it = std::find(table_.begin() + 1, table_.end(), s);
  if (it != table_.end()) return static_cast<uint8_t>(it - table_.begin());
  PORTOLAN_CHECK(table_.size() < 256);  // there are fewer valid pairs of state and reason than that
  table_.push_back(s);
  return static_cast<uint8_t>(table_.size() - 1);
}

void LaneGroup::AddSeen(std::vector<IndexRange> positions, Seen seen) {
  for (const IndexRange& r : positions)
    seen_by_.emplace_back(r, static_cast<uint32_t>(seen_.size()));
  seen_.push_back(std::move(seen));
}

const LaneGroup::Seen* LaneGroup::SeenBy(uint64_t index) const {
  auto it = std::upper_bound(seen_by_.begin(), seen_by_.end(), index,
                             [](uint64_t i, const auto& entry) { return i < entry.first.begin; });
  if (it == seen_by_.begin()) return nullptr;
  --it;
  return index < it->first.end ? &seen_[it->second] : nullptr;
}

absl::StatusOr<std::shared_ptr<const LaneGroup>> LaneGroupCache::Get(LaneId lane,
                                                                     IndexRange range) {
  const Key key{lane.value, range.begin};
  // In this order: an outcome moves from chunks to its final form, never from what is read later to
  // what was read before.
  PORTOLAN_ASSIGN_OR_RETURN(const std::vector<Gap> gaps, store_.ReadGaps(lane, range));
  PORTOLAN_ASSIGN_OR_RETURN(const uint64_t version, store_.GroupVersion(lane, range));
  if (version == 0 && gaps.empty()) return std::shared_ptr<const LaneGroup>();
  if (auto found = Find(key, version, Positions(gaps))) return found;
  Store::GroupOutcomes outcomes;
  if (version != 0) {
    PORTOLAN_ASSIGN_OR_RETURN(outcomes, store_.ReadGroup(lane, range));
  }
  PORTOLAN_ASSIGN_OR_RETURN(auto group, LaneGroup::Make(range, outcomes, gaps));
  Put({key, outcomes.version, Positions(gaps), group});
  return group;
}

std::shared_ptr<const LaneGroup> LaneGroupCache::Find(Key key, uint64_t version, uint64_t gaps) {
  MutexLock lock(mutex_);
  const auto it = by_key_.find(key);
  if (it == by_key_.end() || it->second->version != version || it->second->gaps != gaps)
    return nullptr;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->group;
}

void LaneGroupCache::Put(Entry entry) {
  MutexLock lock(mutex_);
  const auto old = by_key_.find(entry.key);
  if (old != by_key_.end()) {
    bytes_ -= old->second->group->bytes();
    entries_.erase(old->second);
    by_key_.erase(old);
  }
  if (entry.group->bytes() > max_bytes_) return;
  bytes_ += entry.group->bytes();
  entries_.push_front(std::move(entry));
  by_key_[entries_.front().key] = entries_.begin();
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().group->bytes();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace portolan
