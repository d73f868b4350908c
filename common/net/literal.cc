#include "common/net/literal.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "common/base/escape.h"

namespace portolan::literal {
namespace {

constexpr uint128 kMappedPrefix = uint128{0xffff} << 32;  // ::ffff:0:0/96

bool IsMapped(uint128 v6) { return (v6 >> 32) == (kMappedPrefix >> 32); }

// What is wrong with a text that ParseV4 refused though it is made of digits and dots.
Problem DiagnoseV4(std::string_view text) {
  size_t octets = 1;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '.') continue;
    const std::string_view octet = text.substr(begin, i - begin);
    uint32_t value;
    if (octet.empty()) return "an octet is missing; write four numbers, such as 10.0.0.1";
    if (!ParseNumber(octet, 255, &value))
      return fmt::format("octet {} is above 255", Printable(octet));
    if (octet.size() > 1 && octet[0] == '0') {
      return fmt::format("octet {} has a leading zero, which some programs read as octal; write {}",
                         Printable(octet), value);
    }
    if (i < text.size()) ++octets;
    begin = i + 1;
  }
  return fmt::format("{} octet{}; write four, such as 10.0.0.1", octets, octets == 1 ? "" : "s");
}

// The length of a mask that is written as an address: 255.255.255.0 is 24.
Problem ParseDottedMask(std::string_view text, uint32_t* length) {
  uint32_t mask;
  if (!ParseV4(text, &mask)) {
    return fmt::format("mask \"{}\" is not four octets; write such as /24 or /255.255.255.0",
                       Printable(text));
  }
  const auto ones = static_cast<uint32_t>(std::countl_one(mask));
  *length = ones;
  if (ones == static_cast<uint32_t>(std::popcount(mask))) return {};
  const uint32_t zeros = static_cast<uint32_t>(std::countl_zero(mask));
  if (zeros == static_cast<uint32_t>(std::popcount(~mask))) {
    return fmt::format("mask {} has its ones at the end, as wildcards of routers have; write /{}",
                       text, zeros);
  }
  return fmt::format("mask {} has zeros between its ones; write a length, such as /{}", text, ones);
}

}  // namespace

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string Printable(std::string_view text) { return Escaped(text); }

bool ParseV4(std::string_view text, uint32_t* out) {
  if (text.size() < 7 || text.size() > 15) return false;
  uint32_t value = 0;
  const char* p = text.data();
  const char* const end = p + text.size();
  for (int octet = 0; octet < 4; ++octet) {
    if (octet > 0) {
      if (p == end || *p != '.') return false;
      ++p;
    }
    if (p == end || !IsDigit(*p)) return false;
    uint32_t n = static_cast<uint32_t>(*p++ - '0');
    const bool zero = n == 0;
    while (p != end && IsDigit(*p)) {
      if (zero) return false;
      n = n * 10 + static_cast<uint32_t>(*p++ - '0');
      if (n > 255) return false;
    }
    value = value << 8 | n;
  }
  *out = value;
  return p == end;
}

bool ParseV6(std::string_view text, uint128* out) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.size() < 2 || text.size() >= sizeof(buffer) || text.find('\0') != text.npos)
    return false;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  unsigned char bytes[16];
  if (inet_pton(AF_INET6, buffer, bytes) != 1) return false;
  uint128 value = 0;
  for (const unsigned char b : bytes) value = value << 8 | b;
  *out = value;
  return true;
}

bool ParseNumber(std::string_view text, uint32_t max, uint32_t* out) {
  if (text.empty()) return false;
  uint64_t value = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
    if (value > max) return false;
  }
  *out = static_cast<uint32_t>(value);
  return true;
}

