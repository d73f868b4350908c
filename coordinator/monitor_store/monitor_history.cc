// Runs, events and findings that are resolved: reading them, and their end.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "coordinator/monitor_store/monitor_store.h"
#include "coordinator/monitor_store/record.h"

namespace portolan {
namespace {

constexpr size_t kMaxRows = 2'000;  // that a read gives

size_t Bounded(size_t limit) { return std::clamp<size_t>(limit, 1, kMaxRows); }

absl::Status Done(Statement& rows) {
  absl::Status status = rows.status();
  rows.Reset();  // ends the read, so that the log can be taken over
  return status;
}

}  // namespace

// ---- runs ----

absl::StatusOr<std::vector<RunRecord>> MonitorStore::TakeRuns(const std::string& monitor,
                                                              Statement& rows) {
  std::vector<RunRecord> runs;
  while (rows.Step()) {
    RunRecord run;
    run.monitor = monitor;
    run.number = rows.U64(0);
    run.generation = rows.U64(1);
    run.trigger = static_cast<RunTrigger>(rows.Int(2));
    run.state = static_cast<RunState>(rows.Int(3));
    run.due = FromUnixMicros(rows.Int(4));
    run.started = FromUnixMicros(rows.Int(5));
    run.finished = FromUnixMicros(rows.Int(6));
    run.scan = rows.Bytes(7);
    run.message = rows.Bytes(8);
    run.positions = rows.U64(9);
    run.known = rows.U64(10);
    run.candidates = rows.U64(11);
    if (const std::string_view bytes = rows.Bytes(12); !bytes.empty()) {
      absl::StatusOr<std::vector<UnresolvedName>> names = DecodeUnresolved(bytes);
      if (names.ok()) {
        run.unresolved = *std::move(names);
      } else {
        ++damaged_rows_;  // the rest of the row counts
      }
    }
    const int64_t trigger = rows.Int(2), state = rows.Int(3);
    if (trigger < 1 || trigger > static_cast<int64_t>(RunTrigger::kCatchUp) || state < 1 ||
        state > static_cast<int64_t>(RunState::kFailed)) {
      ++damaged_rows_;
    } else {
      runs.push_back(std::move(run));
    }
  }
  PORTOLAN_RETURN_IF_ERROR(Done(rows));
  return runs;
}

absl::StatusOr<std::vector<RunRecord>> MonitorStore::Runs(const std::string& monitor,
                                                          size_t limit) {
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t number, Find(monitor));
  Statement& rows = db_->Sql(
      "SELECT number, generation, \"trigger\", state, due, started, finished, scan, message, "
      "positions, known, candidates, unresolved FROM runs WHERE monitor = ? ORDER BY number DESC "
      "LIMIT ?");
  rows.Bind(number, uint64_t{Bounded(limit)});
  return TakeRuns(monitor, rows);
}

absl::StatusOr<std::optional<RunRecord>> MonitorStore::FindRun(const std::string& monitor,
                                                               uint64_t number) {
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t id, Find(monitor));
  Statement& rows = db_->Sql(
      "SELECT number, generation, \"trigger\", state, due, started, finished, scan, message, "
      "positions, known, candidates, unresolved FROM runs WHERE monitor = ? AND number = ?");
  rows.Bind(id, number);
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<RunRecord> runs, TakeRuns(monitor, rows));
  if (runs.empty()) return std::optional<RunRecord>();
  return std::optional<RunRecord>(std::move(runs[0]));
}

absl::StatusOr<std::optional<std::string>> MonitorStore::GetRunInput(const std::string& monitor,
                                                                     uint64_t number) {
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t id, Find(monitor));
  Statement& row = db_->Sql("SELECT body FROM run_inputs WHERE monitor = ? AND number = ?");
  row.Bind(id, number);
  const bool found = row.Step();
  PORTOLAN_RETURN_IF_ERROR(row.status());
  std::optional<std::string> input;
  if (found) {
    const std::string_view bytes = row.Bytes(0);
    const std::optional<std::string_view> content = UnsealRecord(bytes);
    if (!content) {
      row.Reset();
      return DamagedRecord(fmt::format("input of run {} of monitor \"{}\"", number, monitor),
                           bytes.size());
    }
    input = std::string(*content);
  }
  row.Reset();
  return input;
}

// ---- events ----

