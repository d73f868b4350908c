#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace portolan {

// For blobs that are kept, not sent: chunk encodings in natural order repeat themselves host by
// host, and zstd level 3 takes most of that away. One byte says how the rest is stored: 0 as it is
// (when that is no longer), 1 one zstd frame. Thread-safe.
std::string CompressForStorage(std::string_view plain);

// DataLoss: not what CompressForStorage made, or of more than `max_size` bytes; so a damaged file
// cannot make us allocate more.
absl::StatusOr<std::string> DecompressFromStorage(std::string_view stored, size_t max_size);

}  // namespace portolan
