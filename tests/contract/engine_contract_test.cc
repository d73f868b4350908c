// What every ProbeEngine does, whichever it is. A new engine adds itself to the list at the end.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "agent/engine/probe_engine.h"
#include "tests/contract/net_fixture.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_engine.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const IpAddress kLoopback = IpAddress::V4(0x7f000001);

// A network with one port of each kind, and engines in it.
class World {
 public:
  virtual ~World() = default;
  // Why there is no such engine on this machine.
  virtual absl::Status available() const { return absl::OkStatus(); }
  virtual const Clock& clock() const = 0;
  virtual std::unique_ptr<ProbeEngine> MakeEngine(uint32_t window) = 0;
  virtual uint16_t open() const = 0;
  virtual uint16_t refused() const = 0;
  virtual uint16_t silent() const = 0;
  // Open ones too, with a peer that acts at once; that of open() waits for the client.
  virtual uint16_t resets() const = 0;
  virtual uint16_t closes() const = 0;
  virtual uint16_t talks() const = 0;
};

class LoopbackWorld : public World {
 public:
  const Clock& clock() const override { return SystemClock(); }
  uint16_t open() const override { return open_.port(); }
  uint16_t refused() const override { return refused_.port(); }
  uint16_t silent() const override { return silent_.port(); }
  uint16_t resets() const override { return resets_.port(); }
  uint16_t closes() const override { return closes_.port(); }
  uint16_t talks() const override { return talks_.port(); }

 private:
  TestSocket open_ = TestSocket::Listening(kLoopback, 4096);
  TestSocket refused_ = TestSocket::Bound(kLoopback);
  SilentPort silent_{kLoopback};
  ActingPort resets_{kLoopback, ActingPort::Act::kReset};
  ActingPort closes_{kLoopback, ActingPort::Act::kClose};
  ActingPort talks_{kLoopback, ActingPort::Act::kSay};
};

using MakeReal = absl::StatusOr<std::unique_ptr<ProbeEngine>> (*)(const EngineOptions&,
                                                                  const Clock&);

class RealWorld final : public LoopbackWorld {
 public:
  explicit RealWorld(MakeReal make) : make_(make) {}
  absl::Status available() const override { return make_({1, {}}, clock()).status(); }
  std::unique_ptr<ProbeEngine> MakeEngine(uint32_t window) override {
    auto engine = make_({window, {}}, clock());
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }

 private:
  const MakeReal make_;
};

class FakeWorld final : public World {
 public:
  const Clock& clock() const override { return clock_; }
  std::unique_ptr<ProbeEngine> MakeEngine(uint32_t window) override {
    return std::make_unique<FakeEngine>(clock_, window, [](const IpAddress&, uint16_t port) {
      const FakeAnswer open = FakeAnswer::Open(milliseconds(1));
      switch (port) {
        case 1:
          return open;
        case 2:
          return FakeAnswer::Closed(milliseconds(1));
        case 4:
          return open.Then(AfterOpen::kReset, milliseconds(1));
        case 5:
          return open.Then(AfterOpen::kClosed, milliseconds(1));
        case 6:
          return open.Then(AfterOpen::kData, milliseconds(1));
        default:
          return FakeAnswer::Silence();
      }
    });
  }
  uint16_t open() const override { return 1; }
  uint16_t refused() const override { return 2; }
  uint16_t silent() const override { return 3; }
  uint16_t resets() const override { return 4; }
  uint16_t closes() const override { return 5; }
  uint16_t talks() const override { return 6; }

 private:
  FakeClock clock_;
};

struct Param {
  const char* name;
  std::unique_ptr<World> (*make)();
};

class EngineContract : public testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    if (const absl::Status s = world_->available(); !s.ok()) GTEST_SKIP() << s;
  }

  std::unique_ptr<World> world_ = GetParam().make();

  Time Now() const { return world_->clock().Now(); }
  // Polls until `count` outcomes are there or 20 s have passed.
  std::vector<ProbeOutcome> Collect(ProbeEngine& engine, size_t count) {
    std::vector<ProbeOutcome> out;
    const Time until = Now() + seconds(20);
    while (out.size() < count && Now() < until) engine.Poll(seconds(1), out);
    EXPECT_EQ(out.size(), count);
    return out;
  }
};

