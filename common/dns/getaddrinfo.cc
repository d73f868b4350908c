#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "common/dns/system_name_lookup.h"

namespace portolan {
namespace {

NameAnswer Problem(int error, int system_error) {
  switch (error) {
    case EAI_NONAME:
      return {{}, LookupProblem::kNoSuchName, {}};
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
      return {{}, LookupProblem::kNoAddress, {}};
    default:
      return {{},
              LookupProblem::kCouldNotAsk,
              error == EAI_SYSTEM ? std::strerror(system_error) : gai_strerror(error)};
  }
}

}  // namespace

NameAnswer AskGetaddrinfo(const std::string& name) {
  addrinfo hints{};
  // A and AAAA, whatever this machine itself can reach: agents are elsewhere.
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // each address once
  addrinfo* list = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (error != 0) return Problem(error, errno);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  NameAnswer answer;
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
    const absl::StatusOr<IpAddress> address = IpAddress::FromBytes(bytes);
    if (address.ok()) answer.addresses.push_back(*address);
  }
  std::sort(answer.addresses.begin(), answer.addresses.end());
  answer.addresses.erase(std::unique(answer.addresses.begin(), answer.addresses.end()),
                         answer.addresses.end());
  if (answer.addresses.empty()) answer.problem = LookupProblem::kNoAddress;
  return answer;
}

}  // namespace portolan
