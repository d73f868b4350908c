#include "common/scope/scope.h"

#include <algorithm>
#include <array>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct NamedRange {
  const char* range;
  const char* what;
};

constexpr NamedRange kDefaultAllowed[] = {
    {"127.0.0.0/8", "loopback"},
    {"::1/128", "loopback"},
    {"10.0.0.0/8", "private"},  // RFC 1918
    {"172.16.0.0/12", "private"},
    {"192.168.0.0/16", "private"},
    {"100.64.0.0/10", "private"},    // RFC 6598, carrier-grade NAT
    {"fc00::/7", "private"},         // RFC 4193, unique local
    {"198.18.0.0/15", "benchmark"},  // RFC 2544
    {"192.0.2.0/24", "documentation"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"2001:db8::/32", "documentation"},
};

// The first that holds an address names it in messages.
constexpr NamedRange kAlwaysDenied[] = {
    {"169.254.169.254/32", "cloud metadata address"},      // most clouds
    {"169.254.170.2/32", "cloud metadata address"},        // container credentials
    {"100.100.100.200/32", "cloud metadata address"},      // Alibaba
    {"168.63.129.16/32", "cloud metadata address"},        // Azure's host agent
    {"fd00:ec2::254/128", "cloud metadata address"},       // AWS
    {"fd20:ce::254/128", "cloud metadata address"},        // Google
    {"fd00:c1::a9fe:a9fe/128", "cloud metadata address"},  // Oracle
    {"fd00:42::42/128", "cloud metadata address"},         // Scaleway
    {"0.0.0.0/8", "unspecified address"},                  // connects to this machine itself
    {"169.254.0.0/16", "link-local address"},
    {"224.0.0.0/4", "multicast address"},
    {"255.255.255.255/32", "broadcast address"},
    {"240.0.0.0/4", "reserved address"},
    {"::/128", "unspecified address"},
    {"::ffff:0:0",
     "IPv4-mapped address"},  // connects over IPv4, past the IPv4 rules; as a /96, see RangeOf
    {"64:ff9b::a9fe:0/112", "link-local address behind NAT64"},
    {"2002:a9fe::/32", "link-local address behind 6to4"},
    {"fe80::/10", "link-local address"},
    {"ff00::/8", "multicast address"},
};

IpRange RangeOf(const NamedRange& named) {
  // The parser turns mapped addresses into IPv4; this range is meant as it stands.
  if (std::string_view(named.range) == "::ffff:0:0") {
    return {IpAddress::V6(uint128{0xffff} << 32),
            IpAddress::V6((uint128{0xffff} << 32) | 0xffffffff)};
  }
  const auto range = ParseCidr(named.range, /*strict_host_bits=*/true);
  PORTOLAN_CHECK(range.ok());
  return *range;
}

template <size_t n>
IpSet SetOf(const NamedRange (&table)[n]) {
  std::vector<IpRange> ranges;
  for (const NamedRange& named : table) ranges.push_back(RangeOf(named));
  return IpSet::Of(std::move(ranges));
}

const IpSet& DefaultAllowed() {
  static const IpSet& set = *new IpSet(SetOf(kDefaultAllowed));  // never destroyed
  return set;
}
const IpSet& AlwaysDenied() {
  static const IpSet& set = *new IpSet(SetOf(kAlwaysDenied));  // never destroyed
  return set;
}

IpSet Everything() {
  return IpSet::Of({{IpAddress::V4(0), IpAddress::V4(0xffffffff)},
                    {IpAddress::V6(0), IpAddress::V6(~uint128{0})}});
}

bool IsOneAddress(const ScopeRule& rule) { return rule.addresses.size() == 1; }

std::vector<EndpointSet::Item> ItemsOf(const std::vector<ScopeRule>& rules) {
  std::vector<EndpointSet::Item> items;
  items.reserve(rules.size());
  for (const ScopeRule& rule : rules) items.push_back({rule.addresses, rule.ports});
  return items;
}

// The part of `range` from its first address on that `set` does not touch. The first address is
// outside `set`.
IpRange UntilNext(const IpRange& range, const IpSet& set) {
  const auto next = set.Intersection(IpSet::Of({range}));
  return next.empty() ? range : IpSet::Of({range}).Minus(next).ranges().front();
}

}  // namespace