TEST_P(EngineContract, TellsOpenRefusedAndSilentApart) {
  auto engine = world_->MakeEngine(16);
  ASSERT_TRUE(engine->Start(kLoopback, world_->open(), seconds(5), 1, kNever));
  ASSERT_TRUE(engine->Start(kLoopback, world_->refused(), seconds(5), 2, kNever));
  const Time before = Now();
  ASSERT_TRUE(engine->Start(kLoopback, world_->silent(), milliseconds(100), 3, kNever));
  EXPECT_EQ(engine->in_flight(), 3u);
  std::map<uint64_t, ProbeOutcome> by_cookie;
  for (const ProbeOutcome& outcome : Collect(*engine, 3)) by_cookie[outcome.cookie] = outcome;
  EXPECT_GE(Now() - before, milliseconds(100));
  EXPECT_EQ(by_cookie[1].state, State::kOpen);
  EXPECT_EQ(by_cookie[1].reason, Reason::kSynAck);
  EXPECT_EQ(by_cookie[1].source, kLoopback);
  EXPECT_GT(by_cookie[1].rtt, Duration::zero());
  EXPECT_EQ(by_cookie[2].state, State::kClosed);
  EXPECT_EQ(by_cookie[2].reason, Reason::kConnRefused);
  EXPECT_GT(by_cookie[2].rtt, Duration::zero());
  EXPECT_EQ(by_cookie[3].state, State::kFiltered);
  EXPECT_EQ(by_cookie[3].reason, Reason::kNoResponse);
  EXPECT_EQ(by_cookie[3].rtt, Duration::zero());
  EXPECT_EQ(engine->in_flight(), 0u);
}

TEST_P(EngineContract, TakesNoMoreThanItsWindow) {
  auto engine = world_->MakeEngine(4);
  EXPECT_EQ(engine->window(), 4u);
  for (uint64_t i = 0; i < 4; ++i)
    ASSERT_TRUE(engine->Start(kLoopback, world_->silent(), milliseconds(50), i, kNever));
  EXPECT_FALSE(engine->Start(kLoopback, world_->open(), seconds(1), 99, kNever));
  EXPECT_EQ(Collect(*engine, 4).size(), 4u);
  EXPECT_TRUE(engine->Start(kLoopback, world_->open(), seconds(1), 100, kNever));
  EXPECT_EQ(Collect(*engine, 1).front().cookie, 100u);
}

TEST_P(EngineContract, EveryAttemptEndsInExactlyOneOutcome) {
  constexpr uint64_t kAttempts = 20'000;
  auto engine = world_->MakeEngine(256);
  std::vector<uint8_t> ended(kAttempts);
  std::map<State, uint64_t> states;
  std::vector<ProbeOutcome> out;
  uint64_t started = 0, done = 0;
  const Time until = Now() + seconds(60);
  while (done < kAttempts && Now() < until) {
    while (started < kAttempts) {
      // 1 in 100 is silent for a moment, 1 in 50 is open.
      const uint16_t port = started % 100 == 7  ? world_->silent()
                            : started % 50 == 3 ? world_->open()
                                                : world_->refused();
      if (!engine->Start(kLoopback, port, milliseconds(started % 100 == 7 ? 20 : 5000), started,
                         kNever))
        break;
      ++started;
    }
    out.clear();
    engine->Poll(seconds(1), out);
    for (const ProbeOutcome& outcome : out) {
      ASSERT_LT(outcome.cookie, kAttempts);
      ASSERT_EQ(ended[outcome.cookie]++, 0);
      ++states[outcome.state];
      const State expected = outcome.cookie % 100 == 7  ? State::kFiltered
                             : outcome.cookie % 50 == 3 ? State::kOpen
                                                        : State::kClosed;
      ASSERT_EQ(outcome.state, expected)
          << outcome.cookie << " " << ReasonName(outcome.reason) << " " << outcome.local_errno;
      ++done;
    }
  }
  EXPECT_EQ(done, kAttempts);
  EXPECT_EQ(states[State::kFiltered], kAttempts / 100);
  EXPECT_EQ(states[State::kOpen], kAttempts / 50);
  EXPECT_EQ(engine->counters().started, kAttempts);
}

