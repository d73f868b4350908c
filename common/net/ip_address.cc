#include "common/net/ip_address.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/literal.h"

namespace portolan {

absl::StatusOr<IpAddress> IpAddress::Parse(std::string_view text) {
  IpAddress address;
  if (const literal::Problem p = literal::ParseAddress(text, &address); !p.empty()) {
    return InvalidArgument("address \"{}\": {}", literal::Printable(text), p);
  }
  return address;
}

absl::StatusOr<IpAddress> IpAddress::FromBytes(std::string_view bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) {
    return InvalidArgument("address of {}: an address has 4 or 16 bytes",
                           Counted(bytes.size(), "byte", "bytes"));
  }
  uint128 value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  if (bytes.size() == 4 || value >> 32 == 0xffff) return V4(static_cast<uint32_t>(value));
  return V6(value);
}

std::string IpAddress::ToString() const {
  if (!v6_ || value_ >> 32 == 0xffff) {
    const auto v = static_cast<uint32_t>(value_);
    return fmt::format("{}{}.{}.{}.{}", v6_ ? "::ffff:" : "", v >> 24, v >> 16 & 255, v >> 8 & 255,
                       v & 255);
  }
  std::array<uint16_t, 8> groups;
  for (int i = 0; i < 8; ++i) groups[i] = static_cast<uint16_t>(value_ >> (112 - 16 * i));
  // The longest run of at least two zero groups, the first of equals, becomes "::".
  int best = -1;
  int best_length = 1;
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = std::max(end, i + 1);
  }
  std::string out;
  for (int i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    fmt::format_to(std::back_inserter(out), "{:x}", groups[i]);
  }
  return out;
}

std::string IpAddress::ToBytes() const {
  const int size = v6_ ? 16 : 4;
  std::string out(size, '\0');
  for (int i = 0; i < size; ++i) out[i] = static_cast<char>(value_ >> (8 * (size - 1 - i)));
  return out;
}

std::string FormatEndpoint(const IpAddress& address, uint16_t port) {
  if (address.is_v6()) return fmt::format("[{}]:{}", address.ToString(), port);
  return fmt::format("{}:{}", address.ToString(), port);
}

}  // namespace portolan
