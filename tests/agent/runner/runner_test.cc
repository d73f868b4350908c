#include "agent/runner/runner.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/agent/runner/runner_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

FakeAnswer AllClosed(const IpAddress&, uint16_t) { return FakeAnswer::Closed(milliseconds(1)); }
FakeAnswer AllSilent(const IpAddress&, uint16_t) { return FakeAnswer::Silence(); }
// A third of each.
FakeAnswer Mixed(const IpAddress& address, uint16_t port) {
  switch ((static_cast<uint64_t>(address.value()) + port) % 3) {
    case 0:
      return FakeAnswer::Open(milliseconds(2));
    case 1:
      return FakeAnswer::Closed(milliseconds(3));
    default:
      return FakeAnswer::Silence();
  }
}

constexpr Symbol kNoResponse = {State::kFiltered, Reason::kNoResponse};
constexpr Symbol kChunkClosed = {State::kOwed, Reason::kChunkClosed};
constexpr Symbol kFailed = {State::kOwed, Reason::kLocalFailure};

TEST(Runner, ReportsEachPositionOnceWithItsOutcome) {
  RunnerHarness h(Mixed);
  const auto space = MakeSpace(1, 100, 90);
  h.AddScan("s", space);
  h.Grant(1, "s", IntervalSet{{0, space->size()}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{1}), (IntervalSet{{0, space->size()}}));
  EXPECT_EQ(h.sink.CountState(State::kOwed), 0u);
  for (const auto& [index, symbol] : h.sink.outcomes[Token{1}]) {
    const auto endpoint = space->At(index);
    const FakeAnswer expected = Mixed(endpoint.address, endpoint.port);
    ASSERT_EQ(symbol, expected.symbol);
    ASSERT_TRUE(symbol.state != State::kOpen || h.sink.opens[Token{1}][index].rtt_us == 2000);
  }
  EXPECT_TRUE(h.ProgressOf(1).reported);
  EXPECT_EQ(h.runner.counters().open, h.sink.CountState(State::kOpen));
  EXPECT_EQ(h.runner.counters().filtered, h.sink.CountState(State::kFiltered));
}

TEST(Runner, SilenceIsTriedAgainLaterAndThenFiltered) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 1, 10), {milliseconds(300), 2, milliseconds(700)});
  h.Grant(1, "s", IntervalSet{{0, 10}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kNoResponse), 10u);
  EXPECT_EQ(h.runner.counters().attempts, 30u);
  EXPECT_EQ(h.runner.counters().retries, 20u);
  std::map<uint16_t, std::vector<Time>> tries;
  for (const auto& started : h.engine.started()) tries[started.port].push_back(started.at);
  for (const auto& [port, times] : tries) {
    ASSERT_EQ(times.size(), 3u);
    EXPECT_GE(times[1] - times[0], milliseconds(1000));
    EXPECT_GE(times[2] - times[1], milliseconds(1000));
  }
}

TEST(Runner, AnswerToARetryIsTheVerdict) {
  std::map<uint16_t, int> asked;
  RunnerHarness h([&](const IpAddress&, uint16_t port) {
    return ++asked[port] == 1 ? FakeAnswer::Silence() : FakeAnswer::Open(milliseconds(5));
  });
  h.AddScan("s", MakeSpace(1, 1, 20));
  h.Grant(1, "s", IntervalSet{{0, 20}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kOpen), 20u);
}

