#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace portolan {

// What a service is to the person who finds it open. One port has one main class.
enum class ServiceClass : uint8_t {
  kOther,
  kWeb,
  kMail,
  kNameService,
  kFileTransfer,
  kRemoteAdmin,  // a shell, a desktop, a management console
  kDatabase,
  kControlPlane,  // orchestrators, hypervisors, key-value stores that run a cluster
  kMonitoring,
  kMessaging,
  kDirectory,    // LDAP, Kerberos
  kFileSharing,  // SMB, NFS
  kPrinting,
  kIndustrial,  // SCADA, building control
  kMedia,
  kProxy,
  kVpn,
  kGame,
};
std::string_view ServiceClassName(ServiceClass c);  // "remote-admin"

struct Service {
  uint16_t port;
  std::string_view name;  // "ssh": IANA's name, unless something else is what is found there; ports
                          // may share one
  std::string_view description;  // "Secure Shell remote login"
  ServiceClass service_class;
  bool cleartext;  // carries credentials or data unencrypted by default
  uint16_t rank;   // 1 = most worth scanning; unique
};

// All services, by ascending port. Written by hand from public facts; lives as long as the program.
// Thread-safe.
std::span<const Service> ServiceCatalogue();
// Nullptr when the catalogue does not know the port.
const Service* FindService(uint16_t port);
// The name, or "" when unknown.
std::string_view ServiceName(uint16_t port);
// "by port number ssh", or "" when unknown: how a text names the service of a port that is open.
// The number is all that is known of it; what answers there may be something else.
std::string ServiceByNumber(uint16_t port);

}  // namespace portolan
