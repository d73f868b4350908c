#pragma once

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/contract/net_fixture.h"

namespace portolan {

// exit status: this machine lets us make no network namespace, or has no nft
inline constexpr int kNoNamespace = 77;

// Runs `body` in a child process with a network of its own, which has loopback and no way out.
// Nullopt: the child died; kNoNamespace: not possible here.
inline std::optional<int> InNamespace(const std::function<int()>& body) {
  return InChild([&body] {
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
      return kNoNamespace;
    const TestSocket s(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    if (ioctl(s.get(), SIOCSIFFLAGS, &request) != 0) return kNoNamespace;
    return body();
  });
}

inline bool Shell(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

inline bool SetSysctl(const std::string& path, const std::string& value) {
  FILE* file = std::fopen(("/proc/sys/" + path).c_str(), "w");
  if (file == nullptr) return false;
  const bool written = std::fputs(value.c_str(), file) >= 0;
  return std::fclose(file) == 0 && written;
}

// Gives the namespace one address beyond loopback, "198.18.7.1/24" or of IPv6, on a link with
// nobody at its other end.
inline bool AddAddress(const std::string& address) {
  return Shell(
      "ip link add own type veth peer name other && ip link set own up && "
      "ip link set other up && ip addr add " +
      address + " dev own" + (address.find(':') == std::string::npos ? "" : " nodad"));
}

}  // namespace portolan
