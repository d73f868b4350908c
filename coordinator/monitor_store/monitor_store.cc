// Opening, and reading what a start needs.
#include "coordinator/monitor_store/monitor_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "common/monitor/monitor_file.h"
#include "coordinator/monitor_store/parts.h"
#include "coordinator/monitor_store/record.h"
#include "coordinator/monitor_store/schema.h"

namespace portolan {
namespace {

constexpr int64_t kApplicationId = 0x506F724D;  // "PorM"

// Made here, so that nobody else may read it even where the directory lets them; SQLite gives its
// log the same mode.
absl::Status MakeFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) {
    close(file);
    return absl::OkStatus();
  }
  const int error = errno;
  const std::string what = fmt::format("{}: cannot open the database: {}", path, strerror(error));
  if (error == ENOSPC || error == EDQUOT) return ResourceExhausted("{}; free space there", what);
  return PermissionDenied("{}; check the owner and mode of the data directory", what);
}

// The monitor of a stored document; nullopt: it cannot be read.
std::optional<MonitorSpec> ParseOne(std::string_view yaml, std::string_view name,
                                    std::string* problem) {
  MonitorFile file = ParseMonitors(yaml);
  const absl::Status status = ProblemsStatus("stored", file.problems);
  if (!status.ok()) {
    *problem = Message(status);
  } else if (file.monitors.size() != 1 || file.monitors[0].spec.name != name) {
    *problem = "it is not one monitor of this name";
  } else {
    return std::move(file.monitors[0].spec);
  }
  return std::nullopt;
}

