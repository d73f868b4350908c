#include <fmt/format.h>

#include "common/net/service_catalogue.h"
#include "coordinator/exposure/expectations.h"

namespace portolan {
namespace {

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

std::string RemedyText(const ExposureRule& rule, const Subject& subject) {
  if (!rule.remedy.empty()) return rule.remedy;
  if (rule.action == ExpectAction::kMustBeOpen) {
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