// Sequence and record, as many as the statement gives and `limit` allows; `more`: it had others.
absl::StatusOr<std::vector<StoredEvent>> MonitorStore::TakeEvents(Statement& rows, size_t limit,
                                                                  bool* more) {
  std::vector<StoredEvent> events;
  while (rows.Step()) {
    if (events.size() == limit) {
      if (more != nullptr) *more = true;
      break;
    }
    absl::StatusOr<ExposureEvent> event = DecodeEvent(rows.Bytes(1));
    if (event.ok()) {
      events.push_back({rows.U64(0), *std::move(event)});
    } else {
      ++damaged_rows_;
    }
  }
  PORTOLAN_RETURN_IF_ERROR(Done(rows));
  return events;
}

absl::StatusOr<EventPage> MonitorStore::Events(const EventQuery& query) {
  EventPage page;
  int64_t monitor = 0;
  // A plus sign keeps an index from being used that would have the rows sorted; CROSS JOIN keeps
  // the order of the tables.
  std::string sql = "SELECT e.sequence, e.body FROM events e";
  if (query.monitor.empty()) {
    sql += " CROSS JOIN monitors m WHERE m.number = +e.monitor AND ?1 = 0";
  } else {
    PORTOLAN_ASSIGN_OR_RETURN(monitor, Find(query.monitor));
    if (monitor == 0) return page;
    sql += " WHERE e.monitor = ?1";
  }
  sql += " AND e.sequence > ?2";
  if (query.vantage.empty()) {
    sql += " AND ?3 = ''";
  } else {
    sql += query.monitor.empty() ? " AND e.vantage = ?3" : " AND +e.vantage = ?3";
  }
  if (query.since == WallTime()) {
    sql += " AND ?4 = 0";
  } else {
    // Clocks jump: times ascend with the sequence mostly, not always.
    sql +=
        " AND e.sequence >= (SELECT min(sequence) FROM events WHERE time >= ?4) AND +e.time >= ?4";
  }
  sql += query.newest_first ? " ORDER BY e.sequence DESC" : " ORDER BY e.sequence";
  const std::unique_ptr<Statement> rows = db_->Prepare(sql);
  // Beyond int64_t there is nothing.
  const uint64_t after = std::min<uint64_t>(query.after, INT64_MAX);
  rows->Bind(monitor, after, query.vantage, ToUnixMicros(query.since));
  PORTOLAN_ASSIGN_OR_RETURN(page.events, TakeEvents(*rows, Bounded(query.limit), &page.more));
  return page;
}

absl::StatusOr<std::optional<StoredEvent>> MonitorStore::EventById(const std::string& id) {
  Statement& rows = db_->Sql(
      "SELECT e.sequence, e.body FROM events e CROSS JOIN monitors m WHERE e.id = ? AND m.number = "
      "e.monitor ORDER BY e.sequence DESC");
  rows.Bind(id);
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<StoredEvent> events, TakeEvents(rows, 1, nullptr));
  if (events.empty()) return std::optional<StoredEvent>();
  return std::optional<StoredEvent>(std::move(events[0]));
}

absl::StatusOr<uint64_t> MonitorStore::CountEvents(const std::string& monitor) {
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t number, Find(monitor));
  Statement& count = db_->Sql("SELECT count(*) FROM events WHERE monitor = ?");
  count.Bind(number);
  const uint64_t n = count.Step() ? count.U64(0) : 0;
  PORTOLAN_RETURN_IF_ERROR(Done(count));
  return n;
}

absl::StatusOr<std::vector<StoredEvent>> MonitorStore::EventsOf(const Subject& subject,
                                                                const std::string& monitor,
                                                                size_t limit) {
  const std::string target = subject.target.ToString();
  Statement& rows = db_->Sql(
      "SELECT e.sequence, e.body FROM events e CROSS JOIN monitors m WHERE e.target = ?1 AND "
      "e.port = ?2 AND m.number = +e.monitor AND (?3 = '' OR m.name = ?3) ORDER BY e.sequence "
      "DESC");
  rows.Bind(target, uint32_t{subject.port}, monitor);
  return TakeEvents(rows, Bounded(limit), nullptr);
}

// ---- findings ----

absl::StatusOr<std::vector<MonitorFinding>> MonitorStore::ResolvedFindings(
    const FindingQuery& query) {
  std::vector<MonitorFinding> findings;
  int64_t monitor = 0;
  const char* sql =
      "SELECT m.name, f.body FROM findings f CROSS JOIN monitors m WHERE m.number = +f.monitor AND "
      "?1 = 0 AND f.severity >= ?2 ORDER BY f.resolved DESC, f.number DESC";
  if (!query.monitor.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(monitor, Find(query.monitor));
    if (monitor == 0) return findings;
    sql =
        "SELECT m.name, f.body FROM findings f CROSS JOIN monitors m WHERE m.number = f.monitor "
        "AND f.monitor = ?1 AND f.severity >= ?2 ORDER BY f.resolved DESC, f.number DESC";
  }
  Statement& rows = db_->Sql(sql);
  rows.Bind(monitor, query.min_severity ? static_cast<int>(*query.min_severity) : 0);
  const size_t limit = Bounded(query.limit);
  while (findings.size() < limit && rows.Step()) {
    absl::StatusOr<Finding> finding = DecodeFinding(rows.Bytes(1));
    if (finding.ok()) {
      findings.push_back({std::string(rows.Bytes(0)), *std::move(finding)});
    } else {
      ++damaged_rows_;
    }
  }
  PORTOLAN_RETURN_IF_ERROR(Done(rows));
  return findings;
}

