#include "coordinator/store/sqlite_writer.h"

#include <utility>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/storage_codec.h"
#include "coordinator/store/spec_codec.h"

namespace portolan {
namespace {

using Blob = Statement::Blob;

constexpr size_t kMaxCachedOriginIds = 100'000;
constexpr int kPurgeRows = 5'000;  // rows of open ports in a slice
constexpr int kPurgeBlobs = 200;   // chunks or groups in a slice: each may be some hundred KiB

// Whether every position of a chunk has its verdict in it.
bool IsComplete(const StoredChunk& chunk) {
  const auto totals = CountOutcomes(chunk.outcomes, chunk.range.size());
  if (!totals.ok()) return false;
  for (size_t i = 0; i < totals->table.size(); ++i) {
    if (totals->table[i].state == State::kOwed && totals->totals[i] > 0) return false;
  }
  return true;
}

}  // namespace

absl::Status SqliteWriter::Apply(const WriteBatch& batch) {
  for (const ScanRecord& record : batch.new_scans) PORTOLAN_RETURN_IF_ERROR(PutScan(record));
  for (const WriteBatch::Request& r : batch.requests) {
    PORTOLAN_RETURN_IF_ERROR(db_.Sql("INSERT OR REPLACE INTO requests (key, digest, scan) SELECT "
                                     "?1, ?2, number FROM scans WHERE id = ?3")
                                 .Bind(r.key, Blob{r.digest}, r.scan)
                                 .Run());
  }
  // Rows before changes: a batch can hold a row and the gap that its position became after it.
  PORTOLAN_RETURN_IF_ERROR(PutRows(batch.rows));
  for (const StoredFinding& f : batch.findings) PORTOLAN_RETURN_IF_ERROR(PutFinding(f));
  for (const Change& change : batch.changes) {
    PORTOLAN_RETURN_IF_ERROR(std::visit([this](const auto& c) { return Put(c); }, change));
  }
  for (const StoredChunk& chunk : batch.chunks) PORTOLAN_RETURN_IF_ERROR(PutChunk(chunk));
  for (const auto& [lane, counts] : batch.counts)
    PORTOLAN_RETURN_IF_ERROR(AddToLedger(lane, counts));
  for (const WriteBatch::SupersededRows& old : batch.superseded) {
    PORTOLAN_RETURN_IF_ERROR(
        db_.Sql("DELETE FROM open_ports WHERE lane = ?1 AND position >= ?2 AND position < ?3 AND "
                "token < ?4")
            .Bind(old.lane.value, old.range.begin, old.range.end, old.newer.value)
            .Run());
  }
  if (batch.next_token) {
    PORTOLAN_RETURN_IF_ERROR(
        db_.Sql("UPDATE meta SET value = max(value, ?1) WHERE key = 'next_token'")
            .Bind(batch.next_token.value)
            .Run());
  }
  for (const KnownVantage& v : batch.vantages) {
    PORTOLAN_RETURN_IF_ERROR(
        db_.Sql("INSERT OR REPLACE INTO vantages (name, last_seen) VALUES (?1, ?2)")
            .Bind(v.name, ToUnixMicros(v.last_seen))
            .Run());
  }
  for (const std::string& name : batch.forget_vantages) {
    PORTOLAN_RETURN_IF_ERROR(db_.Sql("DELETE FROM vantages WHERE name = ?1").Bind(name).Run());
  }
  for (const ScanId& id : batch.delete_scans) PORTOLAN_RETURN_IF_ERROR(Delete(id));
  return absl::OkStatus();
}

absl::Status SqliteWriter::PutScan(const ScanRecord& record) {
  const std::string spec = EncodeSpec(*record.spec), space = EncodeSpace(*record.spec),
                    overlay = EncodeOverlay(record.overlay);
  PORTOLAN_RETURN_IF_ERROR(
      db_.Sql("INSERT INTO scans (id, state, created, started, finished, retention, spec, "
              "overlay, name) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
          .Bind(record.id, static_cast<int64_t>(record.state), ToUnixMicros(record.created),
                ToUnixMicros(record.started), ToUnixMicros(record.finished),
                static_cast<int64_t>(
                    std::chrono::duration_cast<std::chrono::microseconds>(record.spec->retention)
                        .count()),
                Blob{spec}, Blob{overlay}, record.spec->name)
          .Run());
  PORTOLAN_RETURN_IF_ERROR(
      db_.Sql("INSERT INTO spaces (scan, space) SELECT number, ?2 FROM scans WHERE id = ?1")
          .Bind(record.id, Blob{space})
          .Run());
  for (const LaneRecord& lane : record.lanes) {
    PORTOLAN_RETURN_IF_ERROR(db_.Sql("INSERT INTO lanes (id, scan, vantage) SELECT ?1, number, ?2 "
                                     "FROM scans WHERE id = ?3")
                                 .Bind(lane.id.value, lane.vantage, record.id)
                                 .Run());
    PORTOLAN_RETURN_IF_ERROR(
        db_.Sql("UPDATE meta SET value = max(value, ?1) WHERE key = 'next_lane'")
            .Bind(lane.id.value + 1)
            .Run());
  }
  return absl::OkStatus();
}

absl::Status SqliteWriter::PutChunk(const StoredChunk& chunk) {
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t origin, Origin(chunk.agent, chunk.vantage, nullptr));
  const std::string packed = CompressForStorage(chunk.outcomes);
  ++counts_.chunks;
  counts_.outcome_bytes += packed.size();
  return db_
      .Sql(
          "INSERT INTO chunks (lane, begin_pos, end_pos, complete, origin, start, duration, "
          "outcomes, of_receipt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
      .Bind(chunk.lane.value, chunk.range.begin, chunk.range.end, IsComplete(chunk) ? 1 : 0, origin,
            ToUnixMicros(chunk.start), chunk.duration_ms, Blob{packed},
            chunk.time_of_receipt ? 1 : 0)
      .Run();
}

absl::Status SqliteWriter::PutRows(const std::vector<StoredRow>& rows) {
  if (rows.empty()) return absl::OkStatus();
  Statement& put = db_.Sql(
      "INSERT INTO open_ports (lane, position, address, port, reason, rtt_us, seen, origin, token, "
      "of_receipt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
      "ON CONFLICT (lane, position) DO UPDATE SET reason = excluded.reason, rtt_us = "
      "excluded.rtt_us, seen = excluded.seen, origin = excluded.origin, token = excluded.token, "
      "of_receipt = excluded.of_receipt WHERE excluded.token > token");
  for (const StoredRow& r : rows) {
    PORTOLAN_ASSIGN_OR_RETURN(const int64_t origin, Origin(r.agent, r.vantage, &r.row.source));
    const std::string address = AddressKey(r.address);
    PORTOLAN_RETURN_IF_ERROR(
        put.Bind(r.lane.value, r.row.index, Blob{address}, static_cast<int64_t>(r.port),
                 static_cast<int64_t>(r.row.reason), r.row.rtt_us, ToUnixMicros(r.row.when), origin,
                 r.token.value, r.time_of_receipt ? 1 : 0)
            .Run());
  }
  counts_.rows += rows.size();
  return absl::OkStatus();
}

absl::Status SqliteWriter::PutFinding(const StoredFinding& stored) {
  const HostFinding& f = stored.finding;
  const std::string address = AddressKey(f.address), confirmed = EncodeConfirmed(f.confirmed);
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t origin, Origin(stored.agent, stored.vantage, nullptr));
  const int64_t kind = static_cast<int64_t>(f.kind);
  const int64_t sentinel = f.sentinel.has_value() ? *f.sentinel : -1;
  const int64_t of_receipt = stored.time_of_receipt ? 1 : 0;
  PORTOLAN_RETURN_IF_ERROR(
      db_.Sql("UPDATE host_findings SET seen = ?4, opens = ?5, outcomes = ?6, confirmed = ?7, "
              "sentinel = ?8, since = ?9, silences = ?10, origin = ?11, of_receipt = ?12 "
              "WHERE lane = ?1 AND address = ?2 AND kind = ?3")
          .Bind(stored.lane.value, Blob{address}, kind, ToUnixMicros(f.when), f.opens, f.outcomes,
                Blob{confirmed}, sentinel, ToUnixMicros(f.since), f.silences, origin, of_receipt)
          .Run());
  if (db_.changes() > 0) return absl::OkStatus();
  PORTOLAN_RETURN_IF_ERROR(
      db_.Sql("INSERT INTO host_findings (lane, address, kind, seen, opens, outcomes, confirmed, "
              "sentinel, since, silences, origin, of_receipt) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, "
              "?8, ?9, ?10, ?11, ?12 FROM lanes WHERE id = ?1 AND findings < ?13")
          .Bind(stored.lane.value, Blob{address}, kind, ToUnixMicros(f.when), f.opens, f.outcomes,
                Blob{confirmed}, sentinel, ToUnixMicros(f.since), f.silences, origin, of_receipt,
                kMaxFindingsPerLane)
          .Run());
  const bool kept = db_.changes() > 0;
  ++(kept ? counts_.findings : counts_.findings_dropped);
  return db_
      .Sql(
          "UPDATE lanes SET findings = findings + ?2, findings_dropped = findings_dropped + ?3 "
          "WHERE id = ?1")
      .Bind(stored.lane.value, kept ? 1 : 0, kept ? 0 : 1)
      .Run();
}

absl::StatusOr<int64_t> SqliteWriter::Origin(const std::string& agent, const std::string& vantage,
                                             const IpAddress* source) {
  if (source != nullptr && last_origin_ != 0 && last_source_ == *source && last_agent_ == agent &&
      last_vantage_ == vantage) {
    return last_origin_;
  }
  const std::string address = source != nullptr ? AddressKey(*source) : std::string();
  const std::string key = fmt::format("{}\n{}\n{}", agent, vantage, address);
  auto it = origins_.find(key);
  if (it == origins_.end()) {
    PORTOLAN_RETURN_IF_ERROR(db_.Sql("INSERT INTO origins (agent, vantage, source) VALUES (?1, ?2, "
                                     "?3) ON CONFLICT DO NOTHING")
                                 .Bind(agent, vantage, Blob{address})
                                 .Run());
    Statement& find =
        db_.Sql("SELECT id FROM origins WHERE agent = ?1 AND vantage = ?2 AND source = ?3")
            .Bind(agent, vantage, Blob{address});
    if (!find.Step())
      return find.status().ok() ? Internal("origin \"{}\" was not stored", agent) : find.status();
    const int64_t id = find.Int(0);
    find.Reset();
    if (origins_.size() >= kMaxCachedOriginIds) origins_.clear();
    it = origins_.emplace(key, id).first;
  }
  if (source != nullptr) {
    last_agent_ = agent;
    last_vantage_ = vantage;
    last_source_ = *source;
    last_origin_ = it->second;
  }
  return it->second;
}

absl::Status SqliteWriter::AddToLedger(LaneId lane, const Ledger& c) {
  return db_
      .Sql(
          "UPDATE lanes SET open = open + ?2, closed = closed + ?3, filtered = filtered + ?4, "
          "unreachable = unreachable + ?5, "
          "excluded = excluded + ?6, agent_scope = agent_scope + ?7, no_agent = no_agent + ?8, "
          "attempts = attempts + ?9, "
          "cancelled = cancelled + ?10, extra = extra + ?11 WHERE id = ?1")
      .Bind(lane.value, c.open, c.closed, c.filtered, c.unreachable, c.not_probed[0],
            c.not_probed[1], c.not_probed[2], c.not_probed[3], c.not_probed[4], c.extra)
      .Run();
}

absl::Status SqliteWriter::Put(const PutLease& change) {
  const LeaseRecord& lease = change.lease;
  const std::string ranges = EncodeRanges(lease.ranges);
  return db_
      .Sql(
          "INSERT OR REPLACE INTO leases (token, lane, agent, ranges, attempt, live) VALUES (?1, "
          "?2, ?3, ?4, ?5, ?6)")
      .Bind(lease.token.value, lease.lane.value, lease.agent, Blob{ranges}, lease.attempt,
            lease.live ? 1 : 0)
      .Run();
}

absl::Status SqliteWriter::Put(const DropLease& change) {
  return db_.Sql("DELETE FROM leases WHERE token = ?1").Bind(change.token.value).Run();
}

absl::Status SqliteWriter::Put(const PutGaps& change) {
  Ledger added;
  for (const Gap& gap : change.gaps) {
    PORTOLAN_RETURN_IF_ERROR(
        db_.Sql("INSERT INTO gaps (lane, begin_pos, end_pos, cause) VALUES (?1, ?2, ?3, ?4)")
            .Bind(change.lane.value, gap.range.begin, gap.range.end,
                  static_cast<int64_t>(gap.cause))
            .Run());
    PORTOLAN_RETURN_IF_ERROR(
        db_.Sql("DELETE FROM open_ports WHERE lane = ?1 AND position >= ?2 AND position < ?3")
            .Bind(change.lane.value, gap.range.begin, gap.range.end)
            .Run());
    added.Count({State::kNotProbed, gap.cause}, gap.range.size());
  }
  return AddToLedger(change.lane, added);
}

absl::Status SqliteWriter::Put(const PutAttempts& change) {
  const std::string tried = EncodeAttempts(change.attempts);
  return db_.Sql("UPDATE lanes SET tried = ?2 WHERE id = ?1")
      .Bind(change.lane.value, Blob{tried})
      .Run();
}

absl::Status SqliteWriter::Put(const FinishLane& change) {
  return db_.Sql("UPDATE lanes SET finished = 1 WHERE id = ?1").Bind(change.lane.value).Run();
}

absl::Status SqliteWriter::Put(const PutScanState& change) {
  PORTOLAN_RETURN_IF_ERROR(db_.Sql("UPDATE scans SET state = ?2, started = ?3, finished = ?4, "
                                   "expires = iif(?5, ?4 + retention, 0) WHERE id = ?1")
                               .Bind(change.scan, static_cast<int64_t>(change.state),
                                     ToUnixMicros(change.started), ToUnixMicros(change.finished),
                                     IsFinished(change.state) ? 1 : 0)
                               .Run());
  if (!IsFinished(change.state)) return absl::OkStatus();
  return db_
      .Sql(
          "DELETE FROM leases WHERE lane IN (SELECT l.id FROM lanes l JOIN scans s ON l.scan = "
          "s.number WHERE s.id = ?1)")
      .Bind(change.scan)
      .Run();
}

absl::Status SqliteWriter::Put(const PutOverlay& change) {
  const std::string overlay = EncodeOverlay(change.overlay);
  return db_.Sql("UPDATE scans SET overlay = ?2 WHERE id = ?1")
      .Bind(change.scan, Blob{overlay})
      .Run();
}

absl::Status SqliteWriter::Apply(const CompactedGroup& group) {
  const uint64_t lane = group.lane.value;
  Statement& check = db_.Sql(
      "SELECT (SELECT count(*) FROM lanes l JOIN scans s ON l.scan = s.number WHERE l.id = ?1 AND "
      "s.deleted = 0), "
      "(SELECT count(*) FROM chunks WHERE lane = ?1 AND begin_pos >= ?2 AND begin_pos < ?3)");
  check.Bind(lane, group.range.begin, group.range.end);
  if (!check.Step()) return check.status();
  const bool still_right = check.Int(0) == 1 && check.U64(1) == group.chunks && group.chunks > 0;
  check.Reset();
  if (!still_right) return absl::OkStatus();
  const std::string segments = CompressForStorage(EncodeSegments(group.segments));
  const std::string packed = CompressForStorage(group.outcomes);
  PORTOLAN_RETURN_IF_ERROR(
      db_.Sql("DELETE FROM chunks WHERE lane = ?1 AND begin_pos >= ?2 AND begin_pos < ?3")
          .Bind(lane, group.range.begin, group.range.end)
          .Run());
  counts_.outcome_bytes += packed.size() + segments.size();
  ++counts_.compacted;
  return db_
      .Sql(
          "INSERT INTO finished_groups (lane, begin_pos, end_pos, segments, outcomes) VALUES (?1, "
          "?2, ?3, ?4, ?5)")
      .Bind(lane, group.range.begin, group.range.end, Blob{segments}, Blob{packed})
      .Run();
}

absl::Status SqliteWriter::Delete(const ScanId& id) {
  return db_.Sql("UPDATE scans SET deleted = 1 WHERE id = ?1 AND state >= ?2")
      .Bind(id, static_cast<int64_t>(ScanState::kComplete))
      .Run();
}

absl::StatusOr<bool> SqliteWriter::PurgeSlice() {
  Statement& find = db_.Sql("SELECT number FROM scans WHERE deleted = 1 LIMIT 1");
  if (!find.Step()) {
    PORTOLAN_RETURN_IF_ERROR(find.status());
    return false;
  }
  const int64_t scan = find.Int(0);
  find.Reset();
  std::vector<int64_t> lanes;
  Statement& of_scan = db_.Sql("SELECT id FROM lanes WHERE scan = ?1").Bind(scan);
  while (of_scan.Step()) lanes.push_back(of_scan.Int(0));
  PORTOLAN_RETURN_IF_ERROR(of_scan.status());
  for (const int64_t lane : lanes) {
    struct Part {
      const char* sql;
      int limit;
    };
    static constexpr Part kParts[] = {
        {"DELETE FROM open_ports WHERE lane = ?1 AND position <= (SELECT max(position) FROM "
         "(SELECT position FROM open_ports WHERE lane = ?1 "
         "ORDER BY position LIMIT ?2))",
         kPurgeRows},
        {"DELETE FROM chunks WHERE number IN (SELECT number FROM chunks WHERE lane = ?1 LIMIT ?2)",
         kPurgeBlobs},
        {"DELETE FROM finished_groups WHERE number IN (SELECT number FROM finished_groups WHERE "
         "lane = ?1 LIMIT ?2)",
         kPurgeBlobs},
        {"DELETE FROM gaps WHERE lane = ?1 AND begin_pos <= (SELECT max(begin_pos) FROM (SELECT "
         "begin_pos FROM gaps WHERE lane = ?1 "
         "ORDER BY begin_pos LIMIT ?2))",
         kPurgeRows},
        {"DELETE FROM host_findings WHERE lane = ?1 AND address <= (SELECT max(address) FROM "
         "(SELECT address FROM host_findings WHERE lane = ?1 ORDER BY address LIMIT ?2))",
         kPurgeRows},
        {"DELETE FROM leases WHERE token IN (SELECT token FROM leases WHERE lane = ?1 LIMIT ?2)",
         kPurgeRows},
    };
    for (const Part& part : kParts) {
      PORTOLAN_RETURN_IF_ERROR(db_.Sql(part.sql).Bind(lane, part.limit).Run());
      if (db_.changes() > 0) return true;  // one slice
    }
    PORTOLAN_RETURN_IF_ERROR(db_.Sql("DELETE FROM lanes WHERE id = ?1").Bind(lane).Run());
  }
  PORTOLAN_RETURN_IF_ERROR(db_.Sql("DELETE FROM requests WHERE scan = ?1").Bind(scan).Run());
  PORTOLAN_RETURN_IF_ERROR(db_.Sql("DELETE FROM spaces WHERE scan = ?1").Bind(scan).Run());
  PORTOLAN_RETURN_IF_ERROR(db_.Sql("DELETE FROM scans WHERE number = ?1").Bind(scan).Run());
  return true;
}

}  // namespace portolan
