#include "common/monitor/expectation.h"

#include <algorithm>

#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/literal.h"
#include "common/net/service_catalogue.h"
#include "common/net/target_parser.h"

namespace portolan {
namespace {

// Names are written down, not looked up.
absl::StatusOr<ParsedTargets> ParseOne(const std::string& text) {
  PORTOLAN_ASSIGN_OR_RETURN(ParsedTargets parsed, ParseTargets({text}, 65'536));
  if (parsed.entry_count() != 1 || text.find('#') != text.npos) {
    return InvalidArgument("target \"{}\": write one address, network, range or name an entry",
                           literal::Printable(text));
  }
  if (!parsed.problems().empty()) return parsed.problems().ToStatus();
  return parsed;
}

PortSet PortsWhere(bool (*wanted)(const Service&)) {
  std::vector<PortRange> ranges;
  for (const Service& s : ServiceCatalogue()) {
    if (wanted(s)) ranges.push_back({s.port, s.port});
  }
  return PortSet::Of(std::move(ranges));
}

bool IsClearText(const Service& s) {
  return s.cleartext && s.service_class != ServiceClass::kWeb &&
         s.service_class != ServiceClass::kNameService && s.service_class != ServiceClass::kOther;
}

ExpectationProfile Profile(std::string_view name, std::string_view description,
                           std::string_view service, bool outside, Severity severity,
                           std::string_view reason) {
  ExpectationProfile p;
  p.description = description;
  p.rule.name = name;
  if (!service.empty()) p.rule.services = {std::string(service)};
  if (outside) p.rule.role = VantageRole::kOutside;
  p.rule.severity = severity;
  p.rule.reason = reason;
  return p;
}

}  // namespace

absl::StatusOr<PortSet> RulePorts(const ExpectationRule& rule) {
  if (rule.ports.empty() && rule.services.empty()) return PortSet::Of({{0, 65535}});
  PortSet out;
  if (!rule.ports.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(out, ParsePorts(rule.ports));
  }
  for (const std::string& name : rule.services) {
    const ServiceSet* set = FindServiceSet(name);
    if (set == nullptr) {
      return InvalidArgument("service class \"{}\" is not known; write such as {} or {}",
                             literal::Printable(name), ServiceSets()[0].name,
                             ServiceSets()[1].name);
    }
    out = out.Union(set->ports);
  }
  return out;
}

std::string RuleReason(const std::vector<std::string>& services, const std::string& reason,
                       uint16_t port) {
  constexpr std::string_view kByNumber = "by port number";
  if (reason.starts_with(kByNumber)) return reason;
  std::string out;
  for (const std::string& name : services) {
    const ServiceSet* set = FindServiceSet(name);
    if (set == nullptr || !set->ports.Contains(port)) continue;
    out += out.empty() ? std::string(kByNumber) + " " + name : " and " + name;
  }
  if (!out.empty() && !reason.empty()) out += "; ";
  return out + reason;
}

absl::StatusOr<TargetNames> ParseTargetNames(const std::vector<std::string>& targets) {
  TargetNames out;
  std::vector<IpRange> ranges;
  for (const std::string& text : targets) {
    PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseOne(text));
    if (!parsed.has_entry_without_port()) {
      return InvalidArgument("target \"{}\" has a port; write the port under ports",
                             literal::Printable(text));
    }
    for (const std::string& name : parsed.names()) out.names.push_back(NormalisedName(name));
    const IpSet addresses = parsed.WithoutNames().addresses;
    ranges.insert(ranges.end(), addresses.ranges().begin(), addresses.ranges().end());
    if (ranges.size() > 1'000'000) {
      return ResourceExhausted("target \"{}\": more than 1,000,000 ranges in all; write networks",
                               literal::Printable(text));
    }
  }
  out.addresses = IpSet::Of(std::move(ranges));
  std::sort(out.names.begin(), out.names.end());
  out.names.erase(std::unique(out.names.begin(), out.names.end()), out.names.end());
  return out;
}

absl::Status CheckTarget(const std::string& text) { return ParseOne(text).status(); }

absl::StatusOr<EndpointText> ParseEndpointText(std::string_view text) {
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseOne(std::string(text)));
  if (parsed.has_entry_without_port()) {
    return InvalidArgument(
        "endpoint \"{}\": write one address or name and a port, as in "
        "192.0.2.1:22, [2001:db8::1]:22 or host.example:22",
        literal::Printable(text));
  }
  EndpointText out;
  if (!parsed.names().empty()) {
    out.host = NormalisedName(parsed.names()[0]);
    out.port = *parsed.name_uses()[0].port;
  } else {
    const TargetList::Endpoint endpoint = parsed.WithoutNames().endpoints[0];
    out.host = endpoint.address.ToString();
    out.port = endpoint.port;
  }
  return out;
}

std::span<const ServiceSet> ServiceSets() {
  static const std::vector<ServiceSet>& kAll = *[] {
    auto* all = new std::vector<ServiceSet>;
    all->push_back({"clear-text", PortsWhere(IsClearText)});
    for (int c = 0; c <= static_cast<int>(ServiceClass::kGame); ++c) {
      const auto wanted = static_cast<ServiceClass>(c);
      std::vector<PortRange> ranges;
      for (const Service& s : ServiceCatalogue()) {
        if (s.service_class == wanted) ranges.push_back({s.port, s.port});
      }
      all->push_back({ServiceClassName(wanted), PortSet::Of(std::move(ranges))});
    }
    return all;
  }();
  return kAll;
}

const ServiceSet* FindServiceSet(std::string_view name) {
  for (const ServiceSet& set : ServiceSets()) {
    if (set.name == name) return &set;
  }
  return nullptr;
}

std::span<const ExpectationProfile> ExpectationProfiles() {
  static const std::vector<ExpectationProfile>& kAll = *[] {
    auto* all = new std::vector<ExpectationProfile>{
        Profile("no-databases-from-outside", "No database", "database", true, Severity::kCritical,
                "by port number a database, which only its applications should reach"),
        Profile("no-control-planes-from-outside", "No orchestrator, hypervisor or cluster store",
                "control-plane", true, Severity::kCritical,
                "by port number a control plane, and who controls it controls every host"),
        Profile("no-remote-admin-from-outside", "No shell, desktop or management console",
                "remote-admin", true, Severity::kHigh,
                "by port number remote administration, which belongs behind a VPN or a bastion"),
        Profile("no-clear-text", "No service that carries credentials or data unencrypted",
                "clear-text", false, Severity::kMedium,
                "by port number clear text: credentials and data can be read on the way"),
        Profile("only-well-known", "Only ports 1 to 1023", "", false, Severity::kLow,
                "services are offered on well-known ports only"),
    };
    all->back().rule.ports = "0,1024-65535";
    return all;
  }();
  return kAll;
}

const ExpectationProfile* FindProfile(std::string_view name) {
  for (const ExpectationProfile& p : ExpectationProfiles()) {
    if (p.rule.name == name) return &p;
  }
  return nullptr;
}

}  // namespace portolan
