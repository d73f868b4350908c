#pragma once

#include <optional>

#include "agent/pacing/table_guard.h"

namespace portolan {

// The table of tracked connections as the kernel shows it to this network namespace; nullopt where
// nothing is tracked or it is not shown. Takes some microseconds a core.
std::optional<TableUse> ReadConntrack();

}  // namespace portolan