TEST_P(EngineContract, StartsNothingAtOrAfterItsDeadline) {
  auto engine = world_->MakeEngine(4);
  ASSERT_TRUE(engine->Start(kLoopback, world_->open(), seconds(1), 5, Now()));
  const auto out = Collect(*engine, 1);
  EXPECT_EQ(out.front().cookie, 5u);
  EXPECT_EQ(out.front().state, State::kOwed);
  EXPECT_EQ(out.front().reason, Reason::kChunkClosed);
}

TEST_P(EngineContract, CancelEndsAllWithoutOutcomes) {
  auto engine = world_->MakeEngine(64);
  for (uint64_t i = 0; i < 30; ++i) {
    ASSERT_TRUE(engine->Start(kLoopback, world_->silent(), milliseconds(30), i, kNever));
    ASSERT_TRUE(engine->Start(kLoopback, world_->refused(), milliseconds(30), 100 + i, kNever));
  }
  engine->Cancel();
  EXPECT_EQ(engine->in_flight(), 0u);
  std::vector<ProbeOutcome> out;
  engine->Poll(milliseconds(60), out);
  EXPECT_TRUE(out.empty());
  // And it goes on working.
  ASSERT_TRUE(engine->Start(kLoopback, world_->open(), seconds(5), 7, kNever));
  EXPECT_EQ(Collect(*engine, 1).front().state, State::kOpen);
}

TEST_P(EngineContract, HeldConnectionTellsWhatThePeerDoesWithIt) {
  auto engine = world_->MakeEngine(16);
  const std::vector<std::pair<uint16_t, AfterOpen>> ports = {
      {world_->open(), AfterOpen::kQuiet},
      {world_->resets(), AfterOpen::kReset},
      {world_->closes(), AfterOpen::kClosed},
      {world_->talks(), AfterOpen::kData},
  };
  for (int round = 0; round < 20; ++round) {
    for (size_t i = 0; i < ports.size(); ++i) {
      const Duration hold = i == 0 ? milliseconds(10) : Duration(seconds(10));
      ASSERT_TRUE(engine->StartHolding(kLoopback, ports[i].first, seconds(5), hold, i, kNever));
    }
    for (const ProbeOutcome& outcome : Collect(*engine, ports.size())) {
      EXPECT_EQ(outcome.state, State::kOpen);
      EXPECT_EQ(outcome.after, ports[outcome.cookie].second) << outcome.cookie;
      EXPECT_EQ(outcome.reason,
                outcome.after == AfterOpen::kReset ? Reason::kResetAfterAccept : Reason::kSynAck);
      EXPECT_EQ(outcome.source, kLoopback);
      EXPECT_GT(outcome.rtt, Duration::zero());
    }
  }
}

TEST_P(EngineContract, QuietConnectionIsHeldAsLongAsAsked) {
  auto engine = world_->MakeEngine(2);
  const Time before = Now();
  ASSERT_TRUE(engine->StartHolding(kLoopback, world_->open(), milliseconds(10), milliseconds(60), 1,
                                   kNever));
  const ProbeOutcome outcome = Collect(*engine, 1).front();
  const Duration took = Now() - before;
  EXPECT_EQ(outcome.after, AfterOpen::kQuiet);
  EXPECT_GE(took, milliseconds(60));
  EXPECT_GT(outcome.rtt, Duration::zero());
  EXPECT_LE(outcome.rtt, took - milliseconds(60)) << "the time of the hold is no round trip";
}

