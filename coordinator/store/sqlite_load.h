#pragma once

#include "absl/status/statusor.h"
#include "coordinator/store/sqlite_db.h"
#include "coordinator/store/store.h"

namespace portolan {

// Reads what a coordinator needs to go on, and counts the epoch up, in one transaction.
absl::StatusOr<Store::StartState> LoadStartState(Connection& db);

}  // namespace portolan
