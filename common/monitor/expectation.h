#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/monitor/terms.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"

namespace portolan {

// What a monitor's owner expects of some targets, ports and vantages. An endpoint seen from a
// vantage is judged by the first rule that matches it: the monitor's own rules in their order, then
// those of its profiles. What no rule matches is not judged. A rule that has expired matches
// nothing.
struct ExpectationRule {
  std::string name;                   // unique in its monitor; a label of metrics
  std::vector<std::string> targets;   // addresses, networks, ranges, names; empty: all
  std::string ports;                  // as ParsePorts takes them
  std::vector<std::string> services;  // service classes, or clear-text; with `ports`: the union.
                                      // Both empty: all ports
  std::vector<std::string> vantages;  // empty: all, or those of `role`
  std::optional<VantageRole> role;    // both given: vantages of the list that have the role
  ExpectAction action = ExpectAction::kMustNotBeOpen;
  Severity severity = Severity::kMedium;
  std::string owner;                // empty: the monitor's
  std::string reason;               // for people; may be empty
  std::optional<WallTime> expires;  // from then on the rule matches nothing
  bool HasExpired(WallTime now) const { return expires.has_value() && now >= *expires; }
  friend bool operator==(const ExpectationRule&, const ExpectationRule&) = default;
};

// The ports of a rule: those of its text and of its service classes; all 65,536 when it names
// neither. InvalidArgument: an unknown port, service or class, with the remedy.
absl::StatusOr<PortSet> RulePorts(const ExpectationRule& rule);

// Why a rule judges a port, for people; may be empty. A rule of service classes judges by the
// port's number, as nothing else is known of what listens there, and the text says so: "by port
// number clear-text; REASON". A reason that says it already stays as it is.
std::string RuleReason(const std::vector<std::string>& services, const std::string& reason,
                       uint16_t port);

// Targets for comparing, without looking names up: a name matches an endpoint that was found by
// that name. Names are in lower case, without a last dot.
struct TargetNames {
  IpSet addresses;
  std::vector<std::string> names;  // sorted
};
// InvalidArgument: not a target, or one with a port (ports have a field of their own).
absl::StatusOr<TargetNames> ParseTargetNames(const std::vector<std::string>& targets);

// One entry of a monitor's targets: what ParseTargets takes, a port included. Looks nothing up.
absl::Status CheckTarget(const std::string& text);

// "web.example:443" -> ("web.example", 443), "[2001:db8::1]:22" -> ("2001:db8::1", 22).
struct EndpointText {
  std::string host;  // an address in its canonical form, or a name
  uint16_t port = 0;
};
absl::StatusOr<EndpointText> ParseEndpointText(std::string_view text);

// What a rule's `services` may hold.
struct ServiceSet {
  std::string_view name;
  PortSet ports;
};
// The classes of the service catalogue, and clear-text: whatever carries credentials or data
// unencrypted, but for plain web and name servers, which have rules of their own.
std::span<const ServiceSet> ServiceSets();
const ServiceSet* FindServiceSet(std::string_view name);  // nullptr: none

// Rules that come with the program.
struct ExpectationProfile {
  std::string_view description;
  ExpectationRule rule;  // its name is the profile's
};
// In the order in which they are asked: what is worst decides.
std::span<const ExpectationProfile> ExpectationProfiles();
const ExpectationProfile* FindProfile(std::string_view name);  // nullptr: none

}  // namespace portolan
