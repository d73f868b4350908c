#include "coordinator/ingest/ingest.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/chunk_ops.h"

namespace portolan {
namespace {

// Only `fresh` counts of these outcomes: the part from its first to its last position, the rest of
// it owed.
std::pair<IndexRange, std::string> CutTo(const IntervalSet& fresh, const DecodedOutcomes& outcomes,
                                         uint64_t base) {
  const std::vector<IndexRange> ranges = fresh.ToVector();
  const IndexRange cut{ranges.front().begin, ranges.back().end};
  std::vector<Symbol> symbols(cut.size());  // owed, without a reason
  for (const IndexRange& r : ranges) {
    for (uint64_t i = r.begin; i < r.end; ++i) symbols[i - cut.begin] = outcomes.At(i - base);
  }
  return {cut, EncodeOutcomes(symbols)};
}

Ledger CountOf(const IntervalSet& positions, const DecodedOutcomes& outcomes, uint64_t base) {
  std::vector<uint64_t> totals(outcomes.table.size());
  for (const IndexRange& r : positions.ToVector()) {
    for (uint64_t i = r.begin; i < r.end; ++i) ++totals[outcomes.codes[i - base]];
  }
  Ledger counts;
  for (size_t i = 0; i < totals.size(); ++i) {
    if (totals[i] > 0) counts.Count(outcomes.table[i], totals[i]);
  }
  return counts;
}

void AddFenced(Token token, IngestResult& out) {
  if (std::find(out.fenced.begin(), out.fenced.end(), token) == out.fenced.end())
    out.fenced.push_back(token);
}

}  // namespace

void Ingest::AddLane(LaneId lane, const ScanId& scan, const std::string& vantage,
                     std::shared_ptr<const ScanSpace> space) {
  lanes_[lane] = {scan, vantage, std::move(space)};
}

void Ingest::RemoveScan(const ScanId& scan) {
  std::erase_if(lanes_, [&](const auto& entry) { return entry.second.scan == scan; });
}

absl::Status Ingest::Check(const std::string& agent, const ParsedBatch& batch) const {
  if (batch.chunks.size() > kMaxBatchChunks || batch.opens.size() > kMaxBatchOpens ||
      batch.findings.size() > kMaxBatchFindings) {
    return InvalidArgument("batch of {}, {} and {}: send at most {}, {} and {}",
                           Counted(batch.chunks.size(), "chunk", "chunks"),
                           Counted(batch.opens.size(), "open port", "open ports"),
                           Counted(batch.findings.size(), "finding", "findings"), kMaxBatchChunks,
                           kMaxBatchOpens, kMaxBatchFindings);
  }
  // Most of a batch shares its token.
  Token last;
  const Lane* lane = nullptr;
  const auto find = [&](Token token) {
    if (token == last && lane != nullptr) return lane;
    last = token;
    const auto info = scheduler_.Lookup(token, agent);
    const auto it = info.has_value() ? lanes_.find(info->lane) : lanes_.end();
    return lane = it == lanes_.end()
                      ? nullptr
                      : &it->second;  // not known any more: the scheduler will refuse it
  };
  for (const ParsedChunk& chunk : batch.chunks) {
    const Lane* in = find(chunk.token);
    if (in == nullptr) continue;
    const ScanSpace& space = *in->space;
    if (chunk.range.end > space.size()) {
      return InvalidArgument("chunk of positions {} to {}: scan {} has {}", chunk.range.begin,
                             chunk.range.end, in->scan, space.size());
    }
    const IndexRange group = space.GroupOf(chunk.range.begin).range;
    if (chunk.range.end > group.end) {
      return InvalidArgument("chunk of positions {} to {}: its group ends at {}, cut it there",
                             chunk.range.begin, chunk.range.end, group.end);
    }
  }
  for (const ParsedOpen& open : batch.opens) {
    if (!IsValid(State::kOpen, open.row.reason)) {
      return InvalidArgument("open port with reason {}: not one of an open port",
                             static_cast<int>(open.row.reason));
    }
    const Lane* in = find(open.token);
    if (in != nullptr && open.row.index >= in->space->size()) {
      return InvalidArgument("open port at position {}: scan {} has {}", open.row.index, in->scan,
                             in->space->size());
    }
  }
  for (const ParsedFinding& f : batch.findings) {
    const Lane* in = find(f.token);
    if (in != nullptr && !in->space->GroupOfAddress(f.finding.address).has_value()) {
      return InvalidArgument("host finding about {}: not an address of scan {}",
                             f.finding.address.ToString(), in->scan);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<IngestResult> Ingest::Apply(const std::string& agent, const std::string& vantage,
                                           ParsedBatch batch, Time now, WallTime wall) {
  ++counters_.batches;
  if (absl::Status status = Check(agent, batch); !status.ok()) {
    ++counters_.rejected_batches;
    return status;
  }
  IngestResult out;
  // Rows and findings first: once its chunk is counted, a position takes no more rows, and a lease
  // all of whose chunks are counted is gone.
  for (const ParsedOpen& open : batch.opens) ApplyRow(agent, vantage, open, out);
  for (ParsedFinding& f : batch.findings) ApplyFinding(agent, vantage, std::move(f), out);
  for (ParsedChunk& chunk : batch.chunks)
    ApplyChunk(agent, vantage, std::move(chunk), now, wall, out);
  out.batch.changes = scheduler_.TakeChanges();
  if (!out.batch.changes.empty()) out.batch.next_token = scheduler_.next_token();
  return out;
}

void Ingest::ApplyRow(const std::string& agent, const std::string& vantage, const ParsedOpen& open,
                      IngestResult& out) {
  const auto info = scheduler_.Lookup(open.token, agent);
  const auto lane = info.has_value() ? lanes_.find(info->lane) : lanes_.end();
  if (lane == lanes_.end() || !scheduler_.AcceptsRow(open.token, agent, open.row.index)) {
    // Also a row sent again after its chunk was counted: no reason to tell the agent to drop the
    // lease. Its chunks will, if it must.
    ++counters_.rows_refused;
    return;
  }
  const ScanSpace::Endpoint endpoint = lane->second.space->At(open.row.index);
  StoredRow& row = out.batch.rows.emplace_back();
  row.lane = lane->first;
  row.row = open.row;
  row.address = endpoint.address;
  row.port = endpoint.port;
  row.agent = agent;
  row.vantage = vantage;
  row.token = open.token;
  row.time_of_receipt = open.time_of_receipt;
  ++counters_.rows;
}

void Ingest::ApplyFinding(const std::string& agent, const std::string& vantage,
                          ParsedFinding finding, IngestResult& out) {
  const auto info = scheduler_.Lookup(finding.token, agent);
  const auto lane = info.has_value() ? lanes_.find(info->lane) : lanes_.end();
  if (lane == lanes_.end()) {
    // As with rows: also one that is sent again after its lease was done.
    ++counters_.findings_refused;
    return;
  }
  ++counters_.findings[static_cast<size_t>(finding.finding.kind) - 1];
  out.batch.findings.push_back(
      {lane->first, std::move(finding.finding), agent, vantage, finding.time_of_receipt});
}

void Ingest::ApplyChunk(const std::string& agent, const std::string& vantage, ParsedChunk chunk,
                        Time now, WallTime wall, IngestResult& out) {
  DecodedOutcomes decoded;  // only when a part of the chunk was counted before
  const auto decode = [&] {
    auto result = DecodeOutcomes(chunk.outcomes, chunk.range.size());
    PORTOLAN_CHECK(result.ok());  // ParseChunk has verified it
    decoded = *std::move(result);
  };
  ChunkClaim claim;
  claim.token = chunk.token;
  claim.agent = agent;
  claim.range = chunk.range;
  claim.owed = std::move(chunk.owed);
  claim.refused_by_scope = std::move(chunk.refused_by_scope);
  claim.counts = chunk.counts;
  claim.count_part = [&](const IntervalSet& fresh) {
    decode();
    Ledger counts = CountOf(fresh, decoded, chunk.range.begin);
    counts.extra = chunk.counts.extra;
    return counts;
  };
  const ChunkVerdict verdict = scheduler_.Complete(claim, now, wall);
  switch (verdict.verdict) {
    case Verdict::kFenced:
      ++counters_.chunks_fenced;
      AddFenced(chunk.token, out);
      return;
    case Verdict::kDuplicate:
      ++counters_.chunks_duplicate;
      return;
    case Verdict::kTrim:
      ++counters_.chunks_trimmed;
      break;
    case Verdict::kAccept:
      break;
  }
  ++counters_.chunks;
  counters_.outcomes += verdict.fresh.size();
  // What was seen of these positions under an older token, and never counted, is not what this
  // chunk says.
  for (const IndexRange& range : verdict.fresh.ToVector())
    out.batch.superseded.push_back({verdict.lane, range, chunk.token});
  StoredChunk& stored = out.batch.chunks.emplace_back();
  stored.lane = verdict.lane;
  stored.agent = agent;
  stored.vantage = vantage;
  stored.start = chunk.start;
  stored.time_of_receipt = chunk.time_of_receipt;
  stored.duration_ms = chunk.duration_ms;
  if (verdict.verdict == Verdict::kTrim) {
    std::tie(stored.range, stored.outcomes) = CutTo(verdict.fresh, decoded, chunk.range.begin);
  } else {
    stored.range = chunk.range;
    stored.outcomes = std::move(chunk.outcomes);
  }
  // Chunks of a lane mostly come together: one sum for them.
  if (!out.batch.counts.empty() && out.batch.counts.back().first == verdict.lane) {
    out.batch.counts.back().second.Add(verdict.counts);
  } else {
    out.batch.counts.emplace_back(verdict.lane, verdict.counts);
  }
  const auto lane = lanes_.find(verdict.lane);
  if (lane == lanes_.end()) return;
  const IndexRange group = lane->second.space->GroupOf(stored.range.begin).range;
  if (scheduler_.IsDone(verdict.lane, group))
    out.finished.push_back({verdict.lane, lane->second.space, group});
}

}  // namespace portolan
