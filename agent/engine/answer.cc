#include "agent/engine/answer.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <cerrno>
#include <cstring>

#include "agent/engine/local_routes.h"

namespace portolan {
namespace {

uint128 ReadV6(const in6_addr& address) {
  uint128 value = 0;
  for (uint8_t byte : address.s6_addr) value = value << 8 | byte;
  return value;
}

}  // namespace

SocketAddress ToSocketAddress(const IpAddress& address, uint16_t port) {
  SocketAddress out;
  if (address.is_v6()) {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(out.storage);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    uint128 value = address.value();
    for (int i = 15; i >= 0; --i, value >>= 8)
      in6.sin6_addr.s6_addr[i] = static_cast<uint8_t>(value);
    out.length = sizeof in6;
  } else {
    auto& in4 = reinterpret_cast<sockaddr_in&>(out.storage);
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    in4.sin_addr.s_addr = htonl(static_cast<uint32_t>(address.value()));
    out.length = sizeof in4;
  }
  return out;
}

std::optional<SocketName> FromSocketAddress(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    const auto& in4 = reinterpret_cast<const sockaddr_in&>(storage);
    return SocketName{IpAddress::V4(ntohl(in4.sin_addr.s_addr)), ntohs(in4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(storage);
    return SocketName{IpAddress::V6(ReadV6(in6.sin6_addr)), ntohs(in6.sin6_port)};
  }
  return std::nullopt;
}

Symbol MeaningOf(const IcmpError& error) {
  if (error.v6) {
    if (error.type == ICMP6_TIME_EXCEEDED) return {State::kUnreachable, Reason::kTtlExceeded};
    if (error.type != ICMP6_DST_UNREACH) return {State::kUnreachable, Reason::kHostUnreachable};
    switch (error.code) {
      case 1:  // administratively prohibited
      case 5:  // source address failed policy
      case 6:  // reject route
        return {State::kFiltered, Reason::kAdminProhibited};
      case 4:
        return {State::kFiltered, Reason::kPortUnreachable};
      case 0:  // no route
      case 2:  // beyond the scope of the source
      case 7:  // source routing header
        return {State::kUnreachable, Reason::kNetUnreachable};
      default:
        return {State::kUnreachable, Reason::kHostUnreachable};
    }
  }
  if (error.type == ICMP_TIME_EXCEEDED) return {State::kUnreachable, Reason::kTtlExceeded};
  if (error.type != ICMP_DEST_UNREACH) return {State::kUnreachable, Reason::kHostUnreachable};
  switch (error.code) {
    case ICMP_NET_UNREACH:
    case ICMP_NET_UNKNOWN:
    case ICMP_NET_UNR_TOS:
    case ICMP_SR_FAILED:
      return {State::kUnreachable, Reason::kNetUnreachable};
    case ICMP_PROT_UNREACH:
      return {State::kFiltered, Reason::kProtoUnreachable};
    case ICMP_PORT_UNREACH:
      return {State::kFiltered, Reason::kPortUnreachable};
    case ICMP_NET_ANO:
    case ICMP_HOST_ANO:
    case ICMP_PKT_FILTERED:
    case ICMP_PREC_VIOLATION:  // 14 and 15 are policy as well
    case ICMP_PREC_CUTOFF:
      return {State::kFiltered, Reason::kAdminProhibited};
    default:
      return {State::kUnreachable, Reason::kHostUnreachable};
  }
}

Symbol MeaningOfErrno(int error, bool at_once) {
  switch (error) {
    case ECONNREFUSED:
      return {State::kClosed, Reason::kConnRefused};
    case ECONNRESET:  // RST after the handshake
    case EPIPE:       // FIN, then RST
      if (!at_once) return {State::kOpen, Reason::kResetAfterAccept};
      break;
    case ETIMEDOUT:
      return {State::kFiltered, Reason::kNoResponse};
    // At once these are the local routing table's word: from this vantage there is no way. That is
    // a finding about the vantage, not a failure to probe.
    case ENETUNREACH:
      return {State::kUnreachable, Reason::kNetUnreachable};
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return {State::kUnreachable, Reason::kHostUnreachable};
    // Later these are ICMP errors that the kernel kept no detail of (kernels before 5.11); at once,
    // a rule of this machine.
    case EACCES:
      if (!at_once) return {State::kFiltered, Reason::kAdminProhibited};
      break;
    case ENOPROTOOPT:
      if (!at_once) return {State::kFiltered, Reason::kProtoUnreachable};
      break;
    default:
      break;
  }
  return {State::kOwed, Reason::kLocalFailure};
}

size_t LocalFailureIndex(int error) {
  switch (error) {
    case EMFILE:
      return 0;
    case ENFILE:
      return 1;
    case EADDRNOTAVAIL:
      return 2;
    case ENOBUFS:
      return 3;
    case ENOMEM:
      return 4;
    case EPERM:
    case EACCES:
      return 5;
    case ENETDOWN:
      return 6;
    case kNoRouteErrno:
      return 7;
    case kSourceGoneErrno:
      return 8;
    default:
      return 9;
  }
}

std::optional<IcmpError> ReadErrorQueue(int fd, const SocketName& target) {
  std::optional<IcmpError> found;
  for (int i = 0; i < 16; ++i) {
    sockaddr_storage name;
    name.ss_family = AF_UNSPEC;
    alignas(cmsghdr) char control[256];
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = sizeof name;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
    if (found) continue;
    if (message.msg_namelen == 0 || FromSocketAddress(name) != target) continue;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
      const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
      if (!v4 && !v6) continue;
      sock_extended_err error;
      std::memcpy(&error, CMSG_DATA(c), sizeof error);
      if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6) {
        found = IcmpError{error.ee_origin == SO_EE_ORIGIN_ICMP6, error.ee_type, error.ee_code};
      }
    }
  }
  return found;
}

std::optional<SocketName> PeerOf(int fd) {
  sockaddr_storage storage;
  socklen_t length = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return FromSocketAddress(storage);
}

std::optional<SocketName> LocalNameOf(int fd) {
  sockaddr_storage storage;
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return FromSocketAddress(storage);
}

}  // namespace portolan
