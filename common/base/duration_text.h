#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/time.h"

// The one way in which lengths of time are written, in flags, environment variables and files.
namespace portolan {

// "30d", "1h30m", "45s", "1500ms", "1.5s": numbers, each with its unit of w, d, h, m, s, ms, to the
// millisecond. A number without a unit is refused, because people mean days, seconds and
// milliseconds by it; only "0" stands alone. InvalidArgument with the value and the remedy; at most
// 36525d (100 years).
absl::StatusOr<Duration> ParseDurationText(std::string_view text);
// The same, and InvalidArgument unless least <= value <= most.
absl::StatusOr<Duration> ParseDurationText(std::string_view text, Duration least, Duration most);
// Canonical: parses back to `d` cut to milliseconds. "0s" for zero and less.
std::string DurationText(Duration d);

}  // namespace portolan