Problem ParseAddress(std::string_view text, IpAddress* out) {
  uint32_t v4;
  if (ParseV4(text, &v4)) {
    *out = IpAddress::V4(v4);
    return {};
  }
  if (text.empty()) return "the address is missing";
  if (text.find('%') != text.npos) {
    return fmt::format(
        "zone ids mean nothing on another machine and are not supported; write {} without the % "
        "part",
        Printable(text.substr(0, text.find('%'))));
  }
  std::string_view inner = text;
  if (inner.front() == '[') {
    if (inner.back() != ']') return "the closing bracket is missing; write [2001:db8::1]";
    inner = inner.substr(1, inner.size() - 2);
  }
  uint128 v6;
  if (ParseV6(inner, &v6)) {
    *out = IsMapped(v6) ? IpAddress::V4(static_cast<uint32_t>(v6)) : IpAddress::V6(v6);
    return {};
  }
  if (text.find(':') != text.npos || text.front() == '[')
    return "not an IPv6 address; write one such as 2001:db8::1";
  if (text.find_first_not_of("0123456789.") == text.npos) return DiagnoseV4(text);
  return "not an address; write one such as 10.0.0.1 or 2001:db8::1";
}

Problem ParseNetwork(std::string_view text, bool strict_host_bits, IpRange* out) {
  const size_t slash = text.find('/');
  if (slash == text.npos) return "the mask is missing; write ADDRESS/LENGTH, such as 10.0.0.0/24";
  const std::string_view address_text = text.substr(0, slash);
  const std::string_view mask_text = text.substr(slash + 1);
  IpAddress address;
  if (Problem p = ParseAddress(address_text, &address); !p.empty()) return p;
  const bool written_as_v6 = address_text.find(':') != address_text.npos;
  uint32_t bits = written_as_v6 ? 128 : 32;
  uint32_t length;
  if (mask_text.empty()) return fmt::format("the mask is missing; write /0 to /{}", bits);
  const bool dotted = !written_as_v6 && mask_text.find('.') != mask_text.npos &&
                      mask_text.find_first_not_of("0123456789.") == mask_text.npos;
  if (dotted) {
    if (Problem p = ParseDottedMask(mask_text, &length); !p.empty()) return p;
  } else if (mask_text.find_first_not_of("0123456789") != mask_text.npos) {
    return fmt::format("mask \"{}\" is not a length; write /0 to /{}", Printable(mask_text), bits);
  } else if (!ParseNumber(mask_text, bits, &length)) {
    return fmt::format("mask is above {}; write /0 to /{}", bits, bits);
  } else if (mask_text.size() > 1 && mask_text[0] == '0') {
    return fmt::format("mask {} has a leading zero; write /{}", Printable(mask_text), length);
  }
  uint128 value = address.value();
  const bool mapped = written_as_v6 && !address.is_v6();
  if (mapped && length < 96)
    return "an IPv4-mapped network shorter than /96 is neither IPv4 nor IPv6; write the IPv4 "
           "network";
  if (mapped) {
    length -= 96;
    bits = 32;
  }
  const uint128 all = bits == 32 ? uint128{0xffffffff} : ~uint128{0};
  const uint128 host_mask = length == 0 ? all : (uint128{1} << (bits - length)) - 1;
  const bool v6 = address.is_v6();
  const auto make = [v6](uint128 v) {
    return v6 ? IpAddress::V6(v) : IpAddress::V4(static_cast<uint32_t>(v));
  };
  const IpRange network{make(value & ~host_mask), make(value | host_mask)};
  if (strict_host_bits && network.first != address) {
    return fmt::format("bits are set beyond the mask; write {}/{}", network.first.ToString(),
                       length);
  }
  *out = network;
  return {};
}

Problem ParseAddressRange(std::string_view text, IpRange* out) {
  const size_t dash = text.find('-');
  if (dash == text.npos) return "not a range; write FIRST-LAST, such as 10.0.0.1-10.0.0.9";
  IpRange range;
  if (Problem p = ParseAddress(text.substr(0, dash), &range.first); !p.empty())
    return "first address: " + p;
  if (Problem p = ParseAddress(text.substr(dash + 1), &range.last); !p.empty())
    return "last address: " + p;
  if (range.first.is_v6() != range.last.is_v6())
    return "one end is IPv4, the other IPv6; write two ranges";
  if (range.last < range.first) {
    return fmt::format("first address is above last; write {}-{}", range.last.ToString(),
                       range.first.ToString());
  }
  *out = range;
  return {};
}

}  // namespace portolan::literal
