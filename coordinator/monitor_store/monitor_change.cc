// What changes the store.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/monitor/monitor_file.h"
#include "coordinator/monitor_store/monitor_store.h"
#include "coordinator/monitor_store/parts.h"
#include "coordinator/monitor_store/record.h"

namespace portolan {

using Change = MonitorStore::Change;

Change::Change(MonitorStore& store) : store_(store), db_(*store.db_) {
  PORTOLAN_CHECK(!store.changing_);
  status_ = db_.Execute("BEGIN IMMEDIATE");
  open_ = store.changing_ = true;
}

Change::~Change() {
  if (!open_) return;
  db_.Rollback();
  store_.changing_ = false;
}

absl::Status Change::Commit() {
  PORTOLAN_CHECK(open_);
  if (status_.ok()) status_ = db_.Execute("COMMIT");
  if (!status_.ok()) db_.Rollback();
  open_ = store_.changing_ = false;
  if (status_.ok()) {
    for (const std::string& name : renewed_) store_.left_out_.erase(name);
  }
  return status_;
}

// After the first error nothing more is done: SQLite may have taken the transaction back already,
// and what came after would be committed on its own.
void Change::Keep(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

int64_t Change::NumberOf(const std::string& monitor) {
  if (!status_.ok()) return 0;
  const absl::StatusOr<int64_t> number = store_.Find(monitor);
  if (!number.ok()) {
    Keep(number.status());
    return 0;
  }
  if (*number == 0) Keep(NotFound("monitor \"{}\" is not in the store: list them", monitor));
  return *number;
}

void Change::PutMonitor(const MonitorSpec& spec, const std::string& manager,
                        const MonitorPlanState& plan) {
  if (!status_.ok()) return;
  const absl::StatusOr<int64_t> number = store_.Find(spec.name);
  const absl::StatusOr<uint64_t> last = store_.LastGeneration(spec.name);
  if (!number.ok() || !last.ok()) {
    Keep(number.ok() ? last.status() : number.status());
    return;
  }
  const bool renewed = *number != 0 && store_.left_out_.count(spec.name) > 0;
  if ((*number == 0 || renewed) && plan.generation <= *last) {
    Keep(Internal("monitor \"{}\": generation {} was used before, take one above {}", spec.name,
                  plan.generation, *last));
    return;
  }
  if (renewed && renewed_.insert(spec.name).second) ForgetState(*number);
  const std::string yaml = MonitorYaml(spec);
  Keep(db_.Sql("INSERT INTO monitors (name, manager, spec) VALUES (?, ?, ?) ON CONFLICT (name) DO "
               "UPDATE SET manager = excluded.manager, spec = excluded.spec")
           .Bind(spec.name, manager, yaml)
           .Run());
  PutPlan(spec.name, plan);
  if (!spec.listed.empty()) {
    PutPart(spec.name, kTargetListPart, "", SealRecord(spec.listed.text()));
  } else if (const int64_t id = NumberOf(spec.name); id != 0) {
    Keep(db_.Sql("DELETE FROM parts WHERE monitor = ? AND kind = ?")
             .Bind(id, kTargetListPart)
             .Run());
  }
}

void Change::PutPlan(const std::string& monitor, const MonitorPlanState& plan) {
  if (NumberOf(monitor) == 0) return;
  const std::string body = EncodePlan(plan);
  Keep(db_.Sql("INSERT INTO plans (name, generation, next_number, handled_until, paused, body) "
               "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET generation = "
               "excluded.generation, next_number = excluded.next_number, handled_until = "
               "excluded.handled_until, paused = excluded.paused, body = excluded.body")
           .Bind(monitor, plan.generation, plan.next_number, ToUnixMicros(plan.handled_until),
                 plan.paused ? 1 : 0, Statement::Blob{body})
           .Run());
}

void Change::PutPart(const std::string& monitor, int kind, const std::string& vantage,
                     std::string bytes) {
  const int64_t number = NumberOf(monitor);
  if (number == 0) return;
  Keep(db_.Sql("INSERT INTO parts (monitor, kind, vantage, body) VALUES (?, ?, ?, ?) ON CONFLICT "
               "(monitor, kind, vantage) DO UPDATE SET body = excluded.body")
           .Bind(number, kind, vantage, Statement::Blob{bytes})
           .Run());
}

void Change::PutBaseline(const std::string& monitor, const std::string& vantage,
                         const VantageBaseline& baseline) {
  PutPart(monitor, kBaselinePart, vantage, EncodeBaseline(baseline));
}

void Change::PutHealth(const std::string& monitor, const std::string& vantage,
                       const VantageHealth& health, const std::vector<Canary>& canaries) {
  PutPart(monitor, kHealthPart, vantage, EncodeHealth(health));
  PutPart(monitor, kCanariesPart, vantage, EncodeCanaries(canaries));
}

void Change::DropVantage(const std::string& monitor, const std::string& vantage) {
  const int64_t number = NumberOf(monitor);
  if (number == 0) return;
  for (const int kind : {kBaselinePart, kHealthPart, kCanariesPart}) {
    if (!status_.ok()) return;
    Keep(db_.Sql("DELETE FROM parts WHERE monitor = ? AND kind = ? AND vantage = ?")
             .Bind(number, kind, vantage)
             .Run());
  }
}

void Change::PutConfirmations(const std::string& monitor, const Confirmations::State& state) {
  PutPart(monitor, kConfirmationsPart, "", EncodeConfirmations(state));
}

void Change::PutFindings(const std::string& monitor, const FindingBoard::State& state,
                         WallTime evaluated, bool stale) {
  PutPart(monitor, kFindingsPart, "", EncodeFindings({state, evaluated, stale}));
}

void Change::PutNames(const std::string& monitor, const NameTroubles& names, WallTime looked_up) {
  PutPart(monitor, kNamesPart, "", EncodeNames({names, looked_up}));
}

void Change::PutLastRuns(const std::string& monitor, const LastRuns& runs) {
  PutPart(monitor, kLastRunsPart, "", EncodeLastRuns(runs));
}

void Change::AddResolved(const std::string& monitor, std::span<const Finding> findings) {
  const int64_t number = NumberOf(monitor);
  if (number == 0) return;
  for (const Finding& finding : findings) {
    if (!status_.ok()) return;
    const std::string body = EncodeFinding(finding);
    Keep(db_.Sql("INSERT INTO findings (monitor, resolved, severity, body) VALUES (?, ?, ?, ?)")
             .Bind(number, ToUnixMicros(finding.resolved), static_cast<int>(finding.severity),
                   Statement::Blob{body})
             .Run());
  }
}

std::vector<StoredEvent> Change::AddEvents(const std::string& monitor,
                                           std::span<const ExposureEvent> events) {
  std::vector<StoredEvent> stored;
  const int64_t number = NumberOf(monitor);
  if (number == 0) return stored;
  for (const ExposureEvent& event : events) {
    const std::string body = EncodeEvent(event), target = event.subject.target.ToString();
    Statement& insert = db_.Sql(
        "INSERT INTO events (monitor, number, time, id, vantage, target, port, body) VALUES (?, "
        "?, ?, ?, ?, ?, ?, ?) RETURNING sequence");
    insert.Bind(number, event.sequence, ToUnixMicros(event.time), event.id, event.vantage, target,
                uint32_t{event.subject.port}, Statement::Blob{body});
    const uint64_t sequence = insert.Step() ? insert.U64(0) : 0;
    Keep(insert.Run());
    if (!status_.ok()) return {};
    stored.push_back({sequence, event});
  }
  return stored;
}

void Change::PutRun(const RunRecord& run) {
  const int64_t number = NumberOf(run.monitor);
  if (number == 0) return;
  const std::string unresolved = run.unresolved.empty() ? "" : EncodeUnresolved(run.unresolved);
  Keep(db_.Sql("INSERT OR REPLACE INTO runs (monitor, number, generation, \"trigger\", state, due, "
               "started, finished, scan, message, positions, known, candidates, unresolved) VALUES "
               "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, x''))")
           .Bind(number, run.number, run.generation, static_cast<int>(run.trigger),
                 static_cast<int>(run.state), ToUnixMicros(run.due), ToUnixMicros(run.started),
                 ToUnixMicros(run.finished), run.scan, run.message, run.positions, run.known,
                 run.candidates, Statement::Blob{unresolved})
           .Run());
  if (run.state == RunState::kRunning || !status_.ok()) return;
  Keep(db_.Sql("DELETE FROM run_inputs WHERE monitor = ? AND number <= ?")  // and what a crash left
           .Bind(number, run.number)
           .Run());
}

void Change::PutRunInput(const std::string& monitor, uint64_t number, std::string_view bytes) {
  const int64_t id = NumberOf(monitor);
  if (id == 0) return;
  const std::string body = SealRecord(std::string(bytes));
  Keep(db_.Sql("INSERT INTO run_inputs (monitor, number, body) VALUES (?, ?, ?) ON CONFLICT "
               "(monitor, number) DO UPDATE SET body = excluded.body")
           .Bind(id, number, Statement::Blob{body})
           .Run());
}

absl::StatusOr<size_t> Change::Notify(const Outbox& outbox, const Notification& notification) {
  if (!status_.ok()) return status_;
  absl::StatusOr<size_t> count = outbox.Enqueue(db_, notification);
  if (!count.ok() && count.status().code() != absl::StatusCode::kInvalidArgument) {
    Keep(count.status());
  }
  return count;
}

void Change::ForgetState(int64_t number) {
  for (const char* sql :
       {"DELETE FROM parts WHERE monitor = ?", "DELETE FROM run_inputs WHERE monitor = ?",
        "DELETE FROM runs WHERE monitor = ?"}) {
    if (!status_.ok()) return;
    Keep(db_.Sql(sql).Bind(number).Run());
  }
}

void Change::RemoveMonitor(const std::string& name) {
  if (!status_.ok()) return;
  const absl::StatusOr<int64_t> number = store_.Find(name);
  if (!number.ok()) Keep(number.status());
  if (!status_.ok() || *number == 0) return;
  ForgetState(*number);
  for (const char* sql :
       {"DELETE FROM monitors WHERE number = ?", "INSERT INTO removed (monitor) VALUES (?)"}) {
    if (!status_.ok()) return;
    Keep(db_.Sql(sql).Bind(*number).Run());
  }
  if (!status_.ok()) return;
  Keep(db_.Sql("UPDATE plans SET body = NULL WHERE name = ?").Bind(name).Run());
  if (store_.left_out_.count(name) > 0) renewed_.insert(name);
}

}  // namespace portolan
