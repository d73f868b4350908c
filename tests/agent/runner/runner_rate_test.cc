// A rate that is asked for, with the SYNs that the kernel sends again by itself.
#include <algorithm>

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

}  // namespace
}  // namespace portolan
