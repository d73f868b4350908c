#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace portolan {

// Unsigned LEB128: 7 bits a byte, low bits first, the high bit says that more follow. At most 10
// bytes.
inline void AppendVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// Takes one varint off the front of `in`. False, with `in` unspecified: cut short, above 64 bits,
// or longer than needed (so that each number has one spelling).
inline bool TakeVarint(std::string_view& in, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const uint8_t byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return byte != 0 || shift == 0;
  }
  return false;
}

}  // namespace portolan
