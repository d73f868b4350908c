// What is reported of each position, and in which chunks.
#include <cerrno>

#include "tests/agent/runner/runner_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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

// Every fifth port loses its first SYN, so that two silent tries say too little: only a try that
// may be the last one waits for much longer than answers take, and none is believed that did not.
TEST(Runner, OnlyATryThatMayBeTheLastWaitsInFull) {
  std::map<uint16_t, int> asked;
  uint16_t slow = 0, filtered = 0;  // the first ports that are begun once losses are proven
  RunnerHarness h([&](const IpAddress&, uint16_t port) {
    const bool first = ++asked[port] == 1;
    if (first && asked.size() == 300) slow = port;
    if (first && asked.size() == 301) filtered = port;
    if (port == filtered || (first && port % 5 == 0)) return FakeAnswer::Silence();
    return FakeAnswer::Closed(milliseconds(port == slow ? 900 : 20));
  });
  h.AddScan("s", MakeSpace(1, 1, 400),
            {milliseconds(1500), 1, milliseconds(200), milliseconds(100)});
  h.runner.SetShare("s", 100);
  h.Grant(1, "s", IntervalSet{{0, 400}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kClosed), 399u);
  EXPECT_EQ(h.sink.Count(kNoResponse), 1u);
  for (uint16_t port : {slow, filtered}) {
    std::vector<Duration> waits;
    for (const auto& started : h.engine.started()) {
      if (started.port == port) waits.push_back(started.timeout);
    }
    ASSERT_GE(waits.size(), 3u) << port;
    EXPECT_LT(waits[1], milliseconds(900)) << port;
    EXPECT_GE(waits.back(), milliseconds(1000)) << port;
  }
}

// A host whose open ports take longer than the kernel's second SYN: the sample of silent ports that
// is waited for in full shows it, and from then on all are.
TEST(Runner, PortsThatAreSlowerThanTheirHostAreFoundOnceASampleShowsThem) {
  RunnerHarness h([&](const IpAddress&, uint16_t port) {
    return port % 10 == 0 ? FakeAnswer::Closed(milliseconds(20))
                          : FakeAnswer::Open(milliseconds(1300));
  });
  h.AddScan("s", MakeSpace(1, 1, 1000),
            {milliseconds(1500), 1, milliseconds(200), milliseconds(100)});
  h.runner.SetShare("s", 50);
  h.Grant(1, "s", IntervalSet{{0, 1000}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kClosed), 100u);
  EXPECT_GE(h.sink.CountState(State::kOpen), 850u);
}

TEST(Runner, ANarrowerScopeHoldsForWhatIsNotStartedRetriesToo) {
  RunnerHarness h(AllSilent);
  const auto space = MakeSpace(1, 1000, 1);
  h.AddScan("s", space, {milliseconds(300), 2, milliseconds(700)});
  h.runner.SetMaxRate(100);
  h.Grant(1, "s", IntervalSet{{0, space->size()}});
  h.RunFor(milliseconds(500));
  const size_t before = h.engine.started().size();
  EXPECT_GT(before, 0u);
  h.runner.SetScope(Scope::Create({}, {*ParseScopeRule("10.1.0.0/16")}));
  h.RunToEnd();
  EXPECT_EQ(h.engine.started().size(), before);
  EXPECT_EQ(h.sink.Positions(Token{1}), (IntervalSet{{0, space->size()}}));
  EXPECT_GT(h.sink.Count({State::kOwed, Reason::kRefusedByScope}), 900u);
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

// What this machine cannot ask is left to other agents immediately, also what waits for a retry,
// and is never a state; what has a route again is probed.
TEST(Runner, WhatThisMachineHasNoRouteToIsOwedWithoutAProbe) {
  RunnerHarness h(AllSilent);
  h.AddScan("s", MakeSpace(1, 4, 100), {milliseconds(300), 2, milliseconds(700)});
  h.engine.lacks_route = [](const IpAddress& a) { return a.value() % 2 == 1; };
  h.Grant(1, "s", IntervalSet{{0, 200}});
  h.RunFor(milliseconds(400));
  const size_t before = h.engine.started().size();
  EXPECT_GT(before, 0u);
  h.engine.lacks_route = [](const IpAddress&) { return true; };
  h.RunToEnd();
  EXPECT_EQ(h.engine.started().size(), before);
  EXPECT_EQ(h.sink.Count({State::kOwed, Reason::kRefusedByScope}), 200u);
  EXPECT_EQ(h.runner.counters().without_route[0], 200u);
  h.engine.lacks_route = nullptr;
  h.Grant(2, "s", IntervalSet{{200, 400}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kNoResponse), 200u);
  EXPECT_EQ(h.runner.counters().without_route[0], 200u);
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

}  // namespace
}  // namespace portolan
