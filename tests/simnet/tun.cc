#include "tests/simnet/tun.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/base/status.h"

namespace portolan::simnet {
namespace {

// Packets that wait to be read: a burst of a whole window of probes is no loss.
constexpr int kQueueLength = 16'384;

absl::Status CheckAddresses() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0)
    return FailedPrecondition("the addresses of this namespace cannot be read: {}",
                              std::strerror(errno));
  absl::Status status;
  for (const ifaddrs* i = all; i != nullptr && status.ok(); i = i->ifa_next) {
    if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_LOOPBACK) != 0) continue;
    Address address = 0;
    if (i->ifa_addr->sa_family == AF_INET) {
      address =
          kMappedPrefix | ntohl(reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr.s_addr);
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      for (uint8_t byte : reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr.s6_addr)
        address = address << 8 | byte;
      if (address >> 118 == 0xfe80 >> 6) continue;  // link-local
    } else {
      continue;
    }
    if (!Network::Contains(address))
      status = FailedPrecondition(
          "{} has the address {}: run it in a network namespace of its own (tests/simnet/lab.sh)",
          i->ifa_name, ToIpAddress(address).ToString());
  }
  freeifaddrs(all);
  return status;
}

// Destination and mask (or its length) are the second and eighth word of an IPv4 route, the first
// two of an IPv6 route.
absl::Status CheckRoutes() {
  const auto refused = [] {
    return FailedPrecondition(
        "this namespace has a default route: run it in one of its own (tests/simnet/lab.sh)");
  };
  std::ifstream v4("/proc/net/route"), v6("/proc/net/ipv6_route");
  std::string line;
  for (std::getline(v4, line); std::getline(v4, line);) {
    std::istringstream words(line);
    std::string word[8];
    for (std::string& w : word) words >> w;
    if (word[1] == "00000000" && word[7] == "00000000") return refused();
  }
  while (std::getline(v6, line)) {
    // The kernel lists a null route of "lo" for ::/0.
    if (line.rfind(std::string(32, '0') + " 00 ", 0) == 0 && line.find(" lo") == std::string::npos)
      return refused();
  }
  return absl::OkStatus();
}

absl::Status RunIp(const std::string& batch) {
  FILE* ip = popen("ip -batch - >&2", "we");
  if (ip == nullptr) return FailedPrecondition("ip(8) cannot be run: {}", std::strerror(errno));
  std::fputs(batch.c_str(), ip);
  const int status = pclose(ip);
  if (status != 0)
    return FailedPrecondition("ip(8) failed with status {}; it was asked:\n{}", status, batch);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckIsolated() {
  // The kernel shows this setting, which no namespace has of its own, in the first one alone.
  // (/proc/1/ns/net is hidden from many.)
  if (access("/proc/sys/net/core/netdev_max_backlog", F_OK) == 0)
    return FailedPrecondition(
        "this is the machine's own network namespace: run it in another one (tests/simnet/lab.sh)");
  PORTOLAN_RETURN_IF_ERROR(CheckAddresses());
  return CheckRoutes();
}

absl::StatusOr<TunDevice> TunDevice::Open(const std::string& name,
                                          const std::vector<std::string>& addresses) {
  if (name.empty() || name.size() >= IFNAMSIZ ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") != std::string::npos)
    return InvalidArgument("device name \"{}\": 1 to 15 small letters and digits", name);
  PORTOLAN_RETURN_IF_ERROR(CheckIsolated());
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return FailedPrecondition("/dev/net/tun: {}", std::strerror(errno));
  TunDevice device(fd, name);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) != 0)
    return FailedPrecondition("device {} cannot be made: {}", name, std::strerror(errno));
  std::string batch = "link set dev lo up\n";
  batch += fmt::format("link set dev {} mtu 1500 txqueuelen {} up\n", name, kQueueLength);
  for (const std::string& text : addresses) {
    PORTOLAN_ASSIGN_OR_RETURN(const IpAddress address, IpAddress::Parse(text));
    if (!Network::Contains(ToAddress(address)))
      return InvalidArgument("address {}: not of 198.18.0.0/15 or 2001:db8::/32", text);
    batch += fmt::format("addr add {}/{} dev {}{}\n", address.ToString(),
                         address.is_v6() ? 128 : 32, name, address.is_v6() ? " nodad" : "");
  }
  batch +=
      fmt::format("route add 198.18.0.0/15 dev {}\nroute add 2001:db8::/32 dev {}\n", name, name);
  PORTOLAN_RETURN_IF_ERROR(RunIp(batch));
  return device;
}

TunDevice::TunDevice(TunDevice&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)) {}

TunDevice::~TunDevice() {
  if (fd_ >= 0) close(fd_);
}

uint64_t TunDevice::Drops() const {
  // NAME: 8 fields of what was received, then bytes, packets, errors, drops of what was sent.
  std::ifstream file("/proc/net/dev");
  std::string line;
  while (std::getline(file, line)) {
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos || line.compare(begin, name_.size() + 1, name_ + ":") != 0)
      continue;
    std::istringstream fields(line.substr(begin + name_.size() + 1));
    uint64_t value = 0;
    for (int i = 0; i < 12; ++i) fields >> value;
    return value;
  }
  return 0;
}

}  // namespace portolan::simnet