TEST(Runner, DarkNetworkOwesNothingWhateverLimitsIt) {
  // The window; the rate; very slowly; several times out of step.
  struct Case {
    uint32_t window;
    double rate;
    uint64_t positions;
  };
  for (const Case& c : {Case{50, -1, 2000}, Case{4096, 500, 3000}, Case{4096, 1, 40},
                        Case{7, 20, 100}, Case{4096, -1, 100'000}}) {
    SCOPED_TRACE(testing::Message() << c.window << " " << c.rate);
    RunnerHarness h(AllSilent, c.window);
    h.AddScan("s", MakeSpace(1, 1000, 100));
    h.runner.SetShare("s", c.rate);
    h.Grant(1, "s", IntervalSet{{0, c.positions}});
    h.RunToEnd();
    EXPECT_EQ(h.sink.Count(kNoResponse), c.positions);
    for (const ChunkReport& chunk : h.sink.chunks) EXPECT_LE(chunk.duration_ms, 10'000u);
  }
}

TEST(Runner, ChunksAreOfOneIntervalAndOneGroup) {
  RunnerHarness h(AllClosed, 4096);
  const auto space = MakeSpace(1, 6000, 30);
  h.AddScan("s", space);
  h.Grant(1, "s", IntervalSet{{0, 130'000}, {140'000, space->size()}});
  h.RunToEnd();
  bool crossed = false;
  for (const ChunkReport& chunk : h.sink.chunks) {
    EXPECT_LE(chunk.range.end, space->GroupOf(chunk.range.begin).range.end);
    crossed |= chunk.range.begin < 130'000 && chunk.range.end > 140'000;
  }
  EXPECT_FALSE(crossed);
  EXPECT_EQ(h.sink.Positions(Token{1}), (IntervalSet{{0, 130'000}, {140'000, space->size()}}));
}

TEST(Runner, ChunkHoldsAboutTwoSecondsOfTheRate) {
  RunnerHarness h(AllClosed);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 500);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunToEnd();
  ASSERT_GE(h.sink.chunks.size(), 8u);
  for (const ChunkReport& chunk : h.sink.chunks) EXPECT_LE(chunk.range.size(), 1020u);
  EXPECT_GE(h.sink.chunks.front().range.size(), 980u);
}

TEST(Runner, LocalFailuresAreTriedAgainAndNeverAState) {
  std::map<uint16_t, int> asked;
  RunnerHarness h([&](const IpAddress&, uint16_t port) {
    return ++asked[port] <= 3 ? FakeAnswer::Failure(EMFILE) : FakeAnswer::Closed(milliseconds(1));
  });
  h.AddScan("s", MakeSpace(1, 1, 50));
  h.Grant(1, "s", IntervalSet{{0, 50}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kClosed), 50u);
  EXPECT_EQ(h.runner.counters().local_failures, 150u);
}

TEST(Runner, LastingLocalFailureIsOwedWithinTenSeconds) {
  RunnerHarness h([](const IpAddress&, uint16_t) { return FakeAnswer::Failure(EADDRNOTAVAIL); });
  h.AddScan("s", MakeSpace(1, 1, 50));
  h.Grant(1, "s", IntervalSet{{0, 50}});
  const Time begin = h.clock.Now();
  h.RunToEnd();
  EXPECT_LE(h.clock.Now() - begin, seconds(10));
  EXPECT_EQ(h.sink.Count(kFailed), 50u);
  // Backed off: not hundreds of tries a position.
  EXPECT_LE(h.runner.counters().attempts, 50u * 12);
}

TEST(Runner, FailuresThatMeetAnyTargetStopTheWalk) {
  RunnerHarness h([](const IpAddress&, uint16_t) { return FakeAnswer::Failure(EMFILE); });
  h.AddScan("s", MakeSpace(1, 1000, 100));
  h.Grant(1, "s", IntervalSet{{0, 100'000}});
  h.RunFor(seconds(5));
  // Without the brake all 100,000 would have been begun and would end as owed.
  EXPECT_LE(h.runner.counters().begun, 64u * 12);
}

TEST(Runner, FailuresOfOneTargetDoNotHoldUpOthers) {
  RunnerHarness h([](const IpAddress&, uint16_t port) {
    return port % 100 == 0 ? FakeAnswer::Failure(EPERM) : FakeAnswer::Closed(milliseconds(1));
  });
  h.AddScan("s", MakeSpace(1, 100, 1000));
  h.Grant(1, "s", IntervalSet{{0, 100'000}});
  h.RunFor(seconds(1));
  EXPECT_EQ(h.runner.counters().begun, 100'000u);
}

TEST(Runner, ExcludedPositionsAreNotProbedAlsoNotAgain) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 4, 100));
  h.Grant(1, "s", IntervalSet{{0, 400}});
  h.RunFor(milliseconds(2000));  // all are waiting for their retry
  ASSERT_EQ(h.engine.started().size(), 400u);
  auto overlay = std::make_shared<DenyOverlay>();
  overlay->version = 1;
  overlay->rules.push_back(ParseScopeRule("10.1.0.2").value());
  h.runner.UpdateOverlay("s", overlay);
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count({State::kNotProbed, Reason::kExcluded}), 100u);
  EXPECT_EQ(h.sink.Count(kNoResponse), 300u);
  EXPECT_EQ(h.engine.started().size(), 700u);
  // An older version does not take it back.
  h.runner.UpdateOverlay("s", std::make_shared<DenyOverlay>());
  EXPECT_EQ(h.runner.KnownScans().front().second, 1u);
}

TEST(Runner, WhatItsOwnScopeRefusesIsOwedWithoutAProbe) {
  const Scope scope = Scope::Create(
      {}, {ParseScopeRule("10.1.0.0/31").value(), ParseScopeRule("10.1.0.3 1-10").value()});
  RunnerHarness h(AllClosed, 256, scope);
  h.AddScan("s", MakeSpace(1, 4, 100));
  h.Grant(1, "s", IntervalSet{{0, 400}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count({State::kOwed, Reason::kRefusedByScope}), 210u);
  EXPECT_EQ(h.engine.started().size(), 190u);
  for (const auto& started : h.engine.started())
    ASSERT_TRUE(scope.Allows(started.address, started.port));
}

// A silent host, limited to 100 attempts/s and 32 in flight, of which a part is this agent's.
TEST(Runner, FractionOfTheLimitsOnTargetsIsKeptAndMayChange) {
  ProbeTiming timing;
  timing.retries = 0;
  timing.address_rate = 100;
  timing.address_in_flight = 1000;
  timing.prefix_rate = 10'000;
  timing.growth = 50;
  RunnerOptions options;
  options.target_fraction = 0.5;  // of two threads
  RunnerHarness h(AllSilent, 2000, Scope::Default(), options);
  h.runner.SetTargetFraction("s", 0);  // told before the context is known
  h.AddScan("s", MakeSpace(1, 1, 5000), timing);
  h.Grant(1, "s", IntervalSet{{0, 5000}});
  h.RunFor(seconds(5));
  EXPECT_EQ(h.engine.started().size(), 0u) << "held";
  EXPECT_EQ(h.ProgressOf(1).unprobed, 5000u);
  size_t before = 0;
  for (const double fraction : {1.0, 0.25, 0.5, 0.0}) {
    h.runner.SetTargetFraction("s", fraction);
    h.RunFor(seconds(10));
    const double started = static_cast<double>(h.engine.started().size() - before);
    EXPECT_NEAR(started, 500 * fraction, 10) << fraction;
    before = h.engine.started().size();
  }
  h.runner.SetTargetFraction("s", 1);
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kNoResponse), 5000u);
}

TEST(Runner, LoopbackIsNotHeldByAFraction) {
  ProbeTiming timing;
  timing.address_rate = 1;
  RunnerHarness h(AllClosed);
  Block block{IpSet::Of({{IpAddress::V4(0x7f000001), IpAddress::V4(0x7f000001)}}),
              PortSet::Of({{1, 100}})};
  h.AddScan("s", ScanSpace::Create({block}, 1).value(), timing);
  h.runner.SetTargetFraction("s", 0);
  h.Grant(1, "s", IntervalSet{{0, 100}});
  h.RunFor(seconds(1));
  EXPECT_EQ(h.sink.CountState(State::kClosed), 100u);
}

// -T0 and -T1 by several agents: one in flight there, and rests. Every port still gets all of its
// tries and a verdict, and the time in flight is the agent's part.
TEST(Runner, AThirdOfOneInFlightTriesEverythingAndRests) {
  for (const double rate : {0.1, 1.0}) {
    SCOPED_TRACE(rate);
    ProbeTiming timing;
    timing.timeout = timing.min_timeout = seconds(4);
    timing.retries = 2;
    timing.retry_delay = seconds(3);
    timing.address_rate = rate;
    timing.address_in_flight = 1;
    timing.prefix_rate = 10 * rate;
    RunnerHarness h(AllSilent);
    h.runner.SetTargetFraction("s", 1.0 / 3);
    h.AddScan("s", MakeSpace(1, 1, 20), timing);
    h.Grant(1, "s", IntervalSet{{0, 20}});
    const Time begin = h.clock.Now();
    h.RunToEnd();
    EXPECT_EQ(h.sink.Count(kNoResponse), 20u) << "nothing is owed";
    EXPECT_EQ(h.engine.started().size(), 60u);
    const double least = std::max(4.0, 1 / rate) * 3 * 59;
    EXPECT_GE(ToSeconds(h.clock.Now() - begin), least - 1);
    EXPECT_LE(ToSeconds(h.clock.Now() - begin), least * 1.1 + 20);
    for (size_t i = 1; i < 60; ++i)
      ASSERT_GE(h.engine.started()[i].at - h.engine.started()[i - 1].at,
                seconds(12) - milliseconds(11));
  }
}

TEST(Runner, NothingStartsAtOrAfterTheDeadline) {
  for (bool silent : {false, true}) {
    RunnerHarness h(silent ? FakeEngine::Network(AllSilent) : FakeEngine::Network(AllClosed));
    h.AddScan("s", MakeSpace(1, 100, 100));
    h.runner.SetShare("s", 1000);
    const Time deadline = h.clock.Now() + seconds(3);
    h.Grant(1, "s", IntervalSet{{0, 10'000}}, seconds(3));
    h.RunFor(seconds(30));
    for (const auto& started : h.engine.started()) ASSERT_LT(started.at, deadline);
    EXPECT_TRUE(h.runner.idle());  // what was begun has been reported
    EXPECT_EQ(h.sink.Positions(Token{1}).size(), h.runner.counters().begun);
    EXPECT_LT(h.clock.Now(), deadline + seconds(40));
    // Renewed, it goes on where it was.
    const uint64_t begun = h.runner.counters().begun;
    EXPECT_EQ(h.ProgressOf(1).unprobed, 10'000 - begun);
    h.runner.Renew(Token{1}, kNever);
    h.RunToEnd();
    EXPECT_EQ(h.sink.Positions(Token{1}), (IntervalSet{{0, 10'000}}));
  }
}

TEST(Runner, OpenChunkOfAnExpiredLeaseEndsWithItsLastAnswer) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 1, 100));
  h.Grant(1, "s", IntervalSet{{0, 100}},
          seconds(2));  // first tries end after 1.5 s, retries would start at 2.5 s
  const Time begin = h.clock.Now();
  h.RunFor(milliseconds(2010));
  EXPECT_TRUE(h.runner.idle());
  EXPECT_EQ(h.sink.Count(kChunkClosed), 100u);
  EXPECT_LE(h.clock.Now() - begin, milliseconds(2011));
}

TEST(Runner, ProcessStoppedInTheMiddleOfAStepSendsNothingPastTheLease) {
  FakeClock* clock = nullptr;
  int asked = 0;
  RunnerHarness h([&](const IpAddress&, uint16_t) {
    if (++asked == 20) clock->Advance(std::chrono::hours(1));  // stopped here, and woken
    return FakeAnswer::Closed(milliseconds(1));
  });
  clock = &h.clock;
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.Grant(1, "s", IntervalSet{{0, 10'000}}, seconds(15));
  h.RunFor(seconds(60));
  EXPECT_EQ(h.engine.started().size(), 20u);
  EXPECT_TRUE(h.runner.idle());
  EXPECT_EQ(h.sink.CountState(State::kClosed), 20u);
  EXPECT_LE(h.sink.Count(kChunkClosed), 64u);
  EXPECT_EQ(h.runner.counters().local_failures, 0u);
}

TEST(Runner, RevokedLeaseStartsNothingMoreAndReportsWhatItKnows) {
  RunnerHarness h(Mixed);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunFor(milliseconds(1600));
  const size_t started = h.engine.started().size();
  h.runner.Revoke(Token{1});
  EXPECT_FALSE(h.runner.has_work());
  EXPECT_EQ(h.ProgressOf(1).ranges.size(),
            h.runner.counters().begun);  // it answers for what was begun
  EXPECT_EQ(h.ProgressOf(1).unprobed, 0u);
  EXPECT_FALSE(h.ProgressOf(1).reported);
  h.RunFor(milliseconds(1500));
  EXPECT_TRUE(h.runner.idle());
  EXPECT_TRUE(h.ProgressOf(1).reported);
  EXPECT_EQ(h.engine.started().size(), started);
  EXPECT_EQ(h.sink.Positions(Token{1}).size(), h.runner.counters().begun);
  EXPECT_GT(h.sink.CountState(State::kOpen), 0u);
  h.runner.Forget(Token{1});
  EXPECT_TRUE(h.runner.Progress().empty());
}

TEST(Runner, ForgottenLeaseIsGoneAtOnceAndWhatIsInFlightStillReported) {
  RunnerHarness h(Mixed);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunFor(milliseconds(1600));
  const size_t started = h.engine.started().size();
  h.runner.Forget(Token{1});
  EXPECT_TRUE(h.runner.Progress().empty());
  h.RunFor(milliseconds(1500));
  EXPECT_TRUE(h.runner.idle());
  EXPECT_EQ(h.engine.started().size(), started);
  EXPECT_EQ(h.sink.Positions(Token{1}).size(), h.runner.counters().begun);
}

TEST(Runner, ShrunkLeaseKeepsWhatWasBegun) {
  RunnerHarness h(AllClosed);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunFor(milliseconds(500));
  const uint64_t begun = h.runner.counters().begun;
  h.runner.Shrink(Token{1}, IntervalSet{{100, 200}, {900, 1000}});
  const IntervalSet expected{{0, begun}, {900, 1000}};
  EXPECT_EQ(h.ProgressOf(1).ranges, expected);
  EXPECT_EQ(h.ProgressOf(1).unprobed, 100u);
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{1}), expected);
  EXPECT_TRUE(h.ProgressOf(1).reported);
}

TEST(Runner, DrainingGivesBackWhatWasNotBegunAndFinishesTheRest) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.Grant(2, "s", IntervalSet{{10'000 - 10, 10'000}}, seconds(100));
  h.RunFor(milliseconds(500));
  h.runner.SetDraining(true);
  const uint64_t begun = h.runner.counters().begun;
  EXPECT_EQ(h.ProgressOf(1).ranges, (IntervalSet{{0, begun}}));
  EXPECT_FALSE(h.ProgressOf(1).reported);
  EXPECT_TRUE(h.ProgressOf(2).ranges.empty());
  EXPECT_TRUE(h.ProgressOf(2).reported);
  h.Grant(3, "s", IntervalSet{{5000, 6000}});
  EXPECT_TRUE(h.ProgressOf(3).ranges.empty());
  h.RunToEnd(seconds(20));
  EXPECT_EQ(h.sink.Count(kNoResponse), begun);  // retries included: nothing owed
  EXPECT_TRUE(h.ProgressOf(1).reported);
  h.runner.SetDraining(false);
  h.Grant(4, "s", IntervalSet{{5000, 5010}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{4}).size(), 10u);
}

TEST(Runner, SharesHoldOverEveryWindowAndAreUsedUp) {
  RunnerHarness h(
      [](const IpAddress&, uint16_t port) {
        return port % 2 == 0 ? FakeAnswer::Closed(milliseconds(1)) : FakeAnswer::Silence();
      },
      4096);
  // Timeouts under a second: the kernel retransmits nothing, so attempts are SYNs.
  const ProbeTiming timing{milliseconds(800), 1, milliseconds(500)};
  h.AddScan("a", MakeSpace(1, 100, 1000), timing);
  h.AddScan("b", MakeSpace(2, 100, 1000), timing);
  h.runner.SetShare("a", 300);
  h.runner.SetShare("b", 700);
  h.runner.SetMaxRate(5000);
  h.Grant(1, "a", IntervalSet{{0, 100'000}});
  h.Grant(2, "b", IntervalSet{{0, 100'000}});
  h.RunFor(seconds(20));
  std::map<uint64_t, std::vector<Time>> by_scan;
  for (const auto& s : h.engine.started())
    by_scan[static_cast<uint64_t>(s.address.value()) >> 16 & 0xff].push_back(s.at);
  for (const auto& [scan, rate] : {std::pair<uint64_t, double>{1, 300}, {2, 700}}) {
    const std::vector<Time>& times = by_scan[scan];
    EXPECT_NEAR(static_cast<double>(times.size()), rate * 20, rate * 20 * 0.01);
    for (size_t i = 0; i < times.size(); i += 7) {
      for (size_t j = i; j < times.size(); j += 13) {
        ASSERT_LE(static_cast<double>(j - i + 1),
                  1.01 + rate * (ToSeconds(times[j] - times[i]) + 0.010));
      }
    }
  }
}

TEST(Runner, KernelRetransmissionsCountAgainstTheShare) {
  RunnerHarness h(AllSilent, 4096);
  h.AddScan("s", MakeSpace(1, 100, 1000));  // 1.5 s: the kernel sends a second SYN after 1 s
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 100'000}});
  h.RunFor(seconds(60));
  EXPECT_NEAR(static_cast<double>(h.runner.counters().syns), 60'000, 2'000);
  EXPECT_NEAR(static_cast<double>(h.runner.counters().attempts), 30'000, 2'000);
}

TEST(Runner, ScansTakeTurnsWhenTheAgentsLimitBinds) {
  RunnerHarness h(AllClosed);
  for (uint8_t i = 0; i < 3; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    h.AddScan(name, MakeSpace(i, 100, 100));
    h.Grant(i + 1, name, IntervalSet{{0, 10'000}});
  }
  h.runner.SetMaxRate(1000);
  h.RunFor(seconds(9));
  std::map<uint64_t, int> by_scan;
  for (const auto& s : h.engine.started())
    ++by_scan[static_cast<uint64_t>(s.address.value()) >> 16 & 0xff];
  for (const auto& [scan, count] : by_scan) EXPECT_NEAR(count, 3000, 50);
}

TEST(Runner, ShareOfZeroHoldsTheLease) {
  RunnerHarness h(AllClosed);
  h.runner.SetShare("s", 0);  // before the context is there
  h.AddScan("s", MakeSpace(1, 10, 10));
  h.Grant(1, "s", IntervalSet{{0, 100}});
  h.RunFor(seconds(100));
  EXPECT_TRUE(h.engine.started().empty());
  EXPECT_EQ(h.ProgressOf(1).unprobed, 100u);
  EXPECT_EQ(h.runner.Step(h.clock.Now(), h.clock.Wall()), kNever);  // asleep
  h.runner.SetShare("s", -1);
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kClosed), 100u);
}

TEST(Runner, FullSpoolStopsNewPositionsNotThoseBegun) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 100, 100));
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  h.RunFor(seconds(1));
  h.sink.room = false;
  const uint64_t begun = h.runner.counters().begun;
  h.RunFor(seconds(60));
  EXPECT_EQ(h.runner.counters().begun, begun);
  EXPECT_TRUE(h.runner.idle());
  EXPECT_EQ(h.sink.Count(kNoResponse), begun);
  h.sink.room = true;
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kNoResponse), 10'000u);
}

TEST(Runner, OpenChunksAndPositionsAreBounded) {
  RunnerOptions options;
  options.max_open_chunks = 3;
  options.max_open_positions = 500;
  RunnerHarness h(AllSilent, 4096, Scope::Default(), options);
  h.AddScan("s", MakeSpace(1, 100, 100));
  IntervalSet ranges;
  for (uint64_t i = 0; i < 10'000; i += 400) ranges.Add({i, i + 300});
  h.Grant(1, "s", ranges);
  const Time until = h.clock.Now() + std::chrono::hours(1);
  while (h.runner.has_work() || !h.runner.idle()) {
    ASSERT_LT(h.clock.Now(), until);
    h.Turn(until);
    ASSERT_LE(h.runner.open_chunks(), 3u);
    ASSERT_LE(h.runner.open_positions(), 500u);
  }
  EXPECT_EQ(h.sink.Positions(Token{1}), ranges);
}

TEST(Runner, HostPortListsOfTinyGroupsGoFast) {
  // Each position is a group, and so a chunk, of its own; all are silent.
  std::vector<Block> blocks;
  for (uint32_t i = 0; i < 2000; ++i) {
    Block block;
    const IpAddress address = IpAddress::V4(0x0a010000u + i);
    block.addresses = IpSet::Of({{address, address}});
    block.ports = PortSet::Of({{static_cast<uint16_t>(1000 + i), static_cast<uint16_t>(1000 + i)}});
    blocks.push_back(block);
  }
  RunnerHarness h(AllSilent, 4096);
  h.AddScan("s", ScanSpace::Create(blocks, 1).value());
  h.Grant(1, "s", IntervalSet{{0, 2000}});
  const Time begin = h.clock.Now();
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kNoResponse), 2000u);
  EXPECT_LT(h.clock.Now() - begin, seconds(10));
}

TEST(Runner, GrantSaysWhatIsWrong) {
  RunnerHarness h(AllClosed);
  AgentLease lease;
  lease.token = Token{1};
  lease.scan = "s";
  lease.ranges = IntervalSet{{0, 100}};
  EXPECT_EQ(h.runner.Grant(lease).code(), absl::StatusCode::kNotFound);
  h.AddScan("s", MakeSpace(1, 1, 99));
  EXPECT_EQ(h.runner.Grant(lease).code(), absl::StatusCode::kInvalidArgument);
  lease.ranges = IntervalSet{{0, 99}};
  EXPECT_EQ(h.runner.Grant(lease), absl::OkStatus());
  EXPECT_EQ(h.runner.Grant(lease).code(), absl::StatusCode::kAlreadyExists);
}

TEST(Runner, DroppedScanIsRevokedAndForgotten) {
  RunnerHarness h(AllSilent);
  h.AddScan("a", MakeSpace(1, 100, 100));
  h.AddScan("b", MakeSpace(2, 10, 10));
  h.Grant(1, "a", IntervalSet{{0, 10'000}});
  h.Grant(2, "b", IntervalSet{{0, 100}});
  h.RunFor(milliseconds(1));
  h.runner.DropContext("a");
  h.runner.DropContext("unknown");
  EXPECT_EQ(h.runner.Progress().size(), 1u);
  EXPECT_EQ(h.runner.KnownScans().size(), 1u);
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{2}).size(), 100u);
  EXPECT_GT(h.sink.Positions(Token{1}).size(), 0u);
}

TEST(Runner, MeasuresPositionsASecondOfWork) {
  RunnerHarness h(AllClosed, 100);  // 1 ms each: 100,000/s
  h.AddScan("s", MakeSpace(1, 2500, 100));
  h.Grant(1, "s", IntervalSet{{0, 250'000}});
  h.RunToEnd();
  h.RunFor(seconds(100));
  EXPECT_NEAR(h.runner.counters().measured_rate, 100'000, 5'000);
}

TEST(Runner, SparesTargetsThatDoNotAnswerAndNotThoseThatDo) {
  // 10.1.0.x as MakeSpace has them: the first of four is silent, the others refuse.
  IpAddress silent;
  RunnerHarness h(
      [&](const IpAddress& a, uint16_t) {
        return a == silent ? FakeAnswer::Silence() : FakeAnswer::Closed(milliseconds(10));
      },
      8192);
  const auto space = MakeSpace(1, 4, 4000);
  silent = space->At(0).address;
  ProbeTiming timing{milliseconds(500), 0, milliseconds(0), milliseconds(100), 100, 32, 0, 50};
  h.AddScan("s", space, timing);
  h.Grant(1, "s", IntervalSet{{0, 16'000}}, seconds(600));
  const Time begin = h.clock.Now();
  h.RunFor(seconds(10));
  std::map<IpAddress, std::vector<Time>> times;
  for (const auto& s : h.engine.started()) times[s.address].push_back(s.at);
  const std::vector<Time>& quiet = times[silent];
  // 32 in flight, for half a second each.
  ASSERT_NEAR(static_cast<double>(quiet.size()), 640, 10);
  for (size_t i = 0; i < quiet.size(); i += 3) {
    for (size_t j = i; j < quiet.size(); j += 7) {
      ASSERT_LE(static_cast<double>(j - i + 1),
                1.01 + 100 * (ToSeconds(quiet[j] - quiet[i]) + 0.010));
    }
  }
  h.RunToEnd();
  EXPECT_EQ(h.sink.Positions(Token{1}).size(), 16'000u);
  EXPECT_EQ(h.sink.CountState(State::kClosed), 12'000u);
  EXPECT_EQ(h.sink.CountState(State::kOwed), 0u);
  EXPECT_LT(h.clock.Now() - begin, seconds(70));  // 4,000 / 64
}

TEST(Runner, WaitsForATargetNoLongerThanItsRoundTripsAskFor) {
  const auto took = [](Duration min_timeout) {
    RunnerHarness h(
        [](const IpAddress&, uint16_t port) {
          return port % 8 == 0 ? FakeAnswer::Closed(milliseconds(40)) : FakeAnswer::Silence();
        },
        64);
    h.AddScan("s", MakeSpace(1, 1, 400), {milliseconds(1500), 1, milliseconds(200), min_timeout});
    h.Grant(1, "s", IntervalSet{{0, 400}}, seconds(600));
    const Time begin = h.clock.Now();
    h.RunToEnd();
    EXPECT_EQ(h.sink.Count(kNoResponse), 350u);
    return ToSeconds(h.clock.Now() - begin);
  };
  EXPECT_LT(took(milliseconds(100)), 0.7 * took(milliseconds(1500)));
}

}  // namespace
}  // namespace portolan
