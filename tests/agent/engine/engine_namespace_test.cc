// What the real engines make of firewalls, ICMP errors and narrow port ranges: in namespaces
// without a way out.
#include <cerrno>
#include <random>
#include <string>

#include "agent/engine/answer.h"
#include "agent/engine/local_routes.h"
#include "tests/agent/engine/probing.h"
#include "tests/contract/namespace.h"

namespace portolan {
namespace {

#define EXPECT_IN_NAMESPACE(...)                                             \
  do {                                                                       \
    const std::optional<int> status = InNamespace(__VA_ARGS__);              \
    if (status == kNoNamespace)                                              \
      GTEST_SKIP() << "needs a network namespace (and nft): run it as root"; \
    EXPECT_EQ(status, 0);                                                    \
  } while (false)

TEST_P(RealEngine, SelfConnectIsClosed) {
  EXPECT_IN_NAMESPACE([] {
    // With few ports to choose from the kernel soon picks the one that it connects to.
    if (!SetSysctl("net/ipv4/ip_local_port_range", "40000 40003")) return kNoNamespace;
    auto engine = MakeEngine(8);
    uint64_t self = 0;
    for (int i = 0; i < 2000 && self < 20; ++i) {
      const ProbeOutcome outcome =
          ProbeOnce(*engine, kLoopback, static_cast<uint16_t>(40'000 + i % 4));
      if (SymbolOf(outcome) == Symbol{State::kClosed, Reason::kSelfConnect}) {
        ++self;
      } else if (SymbolOf(outcome) != kRefused && SymbolOf(outcome) != kFailed) {
        return 1;
      }
    }
    return self >= 20 && engine->counters().self_connects == self ? 0 : 2;
  });
}

TEST_P(RealEngine, RunningOutOfPortsIsNeverAState) {
  EXPECT_IN_NAMESPACE([] {
    const IpAddress target = IpAddress::V4(0x7f000005);
    SilentPort silent(target);
    if (!SetSysctl("net/ipv4/ip_local_port_range", "40000 40003")) return kNoNamespace;
    auto engine = MakeEngine(64);
    for (uint64_t i = 0; i < 20; ++i) {
      if (!engine->Start(target, silent.port(), milliseconds(100), i, kNever)) return 1;
    }
    int failed = 0;
    for (const ProbeOutcome& outcome : Collect(*engine, 20)) {
      if (SymbolOf(outcome) == kFailed && outcome.local_errno == EADDRNOTAVAIL) {
        ++failed;
      } else if (SymbolOf(outcome) != kSilent) {
        return 2;
      }
    }
    return failed == 16 && engine->counters().local[2] == static_cast<uint64_t>(failed) ? 0 : 3;
  });
}

// Another program has every port of one source address: what fails there is tried again by the
// caller, and the next attempt leaves from the other.
TEST_P(RealEngine, SourceWithoutPortsDoesNotHoldUpTheOther) {
  EXPECT_IN_NAMESPACE([] {
    const TestSocket open = TestSocket::Listening(kLoopback, 4096);
    if (!SetSysctl("net/ipv4/ip_local_port_range", "40000 40063")) return kNoNamespace;
    const IpAddress full = IpAddress::V4(0x7f000002), other = IpAddress::V4(0x7f000003);
    const SocketAddress to = ToSocketAddress(kLoopback, open.port());
    std::vector<TestSocket> taken;
    for (int i = 0; i < 64; ++i) {
      // Ports taken by connect(), as an agent's are: one that is bound by number is taken from all.
      TestSocket s(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const SocketAddress from = ToSocketAddress(full, 0);
      const int later = 1;
      setsockopt(s.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &later, sizeof later);
      if (bind(s.get(), from.get(), from.length) != 0) return 1;
      if (connect(s.get(), to.get(), to.length) != 0) return 1;
      taken.push_back(std::move(s));
    }
    auto engine = MakeEngine(64, {full, other});
    uint64_t waiting = 500, rounds = 0;
    for (; waiting > 0 && rounds < 20; ++rounds) {
      uint64_t failed = 0;
      for (uint64_t sent = 0; sent < waiting;) {
        uint64_t batch = 0;
        for (; batch < 30 && sent < waiting; ++batch, ++sent)
          if (!engine->Start(kLoopback, open.port(), seconds(5), 1, kNever)) return 2;
        for (const ProbeOutcome& outcome : Collect(*engine, batch)) {
          if (SymbolOf(outcome) == kFailed && outcome.local_errno == EADDRNOTAVAIL) {
            ++failed;
          } else if (SymbolOf(outcome) != kOpen || outcome.source != other) {
            return 3;
          }
        }
      }
      waiting = failed;
    }
    return waiting == 0 && rounds > 1 ? 0 : 4;
  });
}

// The routing table's word about one address is an observation; that this machine has no address at
// all to ask from is not.
TEST_P(RealEngine, NoRouteIsUnreachable) {
  EXPECT_IN_NAMESPACE([] {
    if (!AddAddress("198.18.7.1/24")) return kNoNamespace;
    const IpAddress target = IpAddress::V4(0xc6120001);  // 198.18.0.1
    auto engine = MakeEngine(4);
    const ProbeOutcome outcome = ProbeOnce(*engine, target, 80);
    if (SymbolOf(outcome) != Symbol{State::kUnreachable, Reason::kNetUnreachable}) return 1;
    return engine->LacksRoute(target, SystemClock().Now()) ? 2 : 0;
  });
}

bool FailedWithoutRoute(const ProbeOutcome& outcome) {
  return SymbolOf(outcome) == kFailed && outcome.local_errno == kNoRouteErrno;
}

TEST_P(RealEngine, AMachineWithoutAnAddressOfTheFamilyLearnsNothing) {
  EXPECT_IN_NAMESPACE([] {
    const IpAddress target = IpAddress::V4(0xc6120001);
    auto engine = MakeEngine(4);
    const Time now = SystemClock().Now();
    if (!FailedWithoutRoute(ProbeOnce(*engine, target, 80))) return 1;
    if (engine->counters().local[LocalFailureIndex(kNoRouteErrno)] != 1) return 2;
    if (engine->counters().local[LocalFailureIndex(EADDRNOTAVAIL)] != 0) return 3;
    if (!engine->LacksRoute(target, now)) return 4;
    // What is this machine's own by a route alone can be asked, and so can loopback.
    if (engine->LacksRoute(kLoopback, now)) return 5;
    if (SymbolOf(ProbeOnce(*engine, kLoopback, 999)) != kRefused) return 6;
    if (!Shell("ip route add local 198.18.0.0/24 dev lo")) return kNoNamespace;
    if (engine->LacksRoute(target, now)) return 7;
    if (SymbolOf(ProbeOnce(*engine, target, 999)) != kRefused) return 8;
    // Another address without a route is still not asked; one that appears is seen 5 s later.
    const IpAddress other = IpAddress::V4(0xc6130001);
    if (!engine->LacksRoute(other, now)) return 9;
    if (!AddAddress("198.18.7.1/24")) return kNoNamespace;
    return engine->LacksRoute(other, now + LocalRoutes::kLook + seconds(1)) ? 10 : 0;
  });
}

TEST_P(RealEngine, AHostWithoutIpv6LearnsNothingOfIpv6AndEverythingOfIpv4) {
  EXPECT_IN_NAMESPACE([] {
    for (const char* name : {"all", "default", "lo"}) {
      if (!SetSysctl(std::string("net/ipv6/conf/") + name + "/disable_ipv6", "1"))
        return kNoNamespace;
    }
    auto engine = MakeEngine(4);
    const Time now = SystemClock().Now();
    const IpAddress v6 = IpAddress::Parse("2001:db8::1").value();
    // EADDRNOTAVAIL of the kernel, as for a lack of ports.
    for (const IpAddress& target : {kLoopback6, v6}) {
      if (!FailedWithoutRoute(ProbeOnce(*engine, target, 80))) return 1;
      if (!engine->LacksRoute(target, now)) return 2;
    }
    if (SymbolOf(ProbeOnce(*engine, kLoopback, 999)) != kRefused) return 3;
    if (engine->counters().local[LocalFailureIndex(EADDRNOTAVAIL)] != 0) return 4;
    for (const char* name : {"all", "default", "lo"})
      SetSysctl(std::string("net/ipv6/conf/") + name + "/disable_ipv6", "0");
    if (engine->LacksRoute(kLoopback6, now + LocalRoutes::kLook + seconds(1))) return 5;
    return SymbolOf(ProbeOnce(*engine, kLoopback6, 999)) == kRefused ? 0 : 6;
  });
}

// A host that has the family, and no source address of it that may be used towards the target: its
// own is still being checked for duplicates.
TEST_P(RealEngine, AnAddressThatMayNotBeUsedYetIsToldFromALackOfPorts) {
  EXPECT_IN_NAMESPACE([] {
    if (!SetSysctl("net/ipv6/conf/default/dad_transmits", "1000") ||
        !SetSysctl("net/ipv6/conf/lo/disable_ipv6", "1") || !AddAddress("198.18.7.1/24") ||
        !Shell("ip addr add 2001:db8:7::1/64 dev own"))
      return kNoNamespace;
    const IpAddress target = IpAddress::Parse("2001:db8:7::2").value();
    auto engine = MakeEngine(4);
    const Time now = SystemClock().Now();
    if (engine->LacksRoute(target, now)) return 1;  // nobody has doubted it yet
    if (!FailedWithoutRoute(ProbeOnce(*engine, target, 80))) return 2;
    return engine->LacksRoute(target, now) ? 0 : 3;
  });
}

TEST_P(RealEngine, ASourceAddressThatIsGoneIsToldFromALackOfPorts) {
  EXPECT_IN_NAMESPACE([] {
    if (!Shell("ip addr add 198.18.7.1/32 dev lo")) return kNoNamespace;
    const IpAddress source = IpAddress::V4(0xc6120701);
    auto engine = MakeEngine(4, {source});
    if (!Shell("ip addr del 198.18.7.1/32 dev lo")) return kNoNamespace;
    const ProbeOutcome outcome = ProbeOnce(*engine, kLoopback, 999);
    if (SymbolOf(outcome) != kFailed || outcome.local_errno != kSourceGoneErrno) return 1;
    if (engine->counters().local[LocalFailureIndex(EADDRNOTAVAIL)] != 0) return 2;
    if (!Shell("ip addr add 198.18.7.1/32 dev lo")) return kNoNamespace;
    return SymbolOf(ProbeOnce(*engine, kLoopback, 999)) == kRefused ? 0 : 3;
  });
}

struct RejectCase {
  const char* rule;
  Symbol expected;
};

int CheckRejects(const IpAddress& target, const std::vector<RejectCase>& cases) {
  std::string rules = "table inet t { chain input { type filter hook input priority 0; ";
  for (size_t i = 0; i < cases.size(); ++i)
    rules += "tcp dport " + std::to_string(1000 + i) + " " + cases[i].rule + "; ";
  rules += "}\n}";
  if (!Shell("nft '" + rules + "'")) return kNoNamespace;
  auto engine = MakeEngine(2);
  for (int round = 0; round < 5; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      const ProbeOutcome outcome =
          ProbeOnce(*engine, target, static_cast<uint16_t>(1000 + i), milliseconds(200));
      if (SymbolOf(outcome) != cases[i].expected) {
        std::fprintf(stderr, "%s: state %d reason %d errno %d\n", cases[i].rule,
                     static_cast<int>(outcome.state), static_cast<int>(outcome.reason),
                     outcome.local_errno);
        return 1;
      }
      // The next use of the sockets knows nothing of it.
      if (SymbolOf(ProbeOnce(*engine, target, 999)) != kRefused) return 2;
    }
  }
  return 0;
}

TEST_P(RealEngine, FirewallsRejectsAreToldFromRefusals) {
  // Without limits on ICMP, which would turn the tenth answer a second into silence.
  EXPECT_IN_NAMESPACE([] {
    if (!SetSysctl("net/ipv4/icmp_ratelimit", "0")) return kNoNamespace;
    SetSysctl("net/ipv4/icmp_msgs_per_sec",
              "100000");  // of the whole machine in older kernels, which have enough
    SetSysctl("net/ipv4/icmp_msgs_burst", "100000");
    return CheckRejects(
        kLoopback,
        {
            {"drop", kSilent},
            {"reject with tcp reset", kRefused},
            {"reject with icmp type admin-prohibited",
             {State::kFiltered, Reason::kAdminProhibited}},
            {"reject with icmp type host-prohibited", {State::kFiltered, Reason::kAdminProhibited}},
            {"reject with icmp type net-prohibited", {State::kFiltered, Reason::kAdminProhibited}},
            {"reject with icmp type port-unreachable",
             {State::kFiltered, Reason::kPortUnreachable}},
            {"reject with icmp type prot-unreachable",
             {State::kFiltered, Reason::kProtoUnreachable}},
            {"reject with icmp type host-unreachable",
             {State::kUnreachable, Reason::kHostUnreachable}},
            {"reject with icmp type net-unreachable",
             {State::kUnreachable, Reason::kNetUnreachable}},
        });
  });
}

TEST_P(RealEngine, FirewallsRejectsAreToldFromRefusalsOverIpv6) {
  EXPECT_IN_NAMESPACE([] {
    if (!TestSocket::Bound(kLoopback6).ok()) return kNoNamespace;
    SetSysctl("net/ipv6/icmp/ratelimit", "0");
    return CheckRejects(
        kLoopback6,
        {
            {"drop", kSilent},
            {"reject with tcp reset", kRefused},
            {"reject with icmpv6 type admin-prohibited",
             {State::kFiltered, Reason::kAdminProhibited}},
            {"reject with icmpv6 type policy-fail", {State::kFiltered, Reason::kAdminProhibited}},
            {"reject with icmpv6 type reject-route", {State::kFiltered, Reason::kAdminProhibited}},
            {"reject with icmpv6 type port-unreachable",
             {State::kFiltered, Reason::kPortUnreachable}},
            {"reject with icmpv6 type addr-unreachable",
             {State::kUnreachable, Reason::kHostUnreachable}},
            {"reject with icmpv6 type no-route", {State::kUnreachable, Reason::kNetUnreachable}},
        });
  });
}

// 30 % of the ports are rejected by ICMP without a round trip, many at a time, on sockets that are
// used again and again: no false open, and the right reason.
TEST_P(RealEngine, ManyRejectsAmongRefusalsAreNeverOpen) {
  EXPECT_IN_NAMESPACE([] {
    if (!SetSysctl("net/ipv4/icmp_ratelimit", "0")) return kNoNamespace;
    SetSysctl("net/ipv4/icmp_msgs_per_sec", "1000000");
    SetSysctl("net/ipv4/icmp_msgs_burst", "1000000");
    if (!Shell("nft 'table inet t { chain input { type filter hook input priority 0; "
               "tcp dport 10000-10999 reject with icmp type admin-prohibited; "
               "tcp dport 11000-11999 reject with icmp type port-unreachable; "
               "tcp dport 12000-12999 reject with icmp type host-unreachable; }\n}'"))
      return kNoNamespace;
    const Symbol kOfThousand[] = {{State::kFiltered, Reason::kAdminProhibited},
                                  {State::kFiltered, Reason::kPortUnreachable},
                                  {State::kUnreachable, Reason::kHostUnreachable}};
    const TestSocket open = TestSocket::Listening(kLoopback, 4096);
    auto engine = MakeEngine(256);
    std::mt19937_64 random(7);
    constexpr uint64_t kProbes = 30'000;
    std::vector<ProbeOutcome> out;
    uint64_t started = 0, done = 0, silent = 0;
    const Time until = SystemClock().Now() + seconds(40);
    while (done < kProbes && SystemClock().Now() < until) {
      while (started < kProbes) {
        const uint64_t kind = random() % 100;  // 30 % rejected, 2 % open
        const auto port = static_cast<uint16_t>(
            kind < 2 ? open.port() : 10'000 + random() % (kind < 32 ? 3000 : 10'000));
        if (!engine->Start(kLoopback, port, milliseconds(500), port, kNever)) break;
        ++started;
      }
      out.clear();
      engine->Poll(milliseconds(100), out);
      for (const ProbeOutcome& outcome : out) {
        ++done;
        const uint64_t port = outcome.cookie;
        const Symbol expected = port == open.port() ? kOpen
                                : port < 13'000     ? kOfThousand[(port - 10'000) / 1000]
                                                    : kRefused;
        if (SymbolOf(outcome) == expected) continue;
        if (SymbolOf(outcome) != kSilent || port >= 13'000) {
          std::fprintf(stderr, "port %d: %s errno %d\n", static_cast<int>(port),
                       std::string(ReasonName(outcome.reason)).c_str(), outcome.local_errno);
          return 1;
        }
        ++silent;
      }
    }
    if (done != kProbes) return 2;
    return silent <= kProbes / 100 ? 0 : 3;
  });
}

uint16_t Checksum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    sum += static_cast<uint32_t>(bytes[i]) << 8 | bytes[i + 1];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// An ICMP error that comes back later, as from a router on the way, finds the socket idle: the
// other way into the engine than a reject without a round trip.
TEST_P(RealEngine, IcmpErrorThatArrivesLaterEndsTheAttempt) {
  EXPECT_IN_NAMESPACE([] {
    const TestSocket sniffer(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));
    const TestSocket sender(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    if (!sniffer.ok() || !sender.ok()) return kNoNamespace;
    SilentPort silent(kLoopback);
    auto engine = MakeEngine(2);
    const std::vector<std::pair<std::pair<uint8_t, uint8_t>, Symbol>> cases = {
        {{3, 13}, {State::kFiltered, Reason::kAdminProhibited}},
        {{3, 3}, {State::kFiltered, Reason::kPortUnreachable}},
        {{3, 1}, {State::kUnreachable, Reason::kHostUnreachable}},
        {{3, 0}, {State::kUnreachable, Reason::kNetUnreachable}},
        {{11, 0}, {State::kUnreachable, Reason::kTtlExceeded}},
    };
    for (const auto& [icmp, expected] : cases) {
      std::vector<uint8_t> packet(200);
      while (recv(sniffer.get(), packet.data(), packet.size(), MSG_DONTWAIT) > 0) {
      }
      if (!engine->Start(kLoopback, silent.port(), seconds(5), 1, kNever)) return 1;
      std::vector<ProbeOutcome> none;
      engine->Poll(Duration::zero(), none);  // an engine may send only now
      const ssize_t size = recv(sniffer.get(), packet.data(), packet.size(), 0);  // our SYN
      if (size < 40) return 2;
      std::vector<uint8_t> message = {icmp.first, icmp.second, 0, 0, 0, 0, 0, 0};
      message.insert(message.end(), packet.begin(), packet.begin() + 40);
      const uint16_t sum = Checksum(message);
      message[2] = static_cast<uint8_t>(sum >> 8);
      message[3] = static_cast<uint8_t>(sum);
      const SocketAddress to = ToSocketAddress(kLoopback, 0);
      if (sendto(sender.get(), message.data(), message.size(), 0, to.get(), to.length) < 0)
        return 3;
      const ProbeOutcome outcome = Collect(*engine, 1).front();
      if (SymbolOf(outcome) != expected) {
        std::fprintf(stderr, "icmp %d/%d: state %d reason %d errno %d\n", icmp.first, icmp.second,
                     static_cast<int>(outcome.state), static_cast<int>(outcome.reason),
                     outcome.local_errno);
        return 4;
      }
    }
    return 0;
  });
}

}  // namespace
}  // namespace portolan
