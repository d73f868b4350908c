#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/time.h"

namespace portolan {

// "2026-12-31" (its first instant, UTC) or "2026-12-31T18:00:00Z". Years 1970 to 9999.
absl::StatusOr<WallTime> ParseDateText(std::string_view text);
// Canonical, cut to seconds: the date alone where it is the first instant of one.
std::string DateText(WallTime t);

}  // namespace portolan
