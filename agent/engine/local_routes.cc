#include "agent/engine/local_routes.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "agent/engine/answer.h"
#include "agent/engine/socket_pool.h"

namespace portolan {
namespace {

// After a failure the addresses are looked at immediately, but not for each of a burst of failures.
constexpr Duration kLookAgain = std::chrono::milliseconds(100);

// With an address of loopback or of a link alone nothing beyond that link answers.
bool LeadsBeyondTheLink(const IpAddress& a) {
  if (!a.is_v6()) return a.value() >> 24 != 127 && a.value() >> 16 != 0xA9FE;
  return a.value() != 1 && static_cast<uint32_t>(a.value() >> 118) != 0x3FA;
}

}  // namespace

void LocalRoutes::Look(Time now) {
  looked_ = now;
  next_look_ = now + kLook;
  ifaddrs* list = nullptr;
  // Out of memory or descriptors: what was known holds until the next look.
  if (getifaddrs(&list) != 0) return;
  bool present[2] = {false, false};
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_UP) == 0) continue;
    const sa_family_t family = i->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, i->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const auto name = FromSocketAddress(storage);
    if (name && LeadsBeyondTheLink(name->address)) present[family == AF_INET6] = true;
  }
  freeifaddrs(list);
  for (int v6 : {0, 1}) families_[v6].present = present[v6];
}

bool LocalRoutes::Ask(const IpAddress& address) const {
  const OwnedFd fd(socket(address.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return errno == EAFNOSUPPORT;
  const SocketAddress to = ToSocketAddress(address, 9);  // any port but 0
  if (connect(fd.get(), to.get(), to.length) == 0) return false;
  switch (errno) {
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return true;
    case ENETUNREACH:
      return !families_[address.is_v6()].present;
    default:
      return false;
  }
}

int LocalRoutes::Explain(const IpAddress& address, int error, Time now) {
  if (error != EADDRNOTAVAIL && error != ENETUNREACH && error != EAFNOSUPPORT) return error;
  if (looked_ == Time::min() || now - looked_ >= kLookAgain) Look(now);
  if (!Ask(address)) return error;
  families_[address.is_v6()].doubted_until = now + kLook;
  return kNoRouteErrno;
}

}  // namespace portolan
