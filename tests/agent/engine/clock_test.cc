// Clocks that no machine should have. Every test runs over both engines.
#include "tests/agent/engine/probing.h"

namespace portolan {
namespace {

class JumpingClock final : public Clock {
 public:
  Time Now() const override { return SystemClock().Now() + ahead; }
  WallTime Wall() const override { return SystemClock().Wall(); }
  Duration ahead{};
};

TEST_P(RealEngine, ClockThatJumpsEndsWhatIsDueAndNothingElse) {
  const TestSocket refused = TestSocket::Bound(kLoopback);
  SilentPort silent(kLoopback);
  JumpingClock clock;
  auto engine = MakeEngine(64, {}, clock);
  for (int round = 0; round < 10; ++round) {
    for (uint64_t i = 0; i < 20; ++i) {
      ASSERT_TRUE(engine->Start(kLoopback, silent.port(), seconds(30), 0, kNever));
      ASSERT_TRUE(engine->Start(kLoopback, refused.port(), seconds(30), 1, kNever));
    }
    std::vector<ProbeOutcome> out;
    engine->Poll(Duration::zero(), out);  // an engine may send only now
    // As after a suspended machine: answers that are there count, whatever time it is now.
    clock.ahead += std::chrono::hours(1);
    const Time until = clock.Now() + seconds(20);
    while (out.size() < 40 && clock.Now() < until) engine->Poll(std::chrono::hours(10), out);
    ASSERT_EQ(out.size(), 40u);
    for (const ProbeOutcome& outcome : out)
      ASSERT_EQ(SymbolOf(outcome), outcome.cookie == 0 ? kSilent : kRefused);
  }
}

class StandingClock final : public Clock {
 public:
  Time Now() const override { return now; }
  WallTime Wall() const override { return {}; }
  Time now = SystemClock().Now();
};

TEST_P(RealEngine, ClockThatStandsStillHangsNothing) {
  const TestSocket refused = TestSocket::Bound(kLoopback);
  SilentPort silent(kLoopback);
  StandingClock clock;
  auto engine = MakeEngine(8, {}, clock);
  std::vector<ProbeOutcome> out;
  ASSERT_TRUE(engine->Start(kLoopback, silent.port(), milliseconds(50), 1, kNever));
  ASSERT_TRUE(engine->Start(kLoopback, refused.port(), milliseconds(50), 2, kNever));
  for (int i = 0; i < 100 && out.empty(); ++i) engine->Poll(milliseconds(5), out);
  ASSERT_EQ(out.size(), 1u) << "answers come without a clock";
  EXPECT_EQ(SymbolOf(out[0]), kRefused);
  for (int i = 0; i < 3; ++i) engine->Poll(milliseconds(5), out);
  EXPECT_EQ(out.size(), 1u) << "no time has passed";
  clock.now += std::chrono::hours(1);
  for (int i = 0; i < 100 && out.size() < 2; ++i) engine->Poll(milliseconds(5), out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(SymbolOf(out[1]), kSilent);
}

class ClockWithoutWall final : public Clock {
 public:
  Time Now() const override { return SystemClock().Now(); }
  WallTime Wall() const override {
    ADD_FAILURE() << "an engine's time is the monotonic one: the other is set by people and NTP";
    return {};
  }
};

TEST_P(RealEngine, AsksForNoWallTime) {
  const TestSocket open = TestSocket::Listening(kLoopback), refused = TestSocket::Bound(kLoopback);
  SilentPort silent(kLoopback);
  ClockWithoutWall clock;
  auto engine = MakeEngine(8, {}, clock);
  EXPECT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, open.port())), kOpen);
  EXPECT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, refused.port())), kRefused);
  EXPECT_EQ(SymbolOf(ProbeOnce(*engine, kLoopback, silent.port(), milliseconds(5))), kSilent);
}

}  // namespace
}  // namespace portolan
