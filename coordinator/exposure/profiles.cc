#include <fmt/format.h>

#include <algorithm>

#include "common/base/status.h"
#include "common/net/literal.h"
#include "coordinator/exposure/expectations.h"

namespace portolan {
namespace {

template <typename Which>
PortSet PortsWhere(Which which) {
  std::vector<PortRange> ranges;
  for (const Service& s : ServiceCatalogue()) {
    if (which(s)) ranges.push_back({s.port, s.port});
  }
  return PortSet::Of(std::move(ranges));
}

// Services that carry passwords or mail for anybody on the way to read. Web servers and name
// servers are in the clear by design, and databases have a rule of their own.
bool SpeaksInTheClear(const Service& s) {
  switch (s.service_class) {
    case ServiceClass::kRemoteAdmin:
    case ServiceClass::kFileTransfer:
    case ServiceClass::kMail:
    case ServiceClass::kDirectory:
    case ServiceClass::kMessaging:
      return s.cleartext;
    default:
      return false;
  }
}

ExposureRule FromOutside(ServiceClass c, FindingSeverity severity, const char* reason) {
  ExposureRule rule;
  rule.service_class = c;
  rule.side = VantageSide::kOutside;
  rule.severity = severity;
  rule.reason = reason;
  return rule;
}

ExposureRule MakeProfile(const std::string& name) {
  ExposureRule rule;
  if (name == "no-databases-from-outside") {
    rule = FromOutside(ServiceClass::kDatabase, FindingSeverity::kCritical,
                       "a database that anybody can reach is one password, or none, from its data");
  } else if (name == "no-control-planes-from-outside") {
    rule = FromOutside(ServiceClass::kControlPlane, FindingSeverity::kCritical,
                       "who can speak to a control plane may come to run the whole cluster");
  } else if (name == "no-remote-admin-from-outside") {
    rule = FromOutside(ServiceClass::kRemoteAdmin, FindingSeverity::kHigh,
                       "shells, desktops and consoles are where stolen passwords are tried");
  } else if (name == "no-clear-text") {
    rule.ports = PortsWhere(SpeaksInTheClear);
    rule.severity = FindingSeverity::kMedium;
    rule.reason = "passwords and contents can be read by anybody on the way";
  } else {
    rule.ports = PortSet::Of({{0, 0}, {1024, 65535}});
    rule.severity = FindingSeverity::kLow;
    rule.reason = "only ports 1-1023 are to be open; others are often left over by accident";
  }
  rule.id = "profile:" + name;
  rule.action = ExpectedAction::kMustNotBeOpen;
  return rule;
}

const char* RemedyOfClass(ServiceClass c) {
  switch (c) {
    case ServiceClass::kRemoteAdmin:
      return "put it behind a VPN or a jump host, and close it to everybody else";
    case ServiceClass::kDatabase:
      return "bind it to an address of the application's own network, and close it to everybody "
             "else";
    case ServiceClass::kControlPlane:
      return "close it to everything but the machines that it runs, and ask for client "
             "certificates";
    case ServiceClass::kFileTransfer:
      return "use SFTP or HTTPS instead";
    case ServiceClass::kMail:
      return "use the port with TLS (465, 993, 995) for people, and refuse passwords without TLS";
    case ServiceClass::kDirectory:
      return "use the port with TLS, and close it to everything but its clients";
    case ServiceClass::kFileSharing:
      return "close it at the border: files are shared inside, or through a VPN";
    case ServiceClass::kIndustrial:
      return "cut it off: controllers do not ask who gives them orders";
    default:
      return "stop the service, bind it to another address, or close it in the firewall";
  }
}

}  // namespace

const std::vector<std::string>& ProfileNames() {
  static const std::vector<std::string> names = {
      "no-databases-from-outside", "no-control-planes-from-outside", "no-remote-admin-from-outside",
      "no-clear-text", "only-well-known"};
  return names;
}

absl::StatusOr<std::vector<ExposureRule>> ProfileRules(const std::vector<std::string>& names) {
  const std::vector<std::string>& known = ProfileNames();
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return InvalidArgument("profile \"{}\" is unknown: use one of {}", literal::Printable(name),
                             fmt::join(known, ", "));
    }
  }
  std::vector<ExposureRule> rules;
  for (const std::string& name : known) {
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      rules.push_back(MakeProfile(name));
    }
  }
  return rules;
}

PortSet PortsOfClass(ServiceClass c) {
  return PortsWhere([c](const Service& s) { return s.service_class == c; });
}

std::string RemedyText(const ExposureRule& rule, const Subject& subject) {
  if (!rule.remedy.empty()) return rule.remedy;
  if (rule.action == ExpectedAction::kMustBeOpen) {
    return "see whether the service runs and listens on this address, then the host's firewall, "
           "then what lies between; if it is gone for good, change the rule";
  }
  const Service* service = FindService(subject.port);
  if (service != nullptr && service->port == 23) return "use SSH instead";
  const char* remedy =
      RemedyOfClass(service == nullptr ? ServiceClass::kOther : service->service_class);
  return fmt::format("{}; if it is wanted, say so by a may-be-open rule before \"{}\"", remedy,
                     rule.id);
}

}  // namespace portolan
