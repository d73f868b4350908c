#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_address.h"

namespace portolan {

// The part of RFC 1035 that looking up addresses needs.
enum class DnsType : uint16_t { kA = 1, kCname = 5, kAaaa = 28 };

// Response codes (RFC 1035, 4.1.1).
inline constexpr uint8_t kDnsNoError = 0;
inline constexpr uint8_t kDnsServFail = 2;
inline constexpr uint8_t kDnsNxDomain = 3;
inline constexpr uint8_t kDnsRefused = 5;
// "SERVFAIL", "REFUSED", ...; "response code 11" for one without a name.
std::string DnsCodeName(uint8_t code);

// What a name server answered.
struct DnsReply {
  uint8_t code = kDnsNoError;
  // Records of the wanted type that belong to the name, or to what its aliases lead to. Records of
  // other names, which a server has no reason to send, are left out.
  std::vector<IpAddress> addresses;
  // The last name in the chain of aliases; empty when the name is not an alias.
  std::string alias_of;
};

// Reads a whole answer to a question about `name`. Hostile input: InvalidArgument for a message
// that is cut off, not an answer, or whose names loop; work and memory are linear in its size. An
// IPv4-mapped AAAA record becomes the IPv4 address.
absl::StatusOr<DnsReply> ParseDnsReply(std::string_view message, std::string_view name,
                                       DnsType type);

}  // namespace portolan
