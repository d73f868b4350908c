#include <fmt/format.h>

#include "common/monitor/expectation.h"
#include "common/net/service_catalogue.h"
#include "coordinator/exposure/expectations.h"

namespace portolan {
namespace {

// What to do about a service of a class, and nothing for the classes about which there is nothing
// particular to say.
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
      return nullptr;
  }
}

// What a port's number says is a guess, so what follows from it depends on whether it is right.
std::string RemedyOfPort(uint16_t port) {
  const Service* service = FindService(port);
  const char* remedy = nullptr;
  if (service != nullptr) {
    remedy = port == 23 ? "use SSH instead" : RemedyOfClass(service->service_class);
  }
  if (remedy == nullptr)
    return "stop the service, bind it to another address, or close it in the firewall";
  return fmt::format("if it is {}, as its port number says, {}", service->name, remedy);
}

}  // namespace

std::string BecauseText(const ExposureRule& rule, uint16_t port) {
  const std::string reason = RuleReason(rule.services, rule.reason, port);
  return reason.empty() ? reason : ": " + reason;
}

std::string RemedyText(const ExposureRule& rule, const Subject& subject) {
  if (!rule.remedy.empty()) return rule.remedy;
  if (rule.action == ExpectAction::kMustBeOpen) {
    return "see whether the service runs and listens on this address, then the host's firewall, "
           "then what lies between; if it is gone for good, change the rule";
  }
  return fmt::format("{}; if it is wanted, say so by a may-be-open rule before \"{}\"",
                     RemedyOfPort(subject.port), rule.id);
}

}  // namespace portolan
