// A million probes of every kind leave nothing behind. Both engines, in a namespace without a way
// out.
#include <map>
#include <random>
#include <string>

#include "tests/agent/engine/probing.h"
#include "tests/contract/namespace.h"

namespace portolan {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kProbes = 100'000;
#else
constexpr uint64_t kProbes = 1'000'000;
#endif

TEST_P(RealEngine, MillionProbesLeaveNoDescriptorBehind) {
  const std::optional<int> status = InNamespace([] {
    SetSysctl("net/ipv4/icmp_ratelimit", "0");
    SetSysctl("net/ipv4/icmp_msgs_per_sec", "1000000");
    SetSysctl("net/ipv4/icmp_msgs_burst", "1000000");
    if (!Shell(
            "nft 'table inet t { chain input { type filter hook input priority 0; "
            "tcp dport 10000 reject with icmp type admin-prohibited; tcp dport 10001 drop; }\n}'"))
      return kNoNamespace;
    const int before = OpenDescriptorCount();
    {
      // Connections that nobody accepts would fill its queue, and it would fall silent.
      const ActingPort open(kLoopback, ActingPort::Act::kClose);
      const TestSocket refused = TestSocket::Bound(kLoopback);
      constexpr uint32_t kWindow = 300;
      auto engine = MakeEngine(kWindow);
      std::mt19937_64 random(11);
      std::vector<ProbeOutcome> out;
      uint64_t started = 0, done = 0, cancelled = 0, next_cancel = kProbes / 10, polls = 0;
      std::map<Reason, uint64_t> reasons;
      // A machine that is busy with other things makes fewer in this time.
      const Time until = SystemClock().Now() + seconds(20);
      while (done + cancelled < kProbes) {
        while (started < kProbes && SystemClock().Now() < until) {
          const uint64_t kind = random() % 200;  // 1 % open, rejected, silent, held each
          const uint16_t port = kind < 4   ? open.port()
                                : kind < 6 ? uint16_t{10'000}
                                : kind < 8 ? uint16_t{10'001}
                                           : refused.port();
          const Duration timeout = kind == 6 || kind == 7 ? milliseconds(3) : milliseconds(5000);
          const Duration hold = kind < 2 ? milliseconds(2) : milliseconds(0);
          if (!engine->StartHolding(kLoopback, port, timeout, hold, kind, kNever)) break;
          ++started;
        }
        if (engine->in_flight() == 0) break;
        out.clear();
        engine->Poll(milliseconds(100), out);
        done += out.size();
        for (const ProbeOutcome& outcome : out) ++reasons[outcome.reason];
        if (++polls % 64 == 0 && OpenDescriptorCount() > before + static_cast<int>(kWindow) + 8)
          return 1;
        if (done >= next_cancel) {
          next_cancel += kProbes / 10;
          cancelled += engine->in_flight();
          engine->Cancel();
          if (engine->in_flight() != 0) return 2;
        }
      }
      if (done + cancelled != started || engine->counters().started != started) return 3;
      if (started < kProbes / 20) return 4;
      for (Reason reason :
           {Reason::kSynAck, Reason::kConnRefused, Reason::kAdminProhibited, Reason::kNoResponse}) {
        if (reasons[reason] < started / 200) return 5;
      }
      if (reasons[Reason::kLocalFailure] != 0) return 6;
    }
    return OpenDescriptorCount() == before ? 0 : 7;
  });
  if (status == kNoNamespace) GTEST_SKIP() << "needs a network namespace (and nft): run it as root";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace portolan
