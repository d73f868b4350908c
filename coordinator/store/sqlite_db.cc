#include "coordinator/store/sqlite_db.h"

#include <sqlite3.h>

#include <limits>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {

absl::Status SqliteError(sqlite3* db, std::string_view what) {
  const int code = sqlite3_extended_errcode(db);
  const char* file = sqlite3_db_filename(db, "main");
  const std::string message =
      fmt::format("{}: {}: {} ({})", file ? file : "database", what, sqlite3_errmsg(db), code);
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return ResourceExhausted(
          "{}; free space on that disk (or raise the limit of the database's size), work goes on "
          "by itself",
          message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DataLoss(
          "{}; the file is damaged: restore the data directory from a backup, or start with an "
          "empty one",
          message);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
      return Internal("{}", message);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return PermissionDenied("{}; check the owner and mode of the data directory", message);
    default:
      return Unavailable("{}; check the disk, work goes on by itself once it answers", message);
  }
}

Statement::Statement(sqlite3* db, std::string_view sql) : db_(db) {
  if (sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &stmt_, nullptr) != SQLITE_OK) {
    status_ = SqliteError(db, sql.substr(0, 60));
    sqlite3_finalize(stmt_);
    stmt_ = nullptr;
  }
}

Statement::~Statement() { sqlite3_finalize(stmt_); }

void Statement::Reset() {
  if (stmt_ == nullptr) return;
  sqlite3_reset(stmt_);
  status_ = absl::OkStatus();
}

bool Statement::Step() {
  if (!status_.ok()) return false;
  const int rc = sqlite3_step(stmt_);
  if (rc == SQLITE_ROW) return true;
  if (rc != SQLITE_DONE) {
    const std::string_view sql = sqlite3_sql(stmt_);
    status_ = SqliteError(db_, sql.substr(0, 60));
  }
  sqlite3_reset(stmt_);  // ends the read that it held open; keeps the error kept above
  return false;
}

absl::Status Statement::Run() {
  while (Step()) {
  }
  return status_;
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(stmt_, column); }

std::string_view Statement::Bytes(int column) const {
  const void* p = sqlite3_column_blob(stmt_, column);
  return {static_cast<const char*>(p), static_cast<size_t>(sqlite3_column_bytes(stmt_, column))};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(stmt_, column) == SQLITE_NULL;
}

void Statement::BindOne(int i, int64_t v) {
  if (stmt_ == nullptr) return;
  if (sqlite3_bind_int64(stmt_, i, v) != SQLITE_OK) status_ = SqliteError(db_, "bind");
}

void Statement::BindOne(int i, Blob v) {
  if (stmt_ == nullptr) return;
  // A null pointer would bind NULL, not an empty blob.
  const char* data = v.bytes.empty() ? "" : v.bytes.data();
  if (sqlite3_bind_blob64(stmt_, i, data, v.bytes.size(), SQLITE_STATIC) != SQLITE_OK)
    status_ = SqliteError(db_, "bind");
}

void Statement::BindOne(int i, std::string_view text) {
  if (stmt_ == nullptr) return;
  const char* data = text.empty() ? "" : text.data();
  if (sqlite3_bind_text64(stmt_, i, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
    status_ = SqliteError(db_, "bind");
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path,
                                                             const Options& options) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | (options.read_only ? 0 : SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int rc = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  if (raw == nullptr) return ResourceExhausted("{}: no memory for a database connection", path);
  std::unique_ptr<Connection> db(new Connection(raw, path));
  if (rc != SQLITE_OK) return SqliteError(raw, "open");
  sqlite3_busy_timeout(raw, 10'000);
  // journal_size_limit: after a burst the log file shrinks again. Checkpoints are the store's own
  // business (see SqliteStore).
  std::string pragmas = fmt::format(
      "PRAGMA cache_size = -{}; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON; PRAGMA "
      "trusted_schema = OFF;"
      "PRAGMA synchronous = {};",
      options.cache_kib, options.sync_full ? "FULL" : "NORMAL");
  if (options.read_only) {
    pragmas += "PRAGMA query_only = ON;";
  } else {
    pragmas +=
        "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 268435456; PRAGMA "
        "wal_autocheckpoint = 0;";
  }
  PORTOLAN_RETURN_IF_ERROR(db->Execute(pragmas));
  return db;
}

Connection::~Connection() {
  statements_.clear();
  sqlite3_close_v2(db_);
}

Statement& Connection::Sql(const char* sql) {
  std::unique_ptr<Statement>& slot = statements_[sql];
  // One that could not be prepared (no memory, damaged schema) is tried again the next time.
  if (slot == nullptr || !slot->status().ok()) slot = std::make_unique<Statement>(db_, sql);
  slot->Reset();
  return *slot;
}

absl::Status Connection::Execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
    return absl::OkStatus();
  return SqliteError(db_, std::string_view(sql).substr(0, 60));
}

void Connection::Rollback() {
  for (auto& [sql, statement] : statements_) statement->Reset();
  // An error here means that there is no transaction any more, which is what was wanted.
  if (sqlite3_get_autocommit(db_) == 0)
    (void)sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

int64_t Connection::changes() const { return sqlite3_changes64(db_); }

}  // namespace portolan
