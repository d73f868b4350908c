// What only an engine over real sockets can get wrong, on loopback. Every test runs over both.
#include <sys/resource.h>

#include <cerrno>
#include <map>
#include <random>
#include <thread>

#include "tests/agent/engine/probing.h"
#include "tests/contract/connect_fault.h"

namespace portolan {
namespace {

TEST_P(RealEngine, ProbesIpv6) {
  const TestSocket open = TestSocket::Listening(kLoopback6);
  if (!open.ok()) GTEST_SKIP() << "no IPv6 on this machine";
  const TestSocket refused = TestSocket::Bound(kLoopback6);
  SilentPort silent(kLoopback6);
  auto engine = MakeEngine(8);
  const ProbeOutcome outcome = ProbeOnce(*engine, kLoopback6, open.port());
  EXPECT_EQ(SymbolOf(outcome), kOpen);
  EXPECT_EQ(outcome.source, kLoopback6);
  EXPECT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback6, refused.port())), kRefused);
  EXPECT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback6, silent.port(), milliseconds(30))), kSilent);
}

TEST_P(RealEngine, FamiliesShareTheWindow) {
  const TestSocket open6 = TestSocket::Listening(kLoopback6);
  if (!open6.ok()) GTEST_SKIP() << "no IPv6 on this machine";
  const TestSocket open4 = TestSocket::Listening(kLoopback);
  const int before = OpenDescriptorCount();
  auto engine = MakeEngine(3);
  for (int round = 0; round < 20; ++round) {
    for (const auto& [address, port] :
         {std::pair(kLoopback, open4.port()), std::pair(kLoopback6, open6.port())}) {
      for (uint64_t i = 0; i < 3; ++i)
        ASSERT_TRUE(engine->Start(address, port, seconds(5), i, kNever));
      ASSERT_FALSE(engine->Start(address, port, seconds(5), 9, kNever));
      for (const ProbeOutcome& outcome : Collect(*engine, 3)) ASSERT_EQ(SymbolOf(outcome), kOpen);
      ASSERT_LE(OpenDescriptorCount(), before + 3 + 2);  // its own: epoll or ring, eventfd
    }
  }
}

// One socket goes through every change from one answer to another: nothing of an earlier answer may
// show in a later one.
TEST_P(RealEngine, SocketUsedAgainRemembersNothing) {
  const TestSocket open = TestSocket::Listening(kLoopback, 4096);
  const TestSocket refused = TestSocket::Bound(kLoopback);
  SilentPort silent(kLoopback);
  auto engine = MakeEngine(1);
  std::mt19937 random(1);
  for (int i = 0; i < 600; ++i) {
    switch (random() % 3) {
      case 0:
        ASSERT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, open.port())), kOpen) << i;
        break;
      case 1:
        ASSERT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, refused.port())), kRefused) << i;
        break;
      default:
        ASSERT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, silent.port(), milliseconds(2))), kSilent)
            << i;
    }
  }
}

TEST_P(RealEngine, TenThousandProbesToOneRefusingPort) {
  const TestSocket refused = TestSocket::Bound(kLoopback);
  auto engine = MakeEngine(512);
  std::vector<ProbeOutcome> out;
  uint64_t started = 0;
  const Time until = SystemClock().Now() + seconds(60);
  while (out.size() < 10'000 && SystemClock().Now() < until) {
    while (started < 10'000 &&
           engine->Start(kLoopback, refused.port(), seconds(5), started, kNever))
      ++started;
    engine->Poll(seconds(1), out);
  }
  ASSERT_EQ(out.size(), 10'000u);
  for (const ProbeOutcome& outcome : out)
    ASSERT_EQ(SymbolOf(outcome), kRefused) << outcome.local_errno;
}

// So many attempts leave at once, whatever an engine gathers before it sends.
constexpr int kSentAtOnce = 32;

TEST_P(RealEngine, ServerThatResetsAtOnceIsOpen) {
  const TestSocket listener = TestSocket::Listening(kLoopback);
  auto engine = MakeEngine(kSentAtOnce);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < kSentAtOnce; ++i)
      ASSERT_TRUE(engine->Start(kLoopback, listener.port(), seconds(5), 1, kNever));
    for (int i = 0; i < kSentAtOnce; ++i) {
      const TestSocket accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const linger reset{1, 0};
      setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }  // its RST is there before the engine looks
    for (const ProbeOutcome& outcome : Collect(*engine, kSentAtOnce)) {
      ASSERT_EQ(SymbolOf(outcome), (Symbol{State::kOpen, Reason::kResetAfterAccept}));
      ASSERT_EQ(outcome.source, kLoopback);
    }
  }
}

