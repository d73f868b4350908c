#pragma once

#include <string>
#include <string_view>

#include "common/scan/observation.h"

namespace portolan {

// Colours of terminals (SGR). Off: text passes unchanged.
enum class Ink { kBold, kDim, kGreen, kRed, kYellow };
inline std::string Paint(bool on, Ink ink, std::string_view text) {
  if (!on) return std::string(text);
  static constexpr const char* kCodes[] = {"1", "2", "32", "31", "33"};
  return "\x1b[" + std::string(kCodes[static_cast<int>(ink)]) + "m" + std::string(text) + "\x1b[0m";
}
// Open stands out, closed recedes.
inline std::string PaintState(bool on, State state, std::string_view text) {
  switch (state) {
    case State::kOpen:
      return Paint(on, Ink::kGreen, text);
    case State::kFiltered:
    case State::kUnreachable:
      return Paint(on, Ink::kYellow, text);
    default:
      return Paint(on, Ink::kDim, text);
  }
}

}  // namespace portolan
