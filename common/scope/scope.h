#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "common/scope/endpoint_set.h"

namespace portolan {

// One line of a scope, as people write it: an address, CIDR, range or octet expression, optionally
// with ports after a blank:
//   10.0.0.0/8        2001:db8::/32 80,443        10.0.0.1-10.0.0.9        * 25 (every address)
//   none
struct ScopeRule {
  IpSet addresses;   // empty for "none" only
  PortSet ports;     // empty: all ports
  std::string text;  // as written, for messages
  // The keyword "none", which matches nothing. Among allow rules it takes the default away.
  bool is_none() const { return addresses.empty(); }
  bool Matches(const IpAddress& address, uint16_t port) const {
    return addresses.Contains(address) && (ports.empty() || ports.Contains(port));
  }
};
// InvalidArgument names the rule and the remedy. Host names are refused (a scope must not change
// with the DNS), and so are host bits beyond a mask: who writes 10.0.0.1/8 may mean one address.
absl::StatusOr<ScopeRule> ParseScopeRule(std::string_view text);
// One rule a line, '#' comments. Errors name file and line. NotFound, PermissionDenied and so on
// when it cannot be read; ResourceExhausted above 64 MiB.
absl::StatusOr<std::vector<ScopeRule>> ReadScopeFile(const std::string& path);

// Which addresses a program may send probes to. Deny wins over allow. Immutable; share it freely
// between threads.
//   allow: loopback and private networks (127.0.0.0/8, ::1, RFC 1918, RFC 6598, ULA, and the ranges
//          reserved for documentation and benchmarks: 198.18.0.0/15, 192.0.2.0/24, 198.51.100.0/24,
//          203.0.113.0/24, 2001:db8::/32), and the rules given. A rule "none" takes the default
//          away, so that only the other rules given count.
//   deny:  the rules given, and always: cloud metadata (169.254.169.254, fd00:ec2::254, ...),
//          link-local, multicast, broadcast and the reserved 240.0.0.0/4, unspecified and "this
//          network" 0.0.0.0/8, IPv4-mapped IPv6, and link-local inside the IPv6 translation ranges.
//          The always-denied are lifted only by an allow rule that is one single address, equal to
//          it; a deny rule still wins. 64:ff9b::/96 (NAT64) and 2002::/16 (6to4) count as public.
class Scope {
 public:
  static Scope Create(std::vector<ScopeRule> allow, std::vector<ScopeRule> deny);
  static Scope Default() { return Create({}, {}); }

  // One binary search: cheap enough for every probe.
  bool Allows(const IpAddress& address, uint16_t port) const {
    return endpoints_.Contains(address, port);
  }
  // OK when every address x port is allowed. PermissionDenied naming the first refused target and
  // the rule that refused it ("8.8.8.8: public address; allow it with --allow 8.8.8.8" /
  // "10.9.0.1: denied by rule \"10.9.0.0/16\""). Linear in the ranges of both, however many
  // addresses these are.
  absl::Status Check(const IpSet& addresses, const PortSet& ports) const;
  // Addresses refused on all ports / allowed for at least one port; for planning.
  const IpSet& denied_addresses() const { return denied_; }
  const IpSet& allowed_addresses() const { return allowed_; }
  // All that is allowed, compiled.
  const EndpointSet& endpoints() const { return endpoints_; }
  // The rules, a line each, "allow ..." / "deny ...".
  std::vector<std::string> Describe() const;

 private:
  absl::Status Explain(const IpAddress& address, uint16_t port, const IpRange& target) const;

  EndpointSet endpoints_;
  IpSet allowed_;
  IpSet denied_;
  std::vector<ScopeRule> allow_;  // as given, for messages
  std::vector<ScopeRule> deny_;
};

// Exclusions added to a running scan: versioned, only ever growing. Immutable once shared.
struct DenyOverlay {
  uint64_t version = 0;
  std::vector<ScopeRule> rules;
  // Set by Prepare. Null, or made from fewer rules: Denies goes through the rules one by one.
  std::shared_ptr<const EndpointSet> compiled = nullptr;
  size_t compiled_rules = 0;

  // Makes Denies one binary search, however many rules there are. Call it before sharing the
  // overlay.
  void Prepare();
  bool Denies(const IpAddress& address, uint16_t port) const;
};

}  // namespace portolan