TEST_P(EngineContract, OnlyOpenOnesAreHeld) {
  auto engine = world_->MakeEngine(4);
  ASSERT_TRUE(
      engine->StartHolding(kLoopback, world_->refused(), seconds(5), seconds(100), 1, kNever));
  ASSERT_TRUE(
      engine->StartHolding(kLoopback, world_->silent(), milliseconds(20), seconds(100), 2, kNever));
  ASSERT_TRUE(engine->Start(kLoopback, world_->talks(), seconds(5), 3, kNever));
  ASSERT_TRUE(
      engine->StartHolding(kLoopback, world_->open(), seconds(5), milliseconds(-1), 4, kNever));
  for (const ProbeOutcome& outcome : Collect(*engine, 4)) {
    EXPECT_EQ(outcome.after, AfterOpen::kNotHeld);
    EXPECT_EQ(outcome.state, outcome.cookie == 1   ? State::kClosed
                             : outcome.cookie == 2 ? State::kFiltered
                                                   : State::kOpen);
  }
}

TEST_P(EngineContract, HeldOnesFillTheWindowAndCancelEndsThem) {
  auto engine = world_->MakeEngine(8);
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < 8; ++i) {
      ASSERT_TRUE(
          engine->StartHolding(kLoopback, world_->open(), seconds(5), seconds(100), i, kNever));
    }
    std::vector<ProbeOutcome> out;
    for (int i = 0; i < 4; ++i) engine->Poll(milliseconds(5), out);  // they connect
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(engine->in_flight(), 8u);
    EXPECT_FALSE(engine->Start(kLoopback, world_->refused(), seconds(5), 99, kNever));
    engine->Cancel();
    EXPECT_EQ(engine->in_flight(), 0u);
    // The slots are good for the next.
    for (uint64_t i = 0; i < 8; ++i)
      ASSERT_TRUE(engine->Start(kLoopback, world_->refused(), seconds(5), 100 + i, kNever));
    for (const ProbeOutcome& outcome : Collect(*engine, 8)) {
      EXPECT_EQ(outcome.state, State::kClosed);
      EXPECT_GE(outcome.cookie, 100u);
    }
  }
}

TEST_P(EngineContract, PollWithoutAttemptsWaitsAsLongAsItIsTold) {
  auto engine = world_->MakeEngine(4);
  std::vector<ProbeOutcome> out;
  const Time before = Now();
  const Time after = engine->Poll(milliseconds(30), out);
  EXPECT_TRUE(out.empty());
  EXPECT_GE(after - before, milliseconds(30));
  engine->Poll(Duration::zero(), out);
  engine->Poll(milliseconds(-5), out);
}

TEST_P(EngineContract, WakeBeforePollMakesItReturn) {
  auto engine = world_->MakeEngine(4);
  engine->Wake();
  engine->Wake();
  std::vector<ProbeOutcome> out;
  engine->Poll(std::chrono::hours(10), out);
  EXPECT_TRUE(out.empty());
}

TEST_P(EngineContract, WakeFromAnotherThreadEndsAPoll) {
  auto engine = world_->MakeEngine(4);
  std::thread waker([&] { engine->Wake(); });
  std::vector<ProbeOutcome> out;
  engine->Poll(std::chrono::hours(10), out);
  waker.join();
}

TEST_P(EngineContract, PollAppends) {
  auto engine = world_->MakeEngine(4);
  std::vector<ProbeOutcome> out(2);
  ASSERT_TRUE(engine->Start(kLoopback, world_->refused(), seconds(5), 9, kNever));
  const Time until = Now() + seconds(10);
  while (out.size() < 3 && Now() < until) engine->Poll(seconds(1), out);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out.back().cookie, 9u);
}

INSTANTIATE_TEST_SUITE_P(
    Engines, EngineContract,
    testing::Values(
        Param{"epoll", [] { return std::unique_ptr<World>(new RealWorld(MakeEpollEngine)); }},
        Param{"io_uring", [] { return std::unique_ptr<World>(new RealWorld(MakeUringEngine)); }},
        Param{"fake", [] { return std::unique_ptr<World>(new FakeWorld); }}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace portolan
