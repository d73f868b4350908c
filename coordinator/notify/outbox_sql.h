#pragma once

#include <functional>

#include "common/base/status.h"
#include "coordinator/store/sqlite_db.h"

// What the outbox's files have in common.
namespace portolan {

// All or nothing, inside the caller's transaction or as one of its own.
inline absl::Status InSavepoint(Connection& db, const std::function<absl::Status()>& body) {
  PORTOLAN_RETURN_IF_ERROR(db.Sql("SAVEPOINT notify").Run());
  absl::Status status = body();
  if (status.ok()) status = db.Sql("RELEASE notify").Run();
  if (!status.ok()) {
    // They fail only when SQLite took the whole transaction back already; `status` says why.
    (void)db.Sql("ROLLBACK TO notify").Run();
    (void)db.Sql("RELEASE notify").Run();
  }
  return status;
}

// The first column of the first row; 0 without one. Runs the statement to its end.
inline absl::StatusOr<int64_t> One(Statement& statement) {
  const int64_t value = statement.Step() ? statement.Int(0) : 0;
  PORTOLAN_RETURN_IF_ERROR(statement.status());
  statement.Reset();  // ends the read
  return value;
}

// The first column of all rows, added up.
inline absl::StatusOr<uint64_t> Sum(Statement& statement) {
  uint64_t sum = 0;
  while (statement.Step()) sum += statement.U64(0);
  PORTOLAN_RETURN_IF_ERROR(statement.status());
  return sum;
}

}  // namespace portolan
