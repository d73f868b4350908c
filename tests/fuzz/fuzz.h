#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// What every error must be: short, and safe to print on a terminal or in a log, whatever the input
// held.
inline void CheckError(const absl::Status& status) {
  PORTOLAN_CHECK(!status.ok());
  PORTOLAN_CHECK(!Message(status).empty() && Message(status).size() < 1500);
  for (const char c : Message(status)) PORTOLAN_CHECK(c >= 0x20 && c < 0x7f);
}

}  // namespace portolan
