#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"

namespace portolan {

// One line of a scope, as people write it: an address, CIDR or range, optionally with ports after a blank:
//   10.0.0.0/8        2001:db8::/32 80,443
struct ScopeRule {
  IpSet addresses;
  PortSet ports;     // empty: all ports
  std::string text;  // as written, for messages
};
absl::StatusOr<ScopeRule> ParseScopeRule(std::string_view text);
// One rule a line, '#' comments. Errors name file and line.
absl::StatusOr<std::vector<ScopeRule>> ReadScopeFile(const std::string& path);

// Which addresses a program may send probes to. Deny wins over allow. Immutable; share it freely between threads.
//   allow: the rules given; when none are given, loopback and private networks (127.0.0.0/8, ::1, RFC 1918, RFC 6598, ULA,
//          and the ranges reserved for documentation and benchmarks: 198.18.0.0/15, 192.0.2.0/24, 198.51.100.0/24,
//          203.0.113.0/24, 2001:db8::/32).
//   deny:  the rules given, and always: cloud metadata (169.254.169.254, fd00:ec2::254), link-local, multicast, broadcast,
//          unspecified. The always-denied are lifted only by an allow rule that is one single address, equal to it.
class Scope {
 public:
  static Scope Create(std::vector<ScopeRule> allow, std::vector<ScopeRule> deny);
  static Scope Default() { return Create({}, {}); }

  bool Allows(const IpAddress& address, uint16_t port) const;
  // OK when every address x port is allowed. PermissionDenied naming the first refused target and the rule that refused it
  // ("8.8.8.8: public address; allow it with --allow 8.8.8.8" / "10.9.0.1: denied by rule \"10.9.0.0/16\"").
  absl::Status Check(const IpSet& addresses, const PortSet& ports) const;
  // Addresses refused on all ports / allowed for at least one port; for planning.
  const IpSet& denied_addresses() const { return denied_; }
  const IpSet& allowed_addresses() const { return allowed_; }
  // The rules, a line each, "allow ..." / "deny ...".
  std::vector<std::string> Describe() const;

 private:
  IpSet allowed_;
  IpSet denied_;
  std::vector<ScopeRule> allow_;  // rules that name ports are checked one by one
  std::vector<ScopeRule> deny_;
};

// Exclusions added to a running scan: versioned, only ever growing. Immutable.
struct DenyOverlay {
  uint64_t version = 0;
  std::vector<ScopeRule> rules;
  bool Denies(const IpAddress& address, uint16_t port) const;
};

}  // namespace portolan
