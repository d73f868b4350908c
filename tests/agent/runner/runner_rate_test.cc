// What limits the rate of SYNs: what is asked for, with those that the kernel sends again by
// itself; and its table of tracked connections.
#include <algorithm>
#include <set>

#include "agent/pacing/syn_schedule.h"
#include "tests/agent/runner/runner_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Every SYN of the attempts, the kernel's own as well.
std::vector<Time> SynsOf(const FakeEngine& engine, Time end) {
  std::vector<Time> syns;
  for (const FakeEngine::Started& s : engine.started()) {
    syns.push_back(s.at);
    const uint32_t again = s.silent ? KernelRetransmits(s.timeout) : 0;
    for (uint32_t n = 0; n < again; ++n) syns.push_back(s.at + KernelResendsAfter(n));
  }
  std::sort(syns.begin(), syns.end());
  while (!syns.empty() && syns.back() > end) syns.pop_back();
  return syns;
}

struct RateCase {
  double rate;
  bool of_agent;         // the agent's own limit, else the scan's share
  uint16_t silent;       // ports of each 4 that do not answer
  milliseconds timeout;  // above 1 s: the kernel sends again
};

class RunnerRate : public testing::TestWithParam<RateCase> {};

TEST_P(RunnerRate, IsKeptAndNeverExceededOverAnyWindowByAllSyns) {
  const RateCase& c = GetParam();
  RunnerHarness h(
      [&](const IpAddress&, uint16_t port) {
        return port % 4 < c.silent ? FakeAnswer::Silence() : FakeAnswer::Closed(milliseconds(20));
      },
      100'000);
  ProbeTiming timing{c.timeout, 1, milliseconds(500)};
  timing.address_rate = timing.prefix_rate = 0;
  timing.address_in_flight = 0;
  h.AddScan("s", MakeSpace(1, 100, 20'000), timing);
  if (c.of_agent) {
    h.runner.SetMaxRate(c.rate);
  } else {
    h.runner.SetShare("s", c.rate);
  }
  const Time begin = h.clock.Now();
  h.Grant(1, "s", IntervalSet{{0, 2'000'000}});
  const double all = 20;
  h.RunFor(seconds(20));
  const std::vector<Time> syns = SynsOf(h.engine, begin + seconds(20));
  const double count = static_cast<double>(syns.size());
  EXPECT_GE(count, c.rate * all * 0.99);
  EXPECT_LE(count, c.rate * all + 3 + c.rate * 0.04);
  // What the kernel sends comes on top of at most one full bucket, 10 ms after it was charged.
  const size_t step = std::max<size_t>(1, syns.size() / 700);
  for (size_t i = 0; i < syns.size(); i += step) {
    for (size_t j = i; j < syns.size(); j += step) {
      ASSERT_LE(static_cast<double>(j - i + 1), 3 + c.rate * (ToSeconds(syns[j] - syns[i]) + 0.04))
          << "from " << ToSeconds(syns[i] - begin) << " to " << ToSeconds(syns[j] - begin);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Worlds, RunnerRate,
                         testing::Values(RateCase{100, false, 4, milliseconds(1500)},
                                         RateCase{1000, false, 4, milliseconds(1500)},
                                         RateCase{1000, true, 2, milliseconds(1500)},
                                         RateCase{1000, false, 3, milliseconds(5000)},
                                         RateCase{1000, true, 2, milliseconds(900)},
                                         RateCase{10'000, false, 1, milliseconds(1500)}));

// A scan that was not limited is now: what is in flight is charged when it ends, and not forgotten.
TEST(RunnerRate, ALimitThatComesLaterCountsWhatIsInFlight) {
  RunnerHarness h([](const IpAddress&, uint16_t) { return FakeAnswer::Silence(); }, 1000);
  ProbeTiming timing{milliseconds(1500), 0, milliseconds(500)};
  timing.address_rate = timing.prefix_rate = 0;
  timing.address_in_flight = 0;
  h.AddScan("s", MakeSpace(1, 100, 1000), timing);
  h.Grant(1, "s", IntervalSet{{0, 100'000}});
  h.RunFor(milliseconds(900));
  EXPECT_EQ(h.runner.counters().attempts, 1000u);
  h.runner.SetShare("s", 100);
  h.RunFor(seconds(10));  // 1,000 were sent again after 1 s: the share of 10 s
  EXPECT_LT(h.runner.counters().attempts, 1010u);
  EXPECT_EQ(h.runner.counters().syns, h.runner.counters().attempts + 1000);
  h.RunFor(seconds(10));
  EXPECT_GT(h.runner.counters().attempts, 1400u);
}

// The kernel drops what finds no place in its table, without a word.
TEST(RunnerTable, SilenceOfWhatAFullTableDroppedIsAFailureOfOurs) {
  bool full = false;
  uint64_t dropped = 0;
  RunnerHarness h(
      [&](const IpAddress&, uint16_t) {
        if (full) ++dropped;
        return full ? FakeAnswer::Silence() : FakeAnswer::Closed(milliseconds(5));
      },
      64);
  ProbeTiming timing{milliseconds(500), 0, milliseconds(100)};
  timing.min_timeout = milliseconds(500);
  h.AddScan("s", MakeSpace(1, 100, 100), timing);
  h.runner.SetMaxRate(1000);
  h.Grant(1, "s", IntervalSet{{0, 10'000}});
  for (int i = 0; i < 4000 && (h.runner.has_work() || !h.runner.idle()); ++i) {
    EXPECT_TRUE(dropped > 0 || h.runner.counters().table_waits == 0);
    h.runner.ObserveTable({full ? 1000u : 10u, 1000, dropped}, h.clock.Now());
    full = i >= 20 && i < 60;  // for 2 s
    h.RunFor(TableGuard::kLook);
  }
  EXPECT_GT(dropped, 20u);
  EXPECT_EQ(h.sink.CountState(State::kFiltered), 0u);
  EXPECT_EQ(h.sink.CountState(State::kClosed) + h.sink.CountState(State::kOwed), 10'000u);
  EXPECT_GE(h.sink.CountState(State::kClosed), 9'900u);
  EXPECT_GT(h.runner.counters().local_failures, 0u);
  EXPECT_GT(h.runner.counters().table_waits, 0u);
}

// Half of all first tries are lost, in no prefix so many that it could prove that for itself.
TEST(Runner, TellsHowFarLossesOnItsLineHaveSlowedIt) {
  std::set<IpAddress> tried;
  RunnerHarness h(
      [&](const IpAddress& address, uint16_t) {
        const bool lost = address.value() % 2 == 1 && tried.insert(address).second;
        return lost ? FakeAnswer::Silence() : FakeAnswer::Closed(milliseconds(5));
      },
      1024);
  h.AddScan("s", MakeSpace(1, 65'536, 1), {milliseconds(500), 1, milliseconds(100)});
  h.runner.SetMaxRate(300);
  h.Grant(1, "s", IntervalSet{{0, 65'536}});
  h.RunFor(seconds(1));
  EXPECT_EQ(h.runner.counters().slowed_to, 0);
  h.RunFor(seconds(9));
  EXPECT_GT(h.runner.counters().slowed_to, 0);
  EXPECT_LT(h.runner.counters().slowed_to, 300);
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

TEST(Runner, MeasuresPositionsASecondOfWork) {
  RunnerHarness h(AllClosed, 100);  // 1 ms each: 100,000/s
  h.AddScan("s", MakeSpace(1, 2500, 100));
  h.Grant(1, "s", IntervalSet{{0, 250'000}});
  h.RunToEnd();
  h.RunFor(seconds(100));
  EXPECT_NEAR(h.runner.counters().measured_rate, 100'000, 5'000);
}

// Retries and what the kernel sends again are sent as well, and fill the share: the coordinator
// must not take the agent for one that cannot use it.
TEST(Runner, MeasuresWhatItSendsAsSharesCountIt) {
  RunnerHarness h(
      [](const IpAddress& a, uint16_t) {
        return a.value() % 2 == 0 ? FakeAnswer::Silence() : FakeAnswer::Closed(milliseconds(20));
      },
      10'000);
  ProbeTiming timing{milliseconds(1500), 1, milliseconds(500)};
  timing.address_rate = timing.prefix_rate = 0;
  timing.address_in_flight = 0;
  h.AddScan("s", MakeSpace(1, 1000, 100), timing);
  h.runner.SetShare("s", 1000);
  h.Grant(1, "s", IntervalSet{{0, 20'000}});
  h.RunFor(seconds(20));
  EXPECT_NEAR(h.runner.counters().sent_rate, 1000, 50);
  EXPECT_LT(h.runner.counters().measured_rate, 600);
  h.RunToEnd();
  EXPECT_NEAR(h.runner.counters().sent_rate, 1000, 50) << "retries alone are no work";
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

}  // namespace
}  // namespace portolan
