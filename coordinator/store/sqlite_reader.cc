#include "coordinator/store/sqlite_reader.h"

#include <algorithm>

#include "common/base/status.h"
#include "common/scan/storage_codec.h"
#include "coordinator/store/spec_codec.h"

namespace portolan {
namespace {

constexpr size_t kMaxCachedOrigins = 100'000;
constexpr size_t kMaxSegmentBytes = 64u << 20;  // of one group

}  // namespace

absl::Status DecodeScan(const Statement& s, ScanSummary& out) {
  ScanRecord& record = out.record;
  record.id = s.Bytes(1);
  record.state = static_cast<ScanState>(s.Int(2));
  record.created = FromUnixMicros(s.Int(3));
  record.started = FromUnixMicros(s.Int(4));
  record.finished = FromUnixMicros(s.Int(5));
  PORTOLAN_ASSIGN_OR_RETURN(auto spec, DecodeSpec(s.Bytes(6)));
  PORTOLAN_ASSIGN_OR_RETURN(record.overlay, DecodeOverlay(s.Bytes(7)));
  record.spec = std::make_shared<const ScanSpec>(std::move(spec.first));
  out.addresses = spec.second.addresses;
  out.positions = spec.second.positions;
  out.target_names = spec.second.target_names;
  return absl::OkStatus();
}

LaneRecord DecodeLane(const Statement& s) {
  LaneRecord lane;
  lane.id = LaneId{s.U64(0)};
  lane.vantage = s.Bytes(1);
  lane.finished = s.Int(2) != 0;
  Ledger& l = lane.ledger;
  l.open = s.U64(3);
  l.closed = s.U64(4);
  l.filtered = s.U64(5);
  l.unreachable = s.U64(6);
  for (int i = 0; i < 5; ++i) l.not_probed[i] = s.U64(7 + i);
  l.extra = s.U64(12);
  return lane;
}

absl::Status SqliteReader::ReadLanes(int64_t scan, ScanRecord& record) {
  Statement& s = db_->Sql(
      "SELECT id, vantage, finished, open, closed, filtered, unreachable, excluded, agent_scope, "
      "no_agent, attempts, cancelled, extra, tried "
      "FROM lanes WHERE scan = ?1 ORDER BY id");
  s.Bind(scan);
  while (s.Step()) record.lanes.push_back(DecodeLane(s));
  return s.status();
}

absl::StatusOr<std::optional<ScanSummary>> SqliteReader::GetScan(const ScanId& id) {
  Snapshot snapshot(*db_);
  PORTOLAN_RETURN_IF_ERROR(snapshot.status());
  Statement& s = db_->Sql(
      "SELECT number, id, state, created, started, finished, spec, overlay, space FROM scans JOIN "
      "spaces ON scan = number "
      "WHERE id = ?1 AND deleted = 0");
  if (!s.Bind(id).Step()) {
    PORTOLAN_RETURN_IF_ERROR(s.status());
    return std::optional<ScanSummary>();
  }
  std::optional<ScanSummary> out(std::in_place);
  PORTOLAN_RETURN_IF_ERROR(DecodeScan(s, *out));
  auto spec = std::make_shared<ScanSpec>(*out->record.spec);
  PORTOLAN_RETURN_IF_ERROR(DecodeSpace(s.Bytes(8), *spec));
  out->record.spec = std::move(spec);
  const int64_t number = s.Int(0);
  s.Reset();
  PORTOLAN_RETURN_IF_ERROR(ReadLanes(number, out->record));
  // The gaps that people are shown; the scheduler's own list may be longer.
  for (LaneRecord& lane : out->record.lanes) {
    Statement& gaps = db_->Sql(
                             "SELECT begin_pos, end_pos, cause FROM gaps WHERE lane = ?1 ORDER BY "
                             "begin_pos LIMIT 1000")
                          .Bind(lane.id.value);
    while (gaps.Step())
      lane.gaps.push_back({{gaps.U64(0), gaps.U64(1)}, static_cast<Reason>(gaps.Int(2))});
    PORTOLAN_RETURN_IF_ERROR(gaps.status());
  }
  return out;
}

absl::StatusOr<std::vector<ScanSummary>> SqliteReader::ListScans(size_t limit,
                                                                 const ScanId& after) {
  Snapshot snapshot(*db_);
  PORTOLAN_RETURN_IF_ERROR(snapshot.status());
  int64_t before = INT64_MAX;
  if (!after.empty()) {
    Statement& find = db_->Sql("SELECT number FROM scans WHERE id = ?1").Bind(after);
    if (!find.Step())
      return find.status().ok()
                 ? NotFound("no scan \"{}\" to continue the list after: begin anew", after)
                 : find.status();
    before = find.Int(0);
  }
  Statement& s = db_->Sql(
      "SELECT number, id, state, created, started, finished, spec, overlay FROM scans WHERE number "
      "< ?1 AND deleted = 0 "
      "ORDER BY number DESC LIMIT ?2");
  s.Bind(before, static_cast<uint64_t>(limit));
  std::vector<ScanSummary> out;
  std::vector<int64_t> numbers;
  while (s.Step()) {
    PORTOLAN_RETURN_IF_ERROR(DecodeScan(s, out.emplace_back()));
    numbers.push_back(s.Int(0));
  }
  PORTOLAN_RETURN_IF_ERROR(s.status());
  for (size_t i = 0; i < out.size(); ++i)
    PORTOLAN_RETURN_IF_ERROR(ReadLanes(numbers[i], out[i].record));
  return out;
}

absl::StatusOr<std::vector<ScanId>> SqliteReader::FindScans(const std::string& prefix,
                                                            size_t limit) {
  std::vector<ScanId> out;
  Statement& s =
      prefix == "last"
          ? db_->Sql("SELECT id FROM scans WHERE deleted = 0 ORDER BY number DESC LIMIT 1").Bind()
          : db_->Sql(
                   "SELECT id FROM scans WHERE id >= ?1 AND id < ?1 || '{' AND deleted = 0 ORDER "
                   "BY id LIMIT ?2")
                .Bind(prefix,
                      static_cast<uint64_t>(limit));  // '{' sorts behind every letter of an id
  while (s.Step()) out.emplace_back(s.Bytes(0));
  PORTOLAN_RETURN_IF_ERROR(s.status());
  return out;
}

absl::StatusOr<std::vector<ScanId>> SqliteReader::FindScansNamed(const std::string& name,
                                                                 size_t limit) {
  std::vector<ScanId> out;
  // The conditions of the index scans_named, in its words, so that it is used.
  Statement& s = db_->Sql(
                        "SELECT id FROM scans WHERE name = ?1 AND name <> '' AND deleted = 0 "
                        "ORDER BY number DESC LIMIT ?2")
                     .Bind(name, static_cast<uint64_t>(limit));
  while (s.Step()) out.emplace_back(s.Bytes(0));
  PORTOLAN_RETURN_IF_ERROR(s.status());
  return out;
}

absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> SqliteReader::FindRequest(
    const std::string& key) {
  Statement& s = db_->Sql(
      "SELECT s.id, r.digest FROM requests r JOIN scans s ON s.number = r.scan WHERE r.key = ?1 "
      "AND s.deleted = 0");
  std::optional<std::pair<ScanId, std::string>> out;
  if (s.Bind(key).Step()) out.emplace(s.Bytes(0), s.Bytes(1));
  PORTOLAN_RETURN_IF_ERROR(s.status());
  s.Reset();
  return out;
}

absl::StatusOr<const SqliteReader::Origin*> SqliteReader::FindOrigin(int64_t id) {
  const auto it = origins_.find(id);
  if (it != origins_.end()) return &it->second;
  Statement& s = db_->Sql("SELECT agent, vantage, source FROM origins WHERE id = ?1").Bind(id);
  Origin origin;
  if (s.Step()) {
    origin.agent = s.Bytes(0);
    origin.vantage = s.Bytes(1);
    if (!s.Bytes(2).empty()) {
      PORTOLAN_ASSIGN_OR_RETURN(origin.source, AddressFromKey(s.Bytes(2)));
    }
  }
  PORTOLAN_RETURN_IF_ERROR(s.status());
  s.Reset();
  if (origins_.size() >= kMaxCachedOrigins) origins_.clear();
  return &origins_.emplace(id, std::move(origin)).first->second;
}

absl::StatusOr<Store::GroupOutcomes> SqliteReader::ReadGroup(LaneId lane, IndexRange group) {
  Snapshot snapshot(*db_);
  PORTOLAN_RETURN_IF_ERROR(snapshot.status());
  Store::GroupOutcomes out;
  Statement& whole = db_->Sql(
      "SELECT number, segments, outcomes FROM finished_groups WHERE lane = ?1 AND begin_pos = ?2 "
      "AND end_pos = ?3");
  if (whole.Bind(lane.value, group.begin, group.end).Step()) {
    out.version = 2 * whole.U64(0) + 1;
    CompactedGroup& g = out.natural.emplace();
    g.lane = lane;
    g.range = group;
    PORTOLAN_ASSIGN_OR_RETURN(g.outcomes,
                              DecompressFromStorage(whole.Bytes(2), MaxEncodedSize(group.size())));
    PORTOLAN_ASSIGN_OR_RETURN(const std::string segments,
                              DecompressFromStorage(whole.Bytes(1), kMaxSegmentBytes));
    PORTOLAN_ASSIGN_OR_RETURN(g.segments, DecodeSegments(segments));
    return out;
  }
  PORTOLAN_RETURN_IF_ERROR(whole.status());
  Statement& s = db_->Sql(
      "SELECT number, begin_pos, end_pos, origin, start, duration, outcomes, of_receipt FROM "
      "chunks "
      "WHERE lane = ?1 AND begin_pos >= ?2 AND begin_pos < ?3 "
      "ORDER BY number");
  s.Bind(lane.value, group.begin, group.end);
  while (s.Step()) {
    StoredChunk& chunk = out.chunks.emplace_back();
    chunk.lane = lane;
    chunk.range = {s.U64(1), s.U64(2)};
    PORTOLAN_ASSIGN_OR_RETURN(const Origin* origin, FindOrigin(s.Int(3)));
    chunk.agent = origin->agent;
    chunk.vantage = origin->vantage;
    chunk.start = FromUnixMicros(s.Int(4));
    chunk.duration_ms = static_cast<uint32_t>(s.Int(5));
    chunk.time_of_receipt = s.Int(7) != 0;
    PORTOLAN_ASSIGN_OR_RETURN(
        chunk.outcomes, DecompressFromStorage(s.Bytes(6), MaxEncodedSize(chunk.range.size())));
    out.version = std::max(out.version, 2 * s.U64(0));
  }
  PORTOLAN_RETURN_IF_ERROR(s.status());
  return out;
}

absl::StatusOr<uint64_t> SqliteReader::GroupVersion(LaneId lane, IndexRange group) {
  Statement& s = db_->Sql(
      "SELECT (SELECT 2 * number + 1 FROM finished_groups WHERE lane = ?1 AND begin_pos = ?2 AND "
      "end_pos = ?3), "
      "(SELECT 2 * max(number) FROM chunks WHERE lane = ?1 AND begin_pos >= ?2 AND begin_pos < "
      "?3)");
  if (!s.Bind(lane.value, group.begin, group.end).Step()) return s.status();
  const uint64_t version = s.IsNull(0) ? s.U64(1) : s.U64(0);
  s.Reset();
  return version;
}

absl::StatusOr<std::vector<Gap>> SqliteReader::ReadGaps(LaneId lane, IndexRange range) {
  std::vector<Gap> out;
  // Gaps are disjoint: at most one that begins before the range reaches into it.
  Statement& s = db_->Sql(
      "SELECT begin_pos, end_pos, cause FROM gaps WHERE lane = ?1 AND begin_pos < ?3 AND begin_pos "
      ">= "
      "ifnull((SELECT max(begin_pos) FROM gaps WHERE lane = ?1 AND begin_pos <= ?2), ?2) ORDER BY "
      "begin_pos");
  s.Bind(lane.value, range.begin, range.end);
  while (s.Step()) {
    const IndexRange cut{std::max(range.begin, s.U64(0)), std::min(range.end, s.U64(1))};
    if (!cut.empty()) out.push_back({cut, static_cast<Reason>(s.Int(2))});
  }
  PORTOLAN_RETURN_IF_ERROR(s.status());
  return out;
}

absl::StatusOr<std::optional<uint64_t>> SqliteReader::NextStored(LaneId lane, uint64_t from,
                                                                 Store::Kinds kinds) {
  std::optional<uint64_t> out;
  const auto look = [&](const char* sql) -> absl::Status {
    Statement& s = db_->Sql(sql).Bind(lane.value, from);
    if (s.Step() && !s.IsNull(0))
      out = std::min(out.value_or(UINT64_MAX), std::max(from, s.U64(0)));
    PORTOLAN_RETURN_IF_ERROR(s.status());
    s.Reset();
    return absl::OkStatus();
  };
  // What began before `from` and reaches beyond it is found at `from`. Chunks are looked for by
  // where they begin.
  if (kinds.chunks)
    PORTOLAN_RETURN_IF_ERROR(
        look("SELECT min(begin_pos) FROM chunks WHERE lane = ?1 AND begin_pos >= ?2"));
  if (kinds.groups) {
    PORTOLAN_RETURN_IF_ERROR(
        look("SELECT min(begin_pos) FROM finished_groups WHERE lane = ?1 AND begin_pos >= ?2"));
    PORTOLAN_RETURN_IF_ERROR(
        look("SELECT iif(end_pos > ?2, ?2, NULL) FROM finished_groups WHERE lane = ?1 AND "
             "begin_pos < ?2 ORDER BY begin_pos DESC LIMIT 1"));
  }
  if (kinds.gaps) {
    PORTOLAN_RETURN_IF_ERROR(
        look("SELECT min(begin_pos) FROM gaps WHERE lane = ?1 AND begin_pos >= ?2"));
    PORTOLAN_RETURN_IF_ERROR(
        look("SELECT iif(end_pos > ?2, ?2, NULL) FROM gaps WHERE lane = ?1 AND begin_pos < ?2 "
             "ORDER BY begin_pos DESC LIMIT 1"));
  }
  return out;
}

absl::StatusOr<std::vector<ScanId>> SqliteReader::Expired(WallTime now, size_t limit) {
  std::vector<ScanId> out;
  Statement& s = db_->Sql(
                        "SELECT id FROM scans WHERE expires > 0 AND expires < ?1 AND deleted = 0 "
                        "ORDER BY expires LIMIT ?2")
                     .Bind(ToUnixMicros(now), static_cast<uint64_t>(limit));
  while (s.Step()) out.emplace_back(s.Bytes(0));
  PORTOLAN_RETURN_IF_ERROR(s.status());
  return out;
}

}  // namespace portolan
