#include <sqlite3.h>

#include <string>

#include "common/base/status.h"
#include "coordinator/store/schema_sql.h"
#include "coordinator/store/spec_codec.h"
#include "coordinator/store/sqlite_db.h"

namespace portolan {
namespace {

absl::StatusOr<int64_t> Pragma(Connection& db, const char* sql) {
  const auto statement = db.Prepare(sql);
  const int64_t value = statement->Step() ? statement->Int(0) : 0;
  PORTOLAN_RETURN_IF_ERROR(statement->status());
  return value;
}

}  // namespace

namespace {

// portolan_spec_name(spec): a scan's name out of its stored specification, '' where that is
// damaged. For the migration that gives names a column.
void SpecName(sqlite3_context* context, int, sqlite3_value** values) {
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(values[0]));
  const auto size = static_cast<size_t>(sqlite3_value_bytes(values[0]));
  const auto spec =
      DecodeSpec(bytes == nullptr ? std::string_view() : std::string_view(bytes, size));
  const std::string name = spec.ok() ? spec->first.name : "";
  sqlite3_result_text(context, name.data(), static_cast<int>(name.size()), SQLITE_TRANSIENT);
}

}  // namespace

int LatestSchemaVersion() { return static_cast<int>(std::size(kSchemaMigrations)); }

absl::Status Migrate(Connection& db) {
  if (sqlite3_create_function(db.raw(), "portolan_spec_name", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                              nullptr, SpecName, nullptr, nullptr) != SQLITE_OK) {
    return SqliteError(db.raw(), "cannot prepare the migration of portolan.db");
  }
  return Migrate(db, {"portolan.db", 0x506F7274 /* "Port" */, kSchemaMigrations});
}

absl::Status Migrate(Connection& db, const DatabaseSchema& schema) {
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t version, Pragma(db, "PRAGMA user_version"));
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t application, Pragma(db, "PRAGMA application_id"));
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t tables, Pragma(db, "SELECT count(*) FROM sqlite_schema"));
  if (application != schema.application_id && (version != 0 || application != 0 || tables != 0)) {
    return FailedPrecondition(
        "{} is a database of another program: name another data directory with --data DIR",
        schema.file);
  }
  const int64_t latest = static_cast<int64_t>(schema.migrations.size());
  if (version > latest) {
    return FailedPrecondition(
        "{} has schema version {}, this program knows up to {}: run a newer version of it",
        schema.file, version, latest);
  }
  for (int64_t next = version + 1; next <= latest; ++next) {
    const absl::Status status = db.Execute(fmt::format(
        "BEGIN IMMEDIATE;\n{}\nPRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
        schema.migrations[static_cast<size_t>(next - 1)], schema.application_id, next));
    if (!status.ok()) {
      db.Rollback();
      return Annotate(status, fmt::format("{}: schema migration {}", schema.file, next));
    }
  }
  return absl::OkStatus();
}

}  // namespace portolan
