#include "common/net/service_catalogue.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace portolan {
namespace {

using enum ServiceClass;

// A line of the data files. Ranks are not written down but computed, so that a line can be added
// without touching the others.
struct Row {
  uint16_t port;
  std::string_view name;
  std::string_view description;
  ServiceClass service_class;
  bool cleartext;
  uint8_t exposure;  // 0-9: how often the port is found open in networks that somebody runs
  uint8_t risk;  // 0-9: what an unwanted visitor gains there; 9 is control of the machine or of all
                 // its data
};

// What cleartext says, readable in the data files.
constexpr bool kClear = true;
constexpr bool kCrypt = false;

constexpr Row kRows[] = {
#include "common/net/service_catalogue_data_0.inc"
#include "common/net/service_catalogue_data_1.inc"
#include "common/net/service_catalogue_data_2.inc"
#include "common/net/service_catalogue_data_3.inc"
};

constexpr bool Ascending() {
  for (size_t i = 1; i < std::size(kRows); ++i) {
    if (kRows[i - 1].port >= kRows[i].port) return false;
  }
  return true;
}
static_assert(Ascending(), "the data files list ports in ascending order, each once");

// Squared, so that the few ports that are open everywhere come first and rare ones are told apart
// by their risk.
constexpr int Score(const Row& r) { return r.exposure * r.exposure + 4 * r.risk; }

std::vector<Service> MakeCatalogue() {
  std::vector<const Row*> best;
  for (const Row& r : kRows) best.push_back(&r);
  std::stable_sort(best.begin(), best.end(),
                   [](const Row* a, const Row* b) { return Score(*a) > Score(*b); });
  std::vector<Service> services;
  for (const Row& r : kRows)
    services.push_back({r.port, r.name, r.description, r.service_class, r.cleartext, 0});
  for (size_t i = 0; i < best.size(); ++i)
    services[best[i] - kRows].rank = static_cast<uint16_t>(i + 1);
  return services;
}

}  // namespace

std::string_view ServiceClassName(ServiceClass c) {
  switch (c) {
    case kOther:
      return "other";
    case kWeb:
      return "web";
    case kMail:
      return "mail";
    case kNameService:
      return "name-service";
    case kFileTransfer:
      return "file-transfer";
    case kRemoteAdmin:
      return "remote-admin";
    case kDatabase:
      return "database";
    case kControlPlane:
      return "control-plane";
    case kMonitoring:
      return "monitoring";
    case kMessaging:
      return "messaging";
    case kDirectory:
      return "directory";
    case kFileSharing:
      return "file-sharing";
    case kPrinting:
      return "printing";
    case kIndustrial:
      return "industrial";
    case kMedia:
      return "media";
    case kProxy:
      return "proxy";
    case kVpn:
      return "vpn";
    case kGame:
      return "game";
  }
  return "other";
}

std::span<const Service> ServiceCatalogue() {
  // never destroyed
  static const std::vector<Service>& catalogue = *new std::vector<Service>(MakeCatalogue());
  return catalogue;
}

const Service* FindService(uint16_t port) {
  const auto services = ServiceCatalogue();
  const auto it = std::lower_bound(services.begin(), services.end(), port,
                                   [](const Service& s, uint16_t p) { return s.port < p; });
  return it != services.end() && it->port == port ? &*it : nullptr;
}

std::string_view ServiceName(uint16_t port) {
  const Service* service = FindService(port);
  return service == nullptr ? std::string_view() : service->name;
}

std::string ServiceByNumber(uint16_t port) {
  const Service* service = FindService(port);
  return service == nullptr ? std::string() : "by port number " + std::string(service->name);
}

}  // namespace portolan
