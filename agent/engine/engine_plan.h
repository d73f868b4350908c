#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agent/engine/probe_engine.h"

namespace portolan {

// What an engine may use, whichever it is.
struct EnginePlan {
  uint32_t window = 0;
  std::string limited_by;
};
// InvalidArgument: a source address cannot be bound here. FailedPrecondition: no descriptor left.
absl::StatusOr<EnginePlan> PlanEngine(const EngineOptions& options);

}  // namespace portolan