struct MonitorRow {
  int64_t number = 0;
  std::string name, manager, yaml;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MonitorStore>> MonitorStore::Open(const std::string& path,
                                                                 bool sync_full) {
  PORTOLAN_RETURN_IF_ERROR(MakeFile(path));
  Connection::Options options;
  options.sync_full = sync_full;
  PORTOLAN_ASSIGN_OR_RETURN(std::unique_ptr<Connection> db, Connection::Open(path, options));
  PORTOLAN_RETURN_IF_ERROR(Migrate(*db, {"monitors.db", kApplicationId, kMonitorSchema}));
  PORTOLAN_RETURN_IF_ERROR(Outbox::CreateTables(*db));
  // The thread that owns it may wait for the disk, so commits can take the log along: 16 MiB.
  PORTOLAN_RETURN_IF_ERROR(db->Execute("PRAGMA wal_autocheckpoint = 4096"));
  return std::unique_ptr<MonitorStore>(new MonitorStore(std::move(db)));
}

absl::StatusOr<MonitorStore::Loaded> MonitorStore::LoadAll() {
  std::vector<MonitorRow> rows;
  Statement& monitors = db_->Sql("SELECT number, name, manager, spec FROM monitors ORDER BY name");
  while (monitors.Step()) {
    rows.push_back({monitors.Int(0), std::string(monitors.Bytes(1)), std::string(monitors.Bytes(2)),
                    std::string(monitors.Bytes(3))});
  }
  PORTOLAN_RETURN_IF_ERROR(monitors.status());
  Loaded loaded;
  for (MonitorRow& row : rows) {
    std::string problem;
    std::optional<MonitorSpec> spec = ParseOne(row.yaml, row.name, &problem);
    if (!spec) {
      left_out_.insert(row.name);
      loaded.problems.push_back(
          {row.name,
           fmt::format("its stored specification cannot be read, so it does not run until it is "
                       "applied again: {}",
                       problem)});
      continue;
    }
    MonitorRecord record;
    record.spec = *std::move(spec);
    record.manager = std::move(row.manager);
    PORTOLAN_RETURN_IF_ERROR(LoadPlan(record, loaded.problems));
    PORTOLAN_RETURN_IF_ERROR(LoadParts(row.number, record, loaded.problems));
    if (!record.spec.targets_file.empty() && record.spec.listed.empty()) {
      left_out_.insert(row.name);
      loaded.problems.push_back(
          {row.name,
           fmt::format(
               "its stored list of targets (from \"{}\") cannot be read, so it does not run "
               "until it is applied again",
               record.spec.targets_file)});
      continue;
    }
    loaded.monitors.push_back(std::move(record));
  }
  return loaded;
}

absl::Status MonitorStore::LoadPlan(MonitorRecord& record, std::vector<StoreProblem>& problems) {
  Statement& plan = db_->Sql(
      "SELECT generation, next_number, handled_until, paused, body FROM plans WHERE name = ?");
  plan.Bind(record.spec.name);
  const bool found = plan.Step();
  PORTOLAN_RETURN_IF_ERROR(plan.status());
  absl::StatusOr<MonitorPlanState> decoded = DecodePlan(found ? plan.Bytes(4) : "");
  if (decoded.ok()) {
    record.plan = *std::move(decoded);
  } else {
    // A new generation, so that no key of a scan comes twice.
    if (found) {
      record.plan.generation = plan.U64(0) + 1;
      record.plan.next_number = std::max<uint64_t>(1, plan.U64(1));
      record.plan.handled_until = FromUnixMicros(plan.Int(2));
      record.plan.paused = plan.Int(3) != 0;
    }
    problems.push_back(
        {record.spec.name, fmt::format("{}: a run under way is forgotten, and its counts of runs "
                                       "begin anew",
                                       Message(decoded.status()))});
  }
  plan.Reset();
  return absl::OkStatus();
}

absl::Status MonitorStore::LoadParts(int64_t number, MonitorRecord& record,
                                     std::vector<StoreProblem>& problems) {
  MonitorExposure::State& state = record.exposure;
  const auto take = [&](auto decoded, auto& into, const std::string& vantage,
                        std::string_view consequence) {
    if (decoded.ok()) return into = *std::move(decoded), true;
    const std::string from = vantage.empty() ? "" : fmt::format("vantage \"{}\": ", vantage);
    problems.push_back(
        {record.spec.name, fmt::format("{}{}: {}", from, Message(decoded.status()), consequence)});
    return false;
  };
  bool confirmations_lost = false;
  Statement& parts = db_->Sql("SELECT kind, vantage, body FROM parts WHERE monitor = ?");
  parts.Bind(number);
  while (parts.Step()) {
    const std::string vantage(parts.Bytes(1));
    const std::string_view bytes = parts.Bytes(2);
    switch (parts.Int(0)) {
      case kBaselinePart:
        take(DecodeBaseline(bytes), state.baselines[vantage], vantage,
             "its next complete run becomes the baseline, and what changed before is not told");
        break;
      case kHealthPart: {
        VantageHealth& health = state.health[vantage];
        if (!take(DecodeHealth(bytes), health, vantage, "a run under way is not believed")) {
          health.tainted = true;
        }
        break;
      }
      case kCanariesPart:
        take(DecodeCanaries(bytes), state.canaries[vantage], vantage, "they are chosen anew");
        break;
      case kConfirmationsPart:
        confirmations_lost = !take(DecodeConfirmations(bytes), state.confirmations, "",
                                   "changes in confirmation wait for the next run");
        break;
      case kFindingsPart: {
        StoredFindings findings;
        take(DecodeFindings(bytes), findings, "", "they are found again, as of now");
        state.findings = std::move(findings.board);
        state.evaluated = findings.evaluated;
        state.stale = findings.stale;
        break;
      }
      case kNamesPart: {
        StoredNames names;
        take(DecodeNames(bytes), names, "", "names are looked up by the next run");
        state.names = std::move(names.troubles);
        state.looked_up = names.looked_up;
        break;
      }
      case kLastRunsPart:
        take(DecodeLastRuns(bytes), record.last_runs, "",
             "what was before is not known of changes that the next run finds");
        break;
      case kTargetListPart:
        if (const auto text = UnsealRecord(bytes)) {
          record.spec.listed = ListedTargets::Stored(std::string(*text));
        }
        break;
      default:  // of a newer program that was here in between
        problems.push_back(
            {record.spec.name, fmt::format("a part of unknown kind {} is ignored", parts.Int(0))});
    }
  }
  PORTOLAN_RETURN_IF_ERROR(parts.status());
  if (!confirmations_lost) return absl::OkStatus();
  Statement& last = db_->Sql("SELECT max(number) FROM events WHERE monitor = ?");
  last.Bind(number);
  state.confirmations.next_sequence = last.Step() ? last.U64(0) + 1 : 1;
  PORTOLAN_RETURN_IF_ERROR(last.status());
  last.Reset();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> MonitorStore::LastGeneration(std::string_view name) {
  Statement& last = db_->Sql("SELECT generation FROM plans WHERE name = ?");
  last.Bind(name);
  const uint64_t generation = last.Step() ? last.U64(0) : 0;
  PORTOLAN_RETURN_IF_ERROR(last.status());
  last.Reset();
  return generation;
}

absl::StatusOr<int64_t> MonitorStore::Find(std::string_view monitor) {
  Statement& find = db_->Sql("SELECT number FROM monitors WHERE name = ?");
  find.Bind(monitor);
  const int64_t number = find.Step() ? find.Int(0) : 0;
  PORTOLAN_RETURN_IF_ERROR(find.status());
  find.Reset();
  return number;
}

}  // namespace portolan
