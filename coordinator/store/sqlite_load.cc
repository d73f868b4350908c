#include "coordinator/store/sqlite_load.h"

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/storage_codec.h"
#include "coordinator/store/spec_codec.h"
#include "coordinator/store/sqlite_reader.h"

namespace portolan {
namespace {

// Positions of a chunk that have their verdict in it.
absl::Status AddVerdicts(IndexRange range, std::string_view stored, IntervalSet& done) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::string outcomes,
                            DecompressFromStorage(stored, MaxEncodedSize(range.size())));
  PORTOLAN_ASSIGN_OR_RETURN(const DecodedOutcomes decoded, DecodeOutcomes(outcomes, range.size()));
  if (decoded.codes.size() != range.size())
    return DataLoss("a stored chunk at position {} has another length than it says", range.begin);
  std::vector<bool> counts(decoded.table.size());
  for (size_t i = 0; i < decoded.table.size(); ++i)
    counts[i] = decoded.table[i].state != State::kOwed;
  const size_t n = decoded.codes.size();
  for (size_t i = 0; i < n;) {
    const bool verdict = counts[decoded.codes[i]];
    size_t end = i + 1;
    while (end < n && counts[decoded.codes[end]] == verdict) ++end;
    if (verdict) done.Add({range.begin + i, range.begin + end});
    i = end;
  }
  return absl::OkStatus();
}

absl::Status LoadLane(Connection& db, LaneRecord& lane) {
  // In position order, neighbours join in the set as they come. The index answers for complete
  // chunks alone; the others are read.
  Statement& chunks = db.Sql(
                            "SELECT begin_pos, end_pos, complete, number FROM chunks WHERE lane = "
                            "?1 ORDER BY begin_pos")
                          .Bind(lane.id.value);
  std::vector<std::pair<IndexRange, int64_t>> partial;
  while (chunks.Step()) {
    const IndexRange range{chunks.U64(0), chunks.U64(1)};
    if (chunks.Int(2) != 0) {
      lane.done.Add(range);
    } else {
      partial.emplace_back(range, chunks.Int(3));
    }
  }
  PORTOLAN_RETURN_IF_ERROR(chunks.status());
  for (const auto& [range, number] : partial) {
    Statement& s = db.Sql("SELECT outcomes FROM chunks WHERE number = ?1").Bind(number);
    if (!s.Step()) return s.status().ok() ? DataLoss("chunk {} is gone", number) : s.status();
    PORTOLAN_RETURN_IF_ERROR(AddVerdicts(range, s.Bytes(0), lane.done));
    s.Reset();
  }
  Statement& groups =
      db.Sql("SELECT begin_pos, end_pos FROM finished_groups WHERE lane = ?1 ORDER BY begin_pos")
          .Bind(lane.id.value);
  while (groups.Step()) lane.done.Add({groups.U64(0), groups.U64(1)});
  PORTOLAN_RETURN_IF_ERROR(groups.status());
  Statement& gaps =
      db.Sql("SELECT begin_pos, end_pos, cause FROM gaps WHERE lane = ?1 ORDER BY begin_pos")
          .Bind(lane.id.value);
  while (gaps.Step()) {
    lane.gaps.push_back({{gaps.U64(0), gaps.U64(1)}, static_cast<Reason>(gaps.Int(2))});
    lane.done.Add(lane.gaps.back().range);
  }
  return gaps.status();
}

absl::Status LoadLeases(Connection& db, ScanRecord& record) {
  for (const LaneRecord& lane : record.lanes) {
    Statement& s = db.Sql(
                         "SELECT token, agent, ranges, attempt, live FROM leases WHERE lane = ?1 "
                         "ORDER BY token")
                       .Bind(lane.id.value);
    while (s.Step()) {
      LeaseRecord lease;
      lease.token = Token{s.U64(0)};
      lease.lane = lane.id;
      lease.agent = s.Bytes(1);
      PORTOLAN_ASSIGN_OR_RETURN(lease.ranges, DecodeRanges(s.Bytes(2)));
      lease.attempt = static_cast<uint32_t>(s.Int(3));
      lease.live = s.Int(4) != 0;
      record.leases.push_back(std::move(lease));
    }
    PORTOLAN_RETURN_IF_ERROR(s.status());
  }
  return absl::OkStatus();
}