TEST_P(RealEngine, ServerThatClosesAtOnceIsOpen) {
  const TestSocket listener = TestSocket::Listening(kLoopback);
  auto engine = MakeEngine(kSentAtOnce);
  for (int i = 0; i < kSentAtOnce; ++i)
    ASSERT_TRUE(engine->Start(kLoopback, listener.port(), seconds(5), 1, kNever));
  for (int i = 0; i < kSentAtOnce; ++i)
    const TestSocket accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  for (const ProbeOutcome& outcome : Collect(*engine, kSentAtOnce))
    ASSERT_EQ(SymbolOf(outcome), kOpen);
}

TEST_P(RealEngine, OpenConnectionIsClosedWithReset) {
  const TestSocket listener = TestSocket::Listening(kLoopback);
  auto engine = MakeEngine(4);
  EXPECT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, listener.port())), kOpen);
  const TestSocket accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  char byte;
  EXPECT_EQ(recv(accepted.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_P(RealEngine, LeavesFromTheSourcesInTurn) {
  const TestSocket listener = TestSocket::Listening(kLoopback);
  auto engine = MakeEngine(16, {IpAddress::V4(0x7f000002), IpAddress::V4(0x7f000003)});
  std::map<IpAddress, int> sources;
  for (int i = 0; i < 20; ++i) {
    const ProbeOutcome outcome = ProbeOnce(*engine, kLoopback, listener.port());
    ASSERT_EQ(SymbolOf(outcome), kOpen);
    ++sources[outcome.source];
  }
  EXPECT_EQ(sources, (std::map<IpAddress, int>{{IpAddress::V4(0x7f000002), 10},
                                               {IpAddress::V4(0x7f000003), 10}}));
}

TEST_P(RealEngine, SourcesOfOneFamilyDoNotConcernTheOther) {
  const TestSocket open6 = TestSocket::Listening(kLoopback6);
  if (!open6.ok()) GTEST_SKIP() << "no IPv6 on this machine";
  const TestSocket open4 = TestSocket::Listening(kLoopback);
  auto only4 = MakeEngine(4, {IpAddress::V4(0x7f000002)});
  EXPECT_EQ(ProbeOnce(*only4, kLoopback6, open6.port()).source, kLoopback6);
  EXPECT_EQ(ProbeOnce(*only4, kLoopback, open4.port()).source, IpAddress::V4(0x7f000002));
  auto only6 = MakeEngine(4, {kLoopback6});
  EXPECT_EQ(ProbeOnce(*only6, kLoopback6, open6.port()).source, kLoopback6);
  EXPECT_EQ(ProbeOnce(*only6, kLoopback, open4.port()).source, kLoopback);
}

TEST_P(RealEngine, SourceOfAnotherMachineIsRefusedAtOnce) {
  const auto engine = GetParam().make({4, {IpAddress::V4(0xc6120001)}}, SystemClock());
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument) << engine.status();
}

// Attempts that end by their timeout in the moment in which an answer may come, in few slots: an
// event of the earlier attempt must never end the later one.
TEST_P(RealEngine, LateEventSaysNothingAboutTheNextAttemptInItsSlot) {
  const TestSocket open = TestSocket::Listening(kLoopback, 4096);
  const TestSocket refused = TestSocket::Bound(kLoopback);
  SilentPort silent(kLoopback);
  auto engine = MakeEngine(3);
  std::mt19937 random(3);
  std::vector<ProbeOutcome> out;
  uint64_t started = 0;
  const Time until = SystemClock().Now() + seconds(30);
  while (out.size() < 3000 && SystemClock().Now() < until) {
    while (started < 3000) {
      const uint64_t kind = random() % 3;
      const uint16_t port = kind == 0 ? open.port() : kind == 1 ? refused.port() : silent.port();
      if (!engine->Start(kLoopback, port, Duration(1 + random() % 2'000'000), kind, kNever)) break;
      ++started;
    }
    engine->Poll(milliseconds(random() % 3), out);
  }
  ASSERT_EQ(out.size(), 3000u);
  for (const ProbeOutcome& outcome : out) {
    const Symbol expected = outcome.cookie == 0 ? kOpen : outcome.cookie == 1 ? kRefused : kSilent;
    ASSERT_EQ(SymbolOf(outcome), expected) << ReasonName(outcome.reason);
  }
}

TEST_P(RealEngine, ThousandTimeoutsAtOnce) {
  SilentPort silent(kLoopback);
  const TestSocket refused = TestSocket::Bound(kLoopback);
  auto engine = MakeEngine(1000);
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < 1000; ++i)
      ASSERT_TRUE(engine->Start(kLoopback, silent.port(), milliseconds(20), i, kNever));
    for (const ProbeOutcome& outcome : Collect(*engine, 1000))
      ASSERT_EQ(SymbolOf(outcome), kSilent);
  }
  for (uint64_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(engine->Start(kLoopback, silent.port(), seconds(20), i, kNever));
  engine->Cancel();
  EXPECT_EQ(engine->in_flight(), 0u);
  for (uint64_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(engine->Start(kLoopback, refused.port(), seconds(20), i, kNever));
  for (const ProbeOutcome& outcome : Collect(*engine, 1000)) ASSERT_EQ(SymbolOf(outcome), kRefused);
}

TEST_P(RealEngine, MadeByOneThreadAndOwnedByAnother) {
  const TestSocket refused = TestSocket::Bound(kLoopback);
  SilentPort silent(kLoopback);
  const int before = OpenDescriptorCount();
  {
    auto engine = MakeEngine(16);
    std::thread owner([&] {
      EXPECT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, refused.port())), kRefused);
      EXPECT_TRUE(engine->Start(kLoopback, silent.port(), seconds(20), 1, kNever));
      std::vector<ProbeOutcome> out;
      engine->Poll(Duration::zero(), out);
      engine->Cancel();
    });
    owner.join();
    engine->Wake();
  }
  EXPECT_EQ(OpenDescriptorCount(), before);
}

