#pragma once

#include "cli/environment.h"

namespace portolan {

// Local mode: a coordinator without a port and, on demand, an agent that reaches it through an
// in-process channel. The only place of the project that puts the two together. Errors name the
// remedy; FailedPrecondition: another program has the data directory.
absl::StatusOr<std::unique_ptr<LocalStack>> StartLocalStack(const LocalOptions& options);

}  // namespace portolan
