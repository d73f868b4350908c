#include "cli/local.h"
#include "common/base/status.h"

namespace portolan {
absl::StatusOr<std::unique_ptr<LocalStack>> StartLocalStack(const LocalOptions&) {
  return Unimplemented(
      "local mode is not part of this build: name a coordinator with --coordinator HOST:PORT");
}
}  // namespace portolan
