#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "common/base/status.h"
#include "common/net/literal.h"
#include "common/net/target_parser.h"

namespace portolan {
namespace {

absl::StatusOr<std::vector<IpAddress>> Resolve(const std::string& name) {
  addrinfo hints{};
  hints.ai_family =
      AF_UNSPEC;  // A and AAAA, whatever this machine itself can reach: agents are elsewhere
  hints.ai_socktype = SOCK_STREAM;  // each address once
  addrinfo* list = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  const int saved_errno = errno;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(error == 0 ? list : nullptr,
                                                                 &freeaddrinfo);
  if (error != 0) {
    const std::string shown = literal::Printable(name);
    if (error == EAI_NONAME || error == EAI_NODATA || error == EAI_FAIL) {
      return NotFound("name \"{}\" does not resolve: {}", shown, gai_strerror(error));
    }
    return Unavailable("name \"{}\" cannot be looked up now: {}", shown,
                       error == EAI_SYSTEM ? std::strerror(saved_errno) : gai_strerror(error));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    std::string_view bytes;
    if (a->ai_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(a->ai_addr);
      bytes = {reinterpret_cast<const char*>(&v4->sin_addr), 4};
    } else if (a->ai_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(a->ai_addr);
      bytes = {reinterpret_cast<const char*>(&v6->sin6_addr), 16};
    } else {
      continue;
    }
    PORTOLAN_ASSIGN_OR_RETURN(const IpAddress address, IpAddress::FromBytes(bytes));
    addresses.push_back(address);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses.empty()) return NotFound("name \"{}\" has no address", literal::Printable(name));
  return addresses;
}

}  // namespace

Resolver SystemResolver() { return Resolve; }

}  // namespace portolan
