// What becomes of connections that an engine keeps for a while. Every test runs over both engines.
#include <poll.h>

#include <cerrno>
#include <random>

#include "tests/agent/engine/probing.h"

namespace portolan {
namespace {

// Polls until the listener has a connection.
TestSocket AcceptFrom(const TestSocket& listener, ProbeEngine& engine,
                      std::vector<ProbeOutcome>& out) {
  pollfd waiting{listener.get(), POLLIN, 0};
  const Time until = SystemClock().Now() + seconds(20);
  while (poll(&waiting, 1, 0) == 0 && SystemClock().Now() < until)
    engine.Poll(milliseconds(1), out);
  engine.Poll(milliseconds(1), out);  // the engine has seen that it is connected, too
  return TestSocket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

TestSocket AcceptFrom(const TestSocket& listener, ProbeEngine& engine) {
  std::vector<ProbeOutcome> none;
  TestSocket accepted = AcceptFrom(listener, engine, none);
  EXPECT_TRUE(none.empty());
  return accepted;
}

void SetReset(const TestSocket& socket) {
  const linger reset{1, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

TEST_P(RealEngine, HeldConnectionEndsWhenThePeerActs) {
  const TestSocket listener = TestSocket::Listening(kLoopback);
  auto engine = MakeEngine(4);
  for (int round = 0; round < 10; ++round) {
    for (AfterOpen act : {AfterOpen::kReset, AfterOpen::kClosed, AfterOpen::kData}) {
      ASSERT_TRUE(
          engine->StartHolding(kLoopback, listener.port(), seconds(5), seconds(100), 7, kNever));
      TestSocket accepted = AcceptFrom(listener, *engine);
      if (act == AfterOpen::kReset) SetReset(accepted);
      if (act == AfterOpen::kData) {
        ASSERT_EQ(send(accepted.get(), "x", 1, MSG_NOSIGNAL), 1);
      } else {
        accepted = TestSocket();
      }
      const ProbeOutcome outcome = Collect(*engine, 1).front();
      ASSERT_EQ(outcome.after, act);
      ASSERT_EQ(SymbolOf(outcome), act == AfterOpen::kReset
                                       ? (Symbol{State::kOpen, Reason::kResetAfterAccept})
                                       : kOpen);
      ASSERT_EQ(outcome.source, kLoopback);
    }
  }
}

// It said something: that is the finding, also when a reset is there before the engine looks.
TEST_P(RealEngine, DataBeforeAResetIsData) {
  const TestSocket listener = TestSocket::Listening(kLoopback);
  auto engine = MakeEngine(4);
  ASSERT_TRUE(
      engine->StartHolding(kLoopback, listener.port(), seconds(5), seconds(100), 1, kNever));
  TestSocket accepted = AcceptFrom(listener, *engine);
  ASSERT_EQ(send(accepted.get(), "x", 1, MSG_NOSIGNAL), 1);
  SetReset(accepted);
  accepted = TestSocket();
  EXPECT_EQ(Collect(*engine, 1).front().after, AfterOpen::kData);
}

TEST_P(RealEngine, HeldConnectionIsClosedWithReset) {
  const TestSocket listener = TestSocket::Listening(kLoopback);
  auto engine = MakeEngine(1);
  const int before = OpenDescriptorCount();
  for (bool cancel : {false, true}) {
    ASSERT_TRUE(engine->StartHolding(kLoopback, listener.port(), seconds(5),
                                     cancel ? seconds(100) : Duration(milliseconds(20)), 1,
                                     kNever));
    std::vector<ProbeOutcome> out;
    const TestSocket accepted = AcceptFrom(listener, *engine, out);
    if (cancel) {
      engine->Cancel();
    } else {
      if (out.empty()) out = Collect(*engine, 1);
      EXPECT_EQ(out.front().after, AfterOpen::kQuiet);
    }
    char byte;
    EXPECT_EQ(recv(accepted.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
  }
  EXPECT_EQ(OpenDescriptorCount(), before) << "its socket is not used again";
}

TEST_P(RealEngine, HoldsOverIpv6) {
  const TestSocket listener = TestSocket::Listening(kLoopback6);
  if (!listener.ok()) GTEST_SKIP() << "no IPv6 on this machine";
  auto engine = MakeEngine(4);
  ASSERT_TRUE(
      engine->StartHolding(kLoopback6, listener.port(), seconds(5), seconds(100), 1, kNever));
  AcceptFrom(listener, *engine);  // and closes it
  const ProbeOutcome outcome = Collect(*engine, 1).front();
  EXPECT_EQ(outcome.after, AfterOpen::kClosed);
  EXPECT_EQ(outcome.source, kLoopback6);
}

// Holds that end in the moment in which the peer acts, in few slots and between other attempts:
// what is told is always of the attempt itself.
TEST_P(RealEngine, LateEventOfAHeldConnectionSaysNothingAboutTheNext) {
  constexpr uint64_t kProbes = 3000;
  const ActingPort ports[] = {{kLoopback, ActingPort::Act::kReset},
                              {kLoopback, ActingPort::Act::kClose},
                              {kLoopback, ActingPort::Act::kSay}};
  const AfterOpen acts[] = {AfterOpen::kReset, AfterOpen::kClosed, AfterOpen::kData};
  const TestSocket refused = TestSocket::Bound(kLoopback);
  const TestSocket open = TestSocket::Listening(kLoopback, 4096);
  auto engine = MakeEngine(3);
  std::mt19937 random(5);
  std::vector<ProbeOutcome> out;
  uint64_t started = 0;
  const Time until = SystemClock().Now() + seconds(30);
  while (out.size() < kProbes && SystemClock().Now() < until) {
    while (started < kProbes) {
      const uint64_t kind = random() % 5;
      const uint16_t port = kind < 3    ? ports[kind].port()
                            : kind == 3 ? refused.port()
                                        : open.port();
      const Duration hold(random() % 500'000);
      if (!engine->StartHolding(kLoopback, port, seconds(5), kind == 4 ? Duration(0) : hold, kind,
                                kNever))
        break;
      ++started;
    }
    engine->Poll(milliseconds(random() % 3), out);
  }
  ASSERT_EQ(out.size(), kProbes);
  for (const ProbeOutcome& outcome : out) {
    if (outcome.cookie == 3) {
      ASSERT_EQ(SymbolOf(outcome), kRefused);
      continue;
    }
    ASSERT_EQ(outcome.state, State::kOpen) << outcome.local_errno;
    if (outcome.cookie == 4) {
      ASSERT_EQ(outcome.after, AfterOpen::kNotHeld);
    } else if (outcome.after != AfterOpen::kQuiet && outcome.after != AfterOpen::kNotHeld) {
      ASSERT_EQ(outcome.after, acts[outcome.cookie]);
    }
  }
}

TEST_P(RealEngine, HoldsLeaveNoDescriptorBehind) {
  const TestSocket open = TestSocket::Listening(kLoopback, 4096);
  const int before = OpenDescriptorCount();
  {
    auto engine = MakeEngine(50);
    for (int round = 0; round < 3; ++round) {
      for (uint64_t i = 0; i < 50; ++i) {
        ASSERT_TRUE(engine->StartHolding(kLoopback, open.port(), seconds(5),
                                         i % 2 == 0 ? seconds(100) : Duration(1), i, kNever));
      }
      EXPECT_EQ(Collect(*engine, 25).size(), 25u);
      EXPECT_EQ(engine->in_flight(), 25u);
      if (round < 2) engine->Cancel();
    }
  }  // with connections held
  EXPECT_EQ(OpenDescriptorCount(), before);
}

}  // namespace
}  // namespace portolan
