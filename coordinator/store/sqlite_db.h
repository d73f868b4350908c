#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace portolan {

// One prepared statement. Errors are kept: bind and step freely, then ask status() once. Parameters
// are numbered from 1, columns from 0. Bound text and blobs must live until the next Reset. Used by
// the thread that owns its connection.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <typename... Args>
  Statement& Bind(const Args&... args) {
    Reset();
    int i = 0;
    (BindOne(++i, args), ...);
    return *this;
  }
  // True while there is a row. False at the end or on error.
  bool Step();
  // For statements that give no rows.
  absl::Status Run();
  absl::Status status() const { return status_; }
  void Reset();

  int64_t Int(int column) const;
  uint64_t U64(int column) const { return static_cast<uint64_t>(Int(column)); }
  std::string_view Bytes(int column) const;  // text or blob; until the next Step or Reset
  bool IsNull(int column) const;

  void BindOne(int i, int64_t v);
  void BindOne(int i, uint64_t v) { BindOne(i, static_cast<int64_t>(v)); }
  void BindOne(int i, int v) { BindOne(i, static_cast<int64_t>(v)); }
  void BindOne(int i, uint32_t v) { BindOne(i, static_cast<int64_t>(v)); }
  struct Blob {
    std::string_view bytes;
  };
  void BindOne(int i, Blob v);
  void BindOne(int i, std::string_view text);
  void BindOne(int i, const std::string& text) { BindOne(i, std::string_view(text)); }
  void BindOne(int i, const char* text) { BindOne(i, std::string_view(text)); }

 private:
  sqlite3* db_;
  sqlite3_stmt* stmt_ = nullptr;
  absl::Status status_;
};

// One connection, with its prepared statements. Used by one thread at a time.
class Connection {
 public:
  // Write-ahead log, foreign keys, STRICT tables. `sync_full` and `read_only` as named; waits up to
  // 10 s for another connection's lock.
  struct Options {
    bool sync_full = true;
    bool read_only = false;
    int cache_kib = 16 * 1024;
  };
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path,
                                                          const Options& options);
  ~Connection();

  // The statement of this text, prepared once and reset. `sql` must be a literal: it is the key.
  // One use at a time of each.
  Statement& Sql(const char* sql);
  // A statement of the caller's own, for text that is made up at run time.
  std::unique_ptr<Statement> Prepare(std::string_view sql) {
    return std::make_unique<Statement>(db_, sql);
  }
  // Several statements without parameters.
  absl::Status Execute(const std::string& sql);
  // Takes it back where SQLite has not done so itself already.
  void Rollback();
  sqlite3* raw() { return db_; }
  // Rows that the last statement changed.
  int64_t changes() const;

 private:
  Connection(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  sqlite3* db_;
  std::string path_;
  std::unordered_map<const char*, std::unique_ptr<Statement>> statements_;
};

// What the last failure on `db` means to a person: ResourceExhausted when there is no room,
// DataLoss when the file is damaged, Internal when a constraint was violated (a broken invariant of
// ours), Unavailable for the rest (I/O, locks).
absl::Status SqliteError(sqlite3* db, std::string_view what);

// What a file of ours holds.
struct DatabaseSchema {
  std::string_view file;   // its name, for messages
  int64_t application_id;  // in its header, so that other SQLite files are not taken for it
  std::span<const char* const> migrations;  // from version 0 on
};
// Brings the schema up to date, one transaction a migration. FailedPrecondition: the file is newer
// than this program, or not of this schema.
absl::Status Migrate(Connection& db, const DatabaseSchema& schema);
// Of portolan.db.
absl::Status Migrate(Connection& db);
int LatestSchemaVersion();

}  // namespace portolan
