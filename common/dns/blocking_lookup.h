#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/name_lookup.h"

namespace portolan {

// Looks up `names` and waits for it: one answer per name, in the order of the names. For threads
// that may block. `progress` and `cancelled` may be null; both run on the calling thread:
// `progress` whenever more names have an answer, `cancelled` about every 20 ms. Once `cancelled`
// returns true the rest of the lookup is cancelled, and the result is Cancelled.
absl::StatusOr<std::vector<NameAnswer>> LookUp(NameLookup& lookup, std::vector<std::string> names,
                                               const NameLookup::Progress& progress = nullptr,
                                               const std::function<bool()>& cancelled = nullptr);

}  // namespace portolan
