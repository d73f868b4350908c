#include "tests/integration/net_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace portolan::integration {
namespace {

int ListenOn(const Listeners::Endpoint& e, uint16_t* port) {
  const bool v6 = e.address.find(':') != std::string::npos;
  const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (v6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    // An address that is ours by a route alone; IPv4 needs no such word.
    setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
    auto* a = reinterpret_cast<sockaddr_in6*>(&storage);
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(e.port);
    inet_pton(AF_INET6, e.address.c_str(), &a->sin6_addr);
    size = sizeof *a;
  } else {
    auto* a = reinterpret_cast<sockaddr_in*>(&storage);
    a->sin_family = AF_INET;
    a->sin_port = htons(e.port);
    inet_pton(AF_INET, e.address.c_str(), &a->sin_addr);
    size = sizeof *a;
  }
  if (bind(fd, reinterpret_cast<sockaddr*>(&storage), size) != 0 || listen(fd, 4096) != 0) {
    std::fprintf(stderr, "cannot listen on %s port %d: %s\n", e.address.c_str(), e.port,
                 std::strerror(errno));
    close(fd);
    return -1;
  }
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  *port = ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port
                   : reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  return fd;
}

}  // namespace

Listeners::Listeners(const std::string& netns, const std::vector<Endpoint>& endpoints)
    : ports_(endpoints.size()), thread_([this, netns, endpoints] { Serve(netns, endpoints); }) {
  ok_ = Eventually(seconds(10), [this] { return state_ != 0; }) && state_ == 1;
}

Listeners::~Listeners() {
  stop_ = true;
  thread_.join();
}

void Listeners::Serve(std::string netns, std::vector<Endpoint> endpoints) {
  if (!netns.empty()) {
    const int ns = open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC);
    const bool entered = ns >= 0 && setns(ns, CLONE_NEWNET) == 0;
    if (ns >= 0) close(ns);
    if (!entered) {
      state_ = -1;
      return;
    }
  }
  std::vector<pollfd> fds;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const int fd = ListenOn(endpoints[i], &ports_[i]);
    if (fd >= 0) fds.push_back({fd, POLLIN, 0});
  }
  state_ = fds.size() == endpoints.size() ? 1 : -1;
  while (!stop_ && state_ == 1) {
    if (poll(fds.data(), fds.size(), 50) <= 0) continue;
    for (const pollfd& p : fds) {
      if (p.revents == 0) continue;
      for (int n = 0; n < 64; ++n) {
        const int fd = accept4(p.fd, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) break;
        close(fd);
      }
    }
  }
  for (const pollfd& p : fds) close(p.fd);
}

std::string NetLab::Unavailable() {
  if (getuid() != 0) return "network namespaces need root";
  const std::string name = "ptl-probe-" + std::to_string(getpid());
  const RunResult made = RunToEnd({"ip", "netns", "add", name});
  if (made.code != 0) return "network namespaces cannot be made here: " + made.err;
  RunToEnd({"ip", "netns", "del", name});
  return "";
}

NetLab::NetLab(int vantages) : prefix_("ptl" + std::to_string(getpid())), target_(prefix_ + "t") {
  names_.push_back(target_);
  std::string script = "set -e\nip netns add " + target_ + "\n";
  for (int i = 1; i <= vantages; ++i) {
    names_.push_back(vantage(i));
    script += "ip netns add " + vantage(i) + "\n";
  }
  const std::string in_target = "ip -n " + target_ + " ";
  script += in_target + "link set lo up\n" + in_target + "route add local 198.19.0.0/16 dev lo\n" +
            in_target + "-6 route add local 2001:db8:ff::/48 dev lo\n";
  for (int i = 1; i <= vantages; ++i) {
    const std::string n = std::to_string(i), v = vantage(i), in_v = "ip -n " + v + " ";
    script +=
        "ip link add wire netns " + v + " type veth peer name w" + n + " netns " + target_ + "\n";
    script += in_v + "link set lo up\n" + in_v + "link set wire up\n" + in_target + "link set w" +
              n + " up\n";
    script += in_v + "addr add 198.18." + n + ".2/24 dev wire\n" + in_target + "addr add 198.18." +
              n + ".1/24 dev w" + n + "\n";
    script += in_v + "addr add 2001:db8:" + n + "::2/64 dev wire nodad\n" + in_target +
              "addr add 2001:db8:" + n + "::1/64 dev w" + n + " nodad\n";
    script += in_v + "route add 198.19.0.0/16 via 198.18." + n + ".1\n" + in_v +
              "-6 route add 2001:db8:ff::/48 via 2001:db8:" + n + "::1\n";
  }
  // A closed port must answer each probe; the kernel's default limits resets and ICMP errors.
  script += "ip netns exec " + target_ +
            " sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0" +
            " net.ipv4.icmp_msgs_per_sec=1000000 net.ipv4.icmp_msgs_burst=100000 || true\n";
  ok_ = Shell(script) &&
        Nft("table inet count {\n"
            "  counter syn { }\n"
            "  chain in { type filter hook prerouting priority -300;\n"
            "    tcp flags & (syn | ack) == syn ip daddr 198.19.0.0/16 counter name syn\n"
            "    tcp flags & (syn | ack) == syn ip6 daddr 2001:db8:ff::/48 counter name syn\n"
            "  }\n}\n");
}

NetLab::~NetLab() {
  for (const std::string& name : names_) RunToEnd({"ip", "netns", "del", name});
}

bool NetLab::Nft(const std::string& script) {
  const std::string path = dir_.path("rules.nft");
  WriteFile(path, script);
  return Shell("ip netns exec " + target_ + " nft -f " + path);
}

uint64_t NetLab::SynCount() {
  const RunResult r = RunToEnd(
      {"ip", "netns", "exec", target_, "nft", "-j", "list", "counter", "inet", "count", "syn"});
  const auto json = nlohmann::json::parse(r.out, nullptr, false);
  if (json.is_discarded()) return 0;
  for (const auto& item : json["nftables"]) {
    if (item.contains("counter")) return item["counter"]["packets"].get<uint64_t>();
  }
  return 0;
}

}  // namespace portolan::integration