Scope Scope::Create(std::vector<ScopeRule> allow, std::vector<ScopeRule> deny) {
  Scope scope;
  const bool no_default =
      std::any_of(allow.begin(), allow.end(), [](const ScopeRule& r) { return r.is_none(); });
  std::vector<EndpointSet::Item> items;
  if (!no_default) items.push_back({DefaultAllowed().Minus(AlwaysDenied()), {}});
  for (const ScopeRule& rule : allow) {
    items.push_back(
        {IsOneAddress(rule) ? rule.addresses : rule.addresses.Minus(AlwaysDenied()), rule.ports});
  }
  scope.endpoints_ = EndpointSet::Of(items);
  if (!deny.empty()) scope.endpoints_ = scope.endpoints_.Minus(EndpointSet::Of(ItemsOf(deny)));
  scope.allowed_ = scope.endpoints_.Addresses();
  scope.denied_ = Everything().Minus(scope.allowed_);
  scope.allow_ = std::move(allow);
  scope.deny_ = std::move(deny);
  return scope;
}

absl::Status Scope::Check(const IpSet& addresses, const PortSet& ports) const {
  const auto refused = endpoints_.FirstMissing(addresses, ports);
  if (!refused.has_value()) return absl::OkStatus();
  // How far the refusal reaches, so that one --allow can lift it: the rest of the target, up to the
  // next allowed address.
  const auto in = std::find_if(addresses.ranges().begin(), addresses.ranges().end(),
                               [&refused](const IpRange& r) { return refused->address <= r.last; });
  return Explain(refused->address, refused->port, {refused->address, in->last});
}

absl::Status Scope::Explain(const IpAddress& address, uint16_t port, const IpRange& target) const {
  for (const ScopeRule& rule : deny_) {
    if (!rule.Matches(address, port)) continue;
    if (rule.ports.empty())
      return PermissionDenied("{}: denied by rule \"{}\"", address.ToString(), rule.text);
    return PermissionDenied("{}: denied by rule \"{}\"", FormatEndpoint(address, port), rule.text);
  }
  for (const NamedRange& named : kAlwaysDenied) {
    const IpRange range = RangeOf(named);
    if (!(range.first <= address && address <= range.last)) continue;
    return PermissionDenied("{}: {}, never probed by default; allow it with --allow {}",
                            address.ToString(), named.what, address.ToString());
  }
  if (const PortSet ports = endpoints_.PortsOf(address); !ports.empty()) {
    return PermissionDenied("{}: allowed on ports {} only; allow it with --allow \"{} {}\"",
                            FormatEndpoint(address, port), ports.ToString(), address.ToString(),
                            port);
  }
  const bool is_private = DefaultAllowed().Contains(address);
  const IpRange same =
      is_private ? UntilNext(target, allowed_.Union(AlwaysDenied()))
                 : UntilNext(target, allowed_.Union(AlwaysDenied()).Union(DefaultAllowed()));
  const bool one = same.first == same.last;
  return PermissionDenied(
      "{}: {}; allow {} with --allow {}", same.ToString(),
      is_private ? (one ? "not among the allowed addresses" : "not among the allowed networks")
                 : (one ? "public address" : "public addresses"),
      one ? "it" : "them", same.ToString());
}

std::vector<std::string> Scope::Describe() const {
  std::vector<std::string> lines;
  const bool no_default =
      std::any_of(allow_.begin(), allow_.end(), [](const ScopeRule& r) { return r.is_none(); });
  if (!no_default)
    lines.push_back("allow loopback, private, benchmark and documentation networks (default)");
  for (const ScopeRule& rule : allow_) lines.push_back("allow " + rule.text);
  for (const ScopeRule& rule : deny_) lines.push_back("deny " + rule.text);
  lines.push_back(
      "deny metadata, link-local, multicast, broadcast, reserved and unspecified addresses "
      "(always)");
  return lines;
}

void DenyOverlay::Prepare() {
  compiled = std::make_shared<const EndpointSet>(EndpointSet::Of(ItemsOf(rules)));
  compiled_rules = rules.size();
}

bool DenyOverlay::Denies(const IpAddress& address, uint16_t port) const {
  if (compiled != nullptr && compiled_rules == rules.size())
    return compiled->Contains(address, port);
  return std::any_of(rules.begin(), rules.end(),
                     [&](const ScopeRule& r) { return r.Matches(address, port); });
}

}  // namespace portolan