absl::StatusOr<ScanRecord> LoadScan(Connection& db, int64_t number) {
  ScanSummary summary;
  Statement& s = db.Sql(
      "SELECT number, id, state, created, started, finished, spec, overlay, space FROM scans JOIN "
      "spaces ON scan = number WHERE number = ?1");
  if (!s.Bind(number).Step())
    return s.status().ok() ? DataLoss("scan {} has no scan space", number) : s.status();
  PORTOLAN_RETURN_IF_ERROR(DecodeScan(s, summary));
  ScanRecord& record = summary.record;
  auto spec = std::make_shared<ScanSpec>(*record.spec);
  PORTOLAN_RETURN_IF_ERROR(DecodeSpace(s.Bytes(8), *spec));
  record.spec = std::move(spec);
  s.Reset();
  Statement& lanes = db.Sql(
      "SELECT id, vantage, finished, open, closed, filtered, unreachable, excluded, agent_scope, "
      "no_agent, attempts, cancelled, extra, tried "
      "FROM lanes WHERE scan = ?1 ORDER BY id");
  lanes.Bind(number);
  while (lanes.Step()) {
    record.lanes.push_back(DecodeLane(lanes));
    PORTOLAN_ASSIGN_OR_RETURN(record.lanes.back().attempts, DecodeAttempts(lanes.Bytes(13)));
  }
  PORTOLAN_RETURN_IF_ERROR(lanes.status());
  for (LaneRecord& lane : record.lanes) PORTOLAN_RETURN_IF_ERROR(LoadLane(db, lane));
  PORTOLAN_RETURN_IF_ERROR(LoadLeases(db, record));
  return std::move(record);
}

absl::Status Load(Connection& db, Store::StartState& out) {
  PORTOLAN_RETURN_IF_ERROR(db.Sql("UPDATE meta SET value = value + 1 WHERE key = 'epoch'").Run());
  Statement& meta = db.Sql("SELECT key, value FROM meta");
  while (meta.Step()) {
    if (meta.Bytes(0) == "epoch") out.epoch = meta.U64(1);
    if (meta.Bytes(0) == "next_token") out.next_token = Token{meta.U64(1)};
    if (meta.Bytes(0) == "next_lane") out.next_lane = meta.U64(1);
  }
  PORTOLAN_RETURN_IF_ERROR(meta.status());
  Statement& vantages = db.Sql("SELECT name, last_seen FROM vantages");
  while (vantages.Step())
    out.vantages.push_back({std::string(vantages.Bytes(0)), FromUnixMicros(vantages.Int(1))});
  PORTOLAN_RETURN_IF_ERROR(vantages.status());
  Statement& scans =
      db.Sql("SELECT number FROM scans WHERE state < ?1 AND deleted = 0 ORDER BY number");
  scans.Bind(static_cast<int64_t>(ScanState::kComplete));
  std::vector<int64_t> numbers;
  while (scans.Step()) numbers.push_back(scans.Int(0));
  PORTOLAN_RETURN_IF_ERROR(scans.status());
  for (const int64_t number : numbers) {
    PORTOLAN_ASSIGN_OR_RETURN(ScanRecord record, LoadScan(db, number));
    out.unfinished.push_back(std::move(record));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Store::StartState> LoadStartState(Connection& db) {
  PORTOLAN_RETURN_IF_ERROR(db.Execute("BEGIN IMMEDIATE"));
  Store::StartState out;
  absl::Status status = Load(db, out);
  if (status.ok()) status = db.Execute("COMMIT");
  if (!status.ok()) {
    db.Rollback();
    return status;
  }
  return out;
}

}  // namespace portolan
