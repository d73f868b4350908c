#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace portolan {
namespace {

bool IsLoopback(const std::string& host) {
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

bool IsIpv6(const std::string& host) {
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1;
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(const std::string& text) {
  HostPort out;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || text.back() == ']') {
    return InvalidArgument("address \"{}\": no port; write HOST:PORT", text);
  }
  out.host = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  if (out.host.empty()) {
    return InvalidArgument("address \"{}\": no host; name the address, for example 127.0.0.1:{}",
                           text, port);
  }
  if (out.host.front() == '[') {
    if (out.host.back() != ']' || !IsIpv6(out.host.substr(1, out.host.size() - 2))) {
      return InvalidArgument(
          "address \"{}\": between brackets belongs an IPv6 address, as in [::1]:7411", text);
    }
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != std::string::npos) {
    return InvalidArgument("address \"{}\": write an IPv6 address in brackets, as in [::1]:7411",
                           text);
  }
  for (const char c : out.host) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '[' || c == ']' || c == '%' ||
        c == 0x7F) {
      return InvalidArgument("address \"{}\": \"{}\" is no host name or address", text, out.host);
    }
  }
  unsigned value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (port.empty() || port.size() > 5 || error != std::errc() || end != port.data() + port.size() ||
      value > 65535) {
    return InvalidArgument("address \"{}\": \"{}\" is no port; write a number from 0 to 65535",
                           text, port);
  }
  out.port = static_cast<uint16_t>(value);
  out.loopback = IsLoopback(out.host);
  return out;
}

std::string FormatHostPort(const std::string& host, int port) {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

std::string WhyCannotListen(const HostPort& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int e =
          getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
      e != 0)
    return gai_strerror(e);
  std::string why = "unknown error";
  const int fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
  if (fd >= 0) {
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0)
      why = std::strerror(errno);
    close(fd);
  } else {
    why = std::strerror(errno);
  }
  freeaddrinfo(found);
  return why;
}

}  // namespace portolan
