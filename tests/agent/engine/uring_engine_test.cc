// What is the io_uring engine's alone: batches, and why there is no such engine.
#include "agent/engine/uring_engine.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <utility>

#include "tests/agent/engine/probing.h"

namespace portolan {
namespace {

bool HasConnection(const TestSocket& listener) {
  pollfd waiting{listener.get(), POLLIN, 0};
  return poll(&waiting, 1, 0) > 0;
}

class HandClock final : public Clock {
 public:
  Time Now() const override { return now; }
  WallTime Wall() const override { return SystemClock().Wall(); }
  Time now = SystemClock().Now();
};

TEST(UringEngine, AttemptThatWaitedInItsBatchTooLongIsNotMade) {
  HandClock clock;
  auto engine = MakeUringEngine({8, {}}, clock);
  if (!engine.ok()) GTEST_SKIP() << engine.status();
  const TestSocket listener = TestSocket::Listening(kLoopback);
  const TestSocket refused = TestSocket::Bound(kLoopback);
  ASSERT_TRUE((*engine)->Start(kLoopback, listener.port(), seconds(5), 1, clock.now + seconds(1)));
  ASSERT_TRUE((*engine)->Start(kLoopback, refused.port(), seconds(5), 2, clock.now + seconds(9)));
  clock.now += seconds(1);  // the thread was held up between the two calls
  std::vector<ProbeOutcome> out;
  for (int i = 0; i < 100 && out.size() < 2; ++i) (*engine)->Poll(Duration::zero(), out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].cookie, 1u);
  EXPECT_EQ(SymbolOf(out[0]), (Symbol{State::kOwed, Reason::kChunkClosed}));
  EXPECT_EQ(SymbolOf(out[1]), kRefused);
  EXPECT_FALSE(HasConnection(listener)) << "a packet left";
}

TEST(UringEngine, CancelledBeforeItLeftIsNotMade) {
  auto engine = MakeUringEngine({8, {}}, SystemClock());
  if (!engine.ok()) GTEST_SKIP() << engine.status();
  const TestSocket listener = TestSocket::Listening(kLoopback);
  ASSERT_TRUE((*engine)->Start(kLoopback, listener.port(), seconds(5), 1, kNever));
  (*engine)->Cancel();
  EXPECT_EQ((*engine)->in_flight(), 0u);
  EXPECT_FALSE(HasConnection(listener)) << "a packet left";
}

// The trial is on loopback, where it cannot fail for another reason than the kernel.
TEST(UringEngine, EndsAttemptsByDisconnectingWhereTheKernelTakesThat) {
  auto ring = Ring::Make(64);
  if (!ring.ok()) GTEST_SKIP() << ring.status();
  utsname name{};
  ASSERT_EQ(uname(&name), 0);
  int major = 0, minor = 0;
  ASSERT_EQ(std::sscanf(name.release, "%d.%d", &major, &minor), 2) << name.release;
  if (std::pair(major, minor) < std::pair(6, 13))
    GTEST_SKIP() << "Linux " << name.release << " may or may not";
  EXPECT_TRUE((*ring)->ends_by_disconnect());
  EXPECT_FALSE((*Ring::Make(64, 0, /*may_disconnect=*/false))->ends_by_disconnect());
}

TEST(UringEngine, WorksWithTheSettingsOfOlderKernels) {
  const TestSocket open = TestSocket::Listening(kLoopback, 4096);
  const TestSocket refused = TestSocket::Bound(kLoopback);
  SilentPort silent(kLoopback);
  for (uint32_t variant = 0; variant < 2 * Ring::kSettings; ++variant) {
    auto ring = Ring::Make(64, variant / 2, /*may_disconnect=*/variant % 2 == 0);
    if (!ring.ok()) GTEST_SKIP() << ring.status();
    SCOPED_TRACE((*ring)->settings());
    UringEngine engine(64, {}, "", *std::move(ring), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                       SystemClock());
    std::vector<ProbeOutcome> out;
    uint64_t started = 0;
    const Time until = SystemClock().Now() + seconds(20);
    while (out.size() < 3000 && SystemClock().Now() < until) {
      for (bool room = true; room && started < 3000; started += room) {
        const uint16_t port = started % 50 == 0   ? silent.port()
                              : started % 10 == 1 ? open.port()
                                                  : refused.port();
        room = engine.Start(kLoopback, port, milliseconds(started % 50 == 0 ? 5 : 5000), started,
                            kNever);
      }
      engine.Poll(seconds(1), out);
    }
    ASSERT_EQ(out.size(), 3000u);
    for (const ProbeOutcome& outcome : out) {
      ASSERT_EQ(SymbolOf(outcome), outcome.cookie % 50 == 0   ? kSilent
                                   : outcome.cookie % 10 == 1 ? kOpen
                                                              : kRefused);
    }
    ASSERT_TRUE(engine.Start(kLoopback, silent.port(), seconds(20), 1, kNever));
    engine.Poll(Duration::zero(), out);
    engine.Wake();
    engine.Poll(std::chrono::hours(1), out);
    engine.Cancel();
    EXPECT_EQ(engine.in_flight(), 0u);
  }
}

TEST(MakeEngine, NamesAreThoseOfTheFlag) {
  EXPECT_EQ(EngineChoiceFromName("auto"), EngineChoice::kAuto);
  EXPECT_EQ(EngineChoiceFromName("epoll"), EngineChoice::kEpoll);
  EXPECT_EQ(EngineChoiceFromName("io_uring"), EngineChoice::kUring);
  EXPECT_EQ(EngineChoiceFromName("uring"), std::nullopt);
  EXPECT_EQ(MakeEngine(EngineChoice::kEpoll, {4, {}}, SystemClock())->engine->name(), "epoll");
}

// As Docker's default profile does.
bool RefuseIoUring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof filter / sizeof filter[0], filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(MakeEngine, FallsBackToEpollAndSaysWhy) {
  const auto status = InChild([] {
    if (!RefuseIoUring()) return 77;
    const auto made = MakeEngine(EngineChoice::kAuto, {4, {}}, SystemClock());
    if (!made.ok() || made->engine->name() != "epoll") return 1;
    if (made->reason !=
        "io_uring refused by the kernel or a sandbox: Operation not permitted; using epoll")
      return 2;
    const auto asked = MakeEngine(EngineChoice::kUring, {4, {}}, SystemClock());
    return asked.status().code() == absl::StatusCode::kFailedPrecondition ? 0 : 3;
  });
  if (status == 77) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(status, 0);
}

TEST(MakeEngine, WrongSourceIsNotAReasonToTryTheOther) {
  const auto made =
      MakeEngine(EngineChoice::kAuto, {4, {IpAddress::V4(0xc6120001)}}, SystemClock());
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << made.status();
}

}  // namespace
}  // namespace portolan
