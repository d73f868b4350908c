#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"

namespace portolan {

// A host name and every address that it had when the scan was created.
struct ResolvedName {
  std::string name;
  std::vector<IpAddress> addresses;
};

// What target expressions mean. Addresses under `addresses` are probed on the scan's ports; those
// under `endpoints` on their own ports (and on the scan's too, when they are under both).
struct TargetList {
  IpSet addresses;
  struct Endpoint {
    IpAddress address;
    uint16_t port;
  };
  std::vector<Endpoint> endpoints;
  std::vector<ResolvedName> names;
};

// Resolves a host name to all its addresses (A and AAAA). NotFound when it has none. Blocks: never
// call it on a gRPC callback thread.
using Resolver = std::function<absl::StatusOr<std::vector<IpAddress>>(const std::string& name)>;
Resolver SystemResolver();  // getaddrinfo

// Parses target expressions. Each is one of
//   10.0.0.1 | 10.0.0.0/24 | 10.0.0.1-10.0.1.9 | nmap octets (10.0.0-5.1,3-4, 10.0.*.1) |
//   2001:db8::1 | 2001:db8::/64 | 2001:db8::1-2001:db8::ff | host.example | and with a
//   port: 10.0.0.1:80, [2001:db8::1]:443, host.example:22
// Text after '#' and blank expressions are ignored; an expression may hold several targets
// separated by white space. Strict: a bad mask, a reversed range, an octet above 255, a name that
// does not resolve is InvalidArgument naming the value, its position, and the remedy. A nullptr
// resolver refuses names. At most `max_ranges` ranges (ResourceExhausted).
absl::StatusOr<TargetList> ParseTargets(const std::vector<std::string>& expressions,
                                        const Resolver& resolver, size_t max_ranges = 4'000'000);

}  // namespace portolan