// ---- the end of them ----

absl::StatusOr<size_t> MonitorStore::Prune(WallTime before, size_t keep_runs, size_t max_rows) {
  PORTOLAN_CHECK(!changing_);
  size_t gone = 0;
  absl::Status status = db_->Execute("BEGIN IMMEDIATE");
  if (status.ok()) status = PruneRemoved(max_rows, &gone);
  if (status.ok()) status = PruneOld(before, keep_runs, max_rows, &gone);
  if (status.ok()) status = db_->Execute("COMMIT");
  if (status.ok()) return gone;
  db_->Rollback();
  return status;
}

// `sql` deletes up to as many rows as its last parameter says.
template <typename... Args>
absl::Status MonitorStore::PruneRows(size_t max_rows, size_t* gone, const char* sql,
                                     const Args&... args) {
  if (*gone >= max_rows) return absl::OkStatus();
  PORTOLAN_RETURN_IF_ERROR(db_->Sql(sql).Bind(args..., uint64_t{max_rows - *gone}).Run());
  *gone += static_cast<size_t>(db_->changes());
  return absl::OkStatus();
}

absl::Status MonitorStore::PruneRemoved(size_t max_rows, size_t* gone) {
  while (*gone < max_rows) {
    Statement& first = db_->Sql("SELECT monitor FROM removed LIMIT 1");
    const int64_t monitor = first.Step() ? first.Int(0) : 0;
    PORTOLAN_RETURN_IF_ERROR(Done(first));
    if (monitor == 0) break;
    PORTOLAN_RETURN_IF_ERROR(PruneRows(max_rows, gone,
                                       "DELETE FROM events WHERE sequence IN (SELECT sequence FROM "
                                       "events WHERE monitor = ? LIMIT ?)",
                                       monitor));
    PORTOLAN_RETURN_IF_ERROR(PruneRows(max_rows, gone,
                                       "DELETE FROM findings WHERE number IN (SELECT number FROM "
                                       "findings WHERE monitor = ? LIMIT ?)",
                                       monitor));
    PORTOLAN_RETURN_IF_ERROR(PruneRows(max_rows, gone,
                                       "DELETE FROM removed WHERE monitor IN (SELECT monitor FROM "
                                       "removed WHERE monitor = ? LIMIT ?)",
                                       monitor));
  }
  return absl::OkStatus();
}

absl::Status MonitorStore::PruneOld(WallTime before, size_t keep_runs, size_t max_rows,
                                    size_t* gone) {
  const int64_t then = ToUnixMicros(before);
  PORTOLAN_RETURN_IF_ERROR(PruneRows(
      max_rows, gone,
      "DELETE FROM events WHERE sequence IN (SELECT sequence FROM events WHERE time < ? LIMIT ?)",
      then));
  PORTOLAN_RETURN_IF_ERROR(PruneRows(max_rows, gone,
                                     "DELETE FROM findings WHERE number IN (SELECT number FROM "
                                     "findings WHERE resolved < ? LIMIT ?)",
                                     then));
  std::vector<int64_t> monitors;
  Statement& all = db_->Sql("SELECT number FROM monitors");
  while (all.Step()) monitors.push_back(all.Int(0));
  PORTOLAN_RETURN_IF_ERROR(Done(all));
  for (const int64_t monitor : monitors) {
    // Numbers have no gaps, and a run under way is the newest.
    PORTOLAN_RETURN_IF_ERROR(PruneRows(
        max_rows, gone,
        "DELETE FROM runs WHERE monitor = ?1 AND number IN (SELECT number FROM runs WHERE "
        "monitor = ?1 AND number <= (SELECT max(number) FROM runs WHERE monitor = ?1) - "
        "?2 LIMIT ?3)",
        monitor, uint64_t{std::clamp<size_t>(keep_runs, 1, INT64_MAX)}));
  }
  return absl::OkStatus();
}

}  // namespace portolan
