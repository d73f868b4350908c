#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace portolan {

using uint128 = unsigned __int128;

// An IPv4 or IPv6 address, as a number. Ordered: all of IPv4, then all of IPv6. An IPv4-mapped IPv6
// address is parsed as the IPv4 address that it is (V6() takes the number as it comes). No zone
// ids. Value type.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress V4(uint32_t value) { return IpAddress(false, value); }
  static IpAddress V6(uint128 value) { return IpAddress(true, value); }
  // InvalidArgument for anything but one literal address: "10.0.0.1", "2001:db8::1",
  // "[2001:db8::1]".
  static absl::StatusOr<IpAddress> Parse(std::string_view text);
  // 4 or 16 bytes, network order. InvalidArgument for another size.
  static absl::StatusOr<IpAddress> FromBytes(std::string_view bytes);

  bool is_v6() const { return v6_; }
  uint128 value() const { return value_; }
  std::string ToString() const;  // RFC 5952
  std::string ToBytes() const;   // 4 or 16 bytes, network order

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  IpAddress(bool v6, uint128 value) : v6_(v6), value_(value) {}
  bool v6_ = false;
  uint128 value_ = 0;
};

// "10.0.0.1:80", "[2001:db8::1]:80".
std::string FormatEndpoint(const IpAddress& address, uint16_t port);

}  // namespace portolan

template <>
struct std::hash<portolan::IpAddress> {
  size_t operator()(const portolan::IpAddress& a) const noexcept {
    const uint64_t lo = static_cast<uint64_t>(a.value());
    const uint64_t hi =
        static_cast<uint64_t>(a.value() >> 64) ^ (a.is_v6() ? 0x9E3779B97F4A7C15u : 0);
    return std::hash<uint64_t>()(lo ^ (hi * 0xBF58476D1CE4E5B9u));
  }
};