// What the kernel answers when it cannot: injected, and the other port goes on in the same moment.
TEST_P(RealEngine, FailuresOfThisMachineAreNeverAState) {
  const TestSocket refused = TestSocket::Bound(kLoopback);
  const TestSocket failing = TestSocket::Bound(kLoopback);
  const auto status = InChild([&] {
    ConnectFault fault;
    if (!fault.Enter() || !fault.Set(failing.port(), ENOBUFS)) return 77;
    auto engine = MakeEngine(64);
    for (int error : {ENOBUFS, ENOMEM, EADDRNOTAVAIL, ENETDOWN, EPERM, EACCES, ENFILE}) {
      if (!fault.Set(failing.port(), error)) return 1;
      const uint64_t before = engine->counters().local[LocalFailureIndex(error)];
      for (uint64_t i = 0; i < 60; ++i) {
        const uint16_t port = i % 2 == 0 ? failing.port() : refused.port();
        if (!engine->Start(kLoopback, port, seconds(5), i, kNever)) return 2;
      }
      for (const ProbeOutcome& outcome : Collect(*engine, 60)) {
        const bool good = outcome.cookie % 2 == 0
                              ? SymbolOf(outcome) == kFailed && outcome.local_errno == error
                              : SymbolOf(outcome) == kRefused;
        if (good) continue;
        std::fprintf(stderr, "errno %d: %s errno %d\n", error,
                     std::string(ReasonName(outcome.reason)).c_str(), outcome.local_errno);
        return 3;
      }
      if (engine->counters().local[LocalFailureIndex(error)] != before + 30) return 4;
    }
    return 0;
  });
  if (status == 77) GTEST_SKIP() << "needs root, cgroup2 and BPF on cgroups (Linux 5.18)";
  EXPECT_EQ(status, 0);
}

TEST_P(RealEngine, RunningOutOfDescriptorsIsNeverAState) {
  const TestSocket refused = TestSocket::Bound(kLoopback);
  EXPECT_EQ(InChild([&] {
              auto engine = MakeEngine(64);
              rlimit limit{static_cast<rlim_t>(dup(0)) + 10, 0};
              limit.rlim_max = limit.rlim_cur;
              if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
              std::map<State, int> states;
              for (uint64_t i = 0; i < 64; ++i) {
                if (!engine->Start(kLoopback, refused.port(), seconds(5), i, kNever)) return 2;
              }
              for (const ProbeOutcome& outcome : Collect(*engine, 64)) {
                ++states[outcome.state];
                if (outcome.state == State::kOwed &&
                    (SymbolOf(outcome) != kFailed || outcome.local_errno != EMFILE))
                  return 3;
              }
              if (states[State::kClosed] == 0 || states[State::kOwed] < 50 || states.size() != 2)
                return 4;
              if (engine->counters().local[0] != static_cast<uint64_t>(states[State::kOwed]))
                return 5;
              // With the descriptors that it has it goes on.
              return SymbolOf(ProbeOnce(*engine, kLoopback, refused.port())) == kRefused ? 0 : 6;
            }),
            0);
}

TEST_P(RealEngine, WindowFollowsTheFileLimitAndSaysSo) {
  EXPECT_EQ(InChild([] {
              rlimit limit{150, 200};
              if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
              auto engine = MakeEngine(0);
              if (engine->window() > 200 - 64 || engine->window() < 100) return 2;
              if (engine->limited_by().find("file limit 200") == std::string::npos) return 3;
              auto small = MakeEngine(10);
              return small->window() == 10 && small->limited_by().empty() ? 0 : 4;
            }),
            0);
  EXPECT_EQ(InChild([] {
              rlimit limit{60, 60};
              if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
              return GetParam().make({}, SystemClock()).status().code() ==
                             absl::StatusCode::kFailedPrecondition
                         ? 0
                         : 2;
            }),
            0);
}

INSTANTIATE_TEST_SUITE_P(Engines, RealEngine, testing::ValuesIn(kEngineKinds),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace portolan
