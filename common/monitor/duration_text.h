#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/time.h"

namespace portolan {

// "1h30m", "45s", "250ms", "30d": whole numbers with the units w, d, h, m, s, ms. A number needs
// its unit. InvalidArgument with the remedy; at most 100 years.
absl::StatusOr<Duration> ParseDurationText(std::string_view text);
// The same, canonical: parses back to `d` cut to milliseconds. "0s" for zero and less.
std::string DurationText(Duration d);

// "2026-12-31" (its first instant, UTC) or "2026-12-31T18:00:00Z". Years 1970 to 9999.
absl::StatusOr<WallTime> ParseDateText(std::string_view text);
// Canonical, cut to seconds: the date alone where it is the first instant of one.
std::string DateText(WallTime t);

}  // namespace portolan
