#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "agent/runner/runner.h"
#include "tests/agent/runner/runner_harness.h"

// Questions about hosts as a whole: what they find, what they cost, and that they never go where
// they must not.
namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Symbol kNoResponse = {State::kFiltered, Reason::kNoResponse};
constexpr Symbol kThrottled = {State::kFiltered, Reason::kThrottled};
constexpr Symbol kHostThrottles = {State::kOwed, Reason::kHostThrottles};
const PortSet kHigh = PortSet::Of({kConfirmPorts});

ProbeTiming Quick() {
  ProbeTiming t;
  t.timeout = milliseconds(500);
  t.min_timeout = milliseconds(100);
  t.retries = 1;
  t.retry_delay = milliseconds(200);
  return t;
}

FakeEngine::Network AllOpen(AfterOpen then) {
  return [then](const IpAddress&, uint16_t) {
    return FakeAnswer::Open(milliseconds(20)).Then(then, milliseconds(20));
  };
}

// Started attempts at ports above the scan's.
std::vector<FakeEngine::Started> HighOnes(const RunnerHarness& h) {
  std::vector<FakeEngine::Started> out;
  for (const auto& s : h.engine.started()) {
    if (s.port >= kConfirmPorts.first) out.push_back(s);
  }
  return out;
}

uint64_t Extra(const RunnerHarness& h) {
  uint64_t extra = 0;
  for (const ChunkReport& chunk : h.sink.chunks) extra += chunk.extra;
  return extra;
}

TEST(RunnerInquiry, HostThatIsOpenOnPortsNobodyServesIsOneFinding) {
  RunnerHarness h(AllOpen(AfterOpen::kQuiet));
  h.AddScan("s", MakeSpace(1, 1, 100), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 100}});
  h.RunToEnd();
  ASSERT_EQ(h.sink.findings.size(), 1u);
  EXPECT_EQ(h.sink.findings[0].token, Token{1});
  const HostFinding& f = h.sink.findings[0].finding;
  EXPECT_EQ(f.kind, HostFindingKind::kAnswersEverywhere);
  EXPECT_EQ(f.address, IpAddress::V4(0x0a010000));
  EXPECT_GE(f.opens, 8u);
  EXPECT_EQ(f.confirmed.size(), 4u);
  std::set<uint16_t> ports;
  for (const ConfirmedPort& c : f.confirmed) {
    EXPECT_TRUE(kHigh.Contains(c.port));
    EXPECT_EQ(c.held, Held::kQuiet);
    ports.insert(c.port);
  }
  EXPECT_EQ(ports.size(), 4u);
  // What was planned is what is counted; what was asked beyond it is told.
  EXPECT_EQ(h.sink.CountState(State::kOpen), 100u);
  EXPECT_EQ(Extra(h), 4u);
  EXPECT_EQ(h.engine.started().size(), 104u);
}

TEST(RunnerInquiry, FindingComesBeforeTheLastChunkOfItsLease) {
  // Ten ports, so that the last verdict is there long before the held connections have ended.
  RunnerHarness h(AllOpen(AfterOpen::kNoWindow));
  h.AddScan("s", MakeSpace(1, 1, 10), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 10}});
  h.RunToEnd();
  ASSERT_EQ(h.sink.findings.size(), 1u);
  EXPECT_EQ(h.sink.chunks.size(), 1u);
  EXPECT_EQ(h.sink.chunks[0].extra, 4u) << "the chunk has waited for the answer";
  EXPECT_EQ(h.sink.findings[0].finding.confirmed[0].held, Held::kNoWindow);
}

TEST(RunnerInquiry, WhoResetsEveryConnectionIsASynProxy) {
  for (const bool at_once : {false, true}) {
    RunnerHarness h([&](const IpAddress& a, uint16_t port) {
      if (!at_once) return AllOpen(AfterOpen::kReset)(a, port);
      FakeAnswer answer = FakeAnswer::Open(milliseconds(20));
      answer.symbol.reason = Reason::kResetAfterAccept;
      return answer.Then(AfterOpen::kReset);
    });
    h.AddScan("s", MakeSpace(1, 3, 50), Quick(), kHigh);
    h.Grant(1, "s", IntervalSet{{0, 150}});
    h.RunToEnd();
    ASSERT_EQ(h.sink.findings.size(), 3u);
    for (const FindingReport& f : h.sink.findings)
      EXPECT_EQ(f.finding.kind, HostFindingKind::kSynProxy);
  }
}

TEST(RunnerInquiry, OneClosedHighPortIsEnoughForNoFinding) {
  for (const FakeAnswer& other : {FakeAnswer::Closed(milliseconds(5)), FakeAnswer::Silence()}) {
    RunnerHarness h([&](const IpAddress&, uint16_t port) {
      return port < 1000 ? FakeAnswer::Open(milliseconds(20)) : other;
    });
    h.AddScan("s", MakeSpace(1, 1, 200), Quick(), kHigh);
    h.Grant(1, "s", IntervalSet{{0, 200}});
    h.RunToEnd();
    EXPECT_TRUE(h.sink.findings.empty());
    EXPECT_EQ(h.sink.CountState(State::kOpen), 200u);
    // Asked again when twice as many are open: at 8, 16, 32, 64, 128.
    EXPECT_LE(HighOnes(h).size(), 5u * 4u * 3u);
    EXPECT_GE(HighOnes(h).size(), 4u);
  }
}

TEST(RunnerInquiry, AFewPortsAreTooFewToTell) {
  RunnerHarness h(AllOpen(AfterOpen::kQuiet));
  h.AddScan("s", MakeSpace(1, 50, 7), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 350}});
  h.RunToEnd();
  EXPECT_TRUE(HighOnes(h).empty());
  EXPECT_TRUE(h.sink.findings.empty());
}

TEST(RunnerInquiry, NothingThatIsForbiddenIsAsked) {
  const auto rule = [](const char* text) { return *ParseScopeRule(text); };
  // The scan has no ports for it; the agent's own scope has none; an exclusion takes them.
  for (int how = 0; how < 3; ++how) {
    RunnerHarness h(AllOpen(AfterOpen::kQuiet), 256,
                    how == 1 ? Scope::Create({}, {rule("* 49152-65535")}) : Scope::Default());
    h.AddScan("s", MakeSpace(1, 1, 100), Quick(), how == 0 ? PortSet() : kHigh);
    if (how == 2) {
      auto overlay = std::make_shared<DenyOverlay>();
      overlay->version = 1;
      overlay->rules = {rule("* 49152-65535")};
      overlay->Prepare();
      h.runner.UpdateOverlay("s", overlay);
    }
    h.Grant(1, "s", IntervalSet{{0, 100}});
    h.RunToEnd();
    EXPECT_TRUE(HighOnes(h).empty());
    EXPECT_TRUE(h.sink.findings.empty());
    EXPECT_EQ(h.sink.CountState(State::kOpen), 100u);
  }
}

TEST(RunnerInquiry, NothingIsAskedAfterTheLeaseHasEnded) {
  RunnerHarness h(AllOpen(AfterOpen::kQuiet));
  ProbeTiming timing = Quick();
  timing.address_rate = 100;
  h.AddScan("s", MakeSpace(1, 4, 1000), timing, kHigh);
  h.Grant(1, "s", IntervalSet{{0, 4000}}, milliseconds(90));
  const Time deadline = h.clock.Now() + milliseconds(90);
  h.RunFor(seconds(20));
  for (const auto& s : h.engine.started()) EXPECT_LT(s.at, deadline);
  EXPECT_TRUE(h.runner.idle());
}

TEST(RunnerInquiry, QuestionsKeepTheLimitOfTheirAddress) {
  RunnerHarness h(AllOpen(AfterOpen::kQuiet));
  ProbeTiming timing = Quick();
  timing.address_rate = 20;
  h.AddScan("s", MakeSpace(1, 1, 60), timing, kHigh);
  h.Grant(1, "s", IntervalSet{{0, 60}});
  h.RunToEnd();
  ASSERT_EQ(h.sink.findings.size(), 1u);
  const auto& started = h.engine.started();
  for (size_t i = 0; i + 21 < started.size(); ++i)
    EXPECT_GE(started[i + 21].at - started[i].at, milliseconds(980));
}

TEST(RunnerInquiry, FailuresOfOursAreTriedAgainAndNoFinding) {
  int failures = 0;
  RunnerHarness h([&](const IpAddress&, uint16_t port) {
    if (port >= 49152 && ++failures <= 3) return FakeAnswer::Failure(EADDRNOTAVAIL);
    return FakeAnswer::Open(milliseconds(20));
  });
  h.AddScan("s", MakeSpace(1, 1, 100), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 100}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.findings.size(), 1u);

  RunnerHarness never([](const IpAddress&, uint16_t port) {
    return port >= 49152 ? FakeAnswer::Failure(EADDRNOTAVAIL) : FakeAnswer::Open(milliseconds(20));
  });
  never.AddScan("s", MakeSpace(1, 1, 100), Quick(), kHigh);
  never.Grant(1, "s", IntervalSet{{0, 100}});
  never.RunToEnd();
  EXPECT_TRUE(never.sink.findings.empty());
}

// ---- hosts that stop answering ----

TEST(RunnerInquiry, SilentPortsOfAFirewalledHostAreFilteredAfterAFewQuestions) {
  RunnerHarness h([](const IpAddress&, uint16_t port) {
    return port == 1 ? FakeAnswer::Open(milliseconds(20)) : FakeAnswer::Silence();
  });
  h.AddScan("s", MakeSpace(1, 1, 100), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 100}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kNoResponse), 99u);
  EXPECT_EQ(h.sink.CountState(State::kOwed), 0u);
  EXPECT_TRUE(h.sink.findings.empty());
  EXPECT_LE(Extra(h), 3u);
  EXPECT_EQ(h.engine.started().size(), 1 + 2 * 99 + Extra(h));
}

TEST(RunnerInquiry, HostsThatNeverAnsweredCostNothing) {
  RunnerHarness h([](const IpAddress&, uint16_t) { return FakeAnswer::Silence(); });
  h.AddScan("s", MakeSpace(1, 100, 10), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 1000}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kNoResponse), 1000u);
  EXPECT_EQ(h.engine.started().size(), 2000u);
}

// Answers the first `n` SYNs to an address, then nothing.
struct Blocking {
  int n = 0;
  std::map<IpAddress, int> seen;
  FakeAnswer operator()(const IpAddress& a, uint16_t) {
    return ++seen[a] <= n ? FakeAnswer::Closed(milliseconds(10)) : FakeAnswer::Silence();
  }
};

TEST(RunnerInquiry, PortsOfAHostThatStoppedAnsweringAreOwed) {
  RunnerHarness h(Blocking{30, {}});
  h.AddScan("s", MakeSpace(1, 2, 100), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 200}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kClosed), 60u);
  EXPECT_EQ(h.sink.Count(kHostThrottles), 140u);
  EXPECT_TRUE(h.sink.findings.empty()) << "it may come back";
}

TEST(RunnerInquiry, AHostIsNotGivenUpBecauseItsSentinelLostTwo) {
  int asked = 0;
  RunnerHarness h([&](const IpAddress&, uint16_t port) {
    if (port != 1) return FakeAnswer::Silence();
    ++asked;
    return asked == 2 || asked == 3 ? FakeAnswer::Silence() : FakeAnswer::Open(milliseconds(10));
  });
  h.AddScan("s", MakeSpace(1, 1, 40), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 40}});
  h.RunToEnd();
  EXPECT_GE(asked, 4);
  EXPECT_EQ(h.sink.Count(kNoResponse), 39u);
  EXPECT_EQ(h.sink.CountState(State::kOwed), 0u);
}

TEST(RunnerInquiry, WhoIsStillSilentAtTheLastGrantIsThrottledAndOneFinding) {
  RunnerHarness h(Blocking{30, {}});
  h.AddScan("s", MakeSpace(1, 1, 100), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 50}});
  h.RunToEnd();
  EXPECT_EQ(h.sink.CountState(State::kClosed), 30u);
  const Time stopped = h.clock.Now();
  h.Grant(2, "s", IntervalSet{{50, 100}}, std::chrono::hours(1), 5);
  h.RunToEnd();
  EXPECT_EQ(h.sink.Count(kThrottled), 50u);
  ASSERT_EQ(h.sink.findings.size(), 1u);
  const HostFinding& f = h.sink.findings[0].finding;
  EXPECT_EQ(f.kind, HostFindingKind::kStoppedAnswering);
  EXPECT_EQ(f.address, IpAddress::V4(0x0a010000));
  EXPECT_EQ(h.sink.findings[0].token, Token{2});
  EXPECT_GE(f.silences, 50u);
  EXPECT_LT(f.since, f.when);
  EXPECT_TRUE(f.sentinel.has_value() && *f.sentinel >= 1 && *f.sentinel <= 100);
  EXPECT_GT(h.clock.Now(), stopped);
}

TEST(RunnerInquiry, HostThatComesBackIsKnownInTheEnd) {
  Time back = kNever;
  const FakeClock* clock = nullptr;
  int seen = 0;
  RunnerHarness h([&](const IpAddress&, uint16_t port) {
    if (++seen > 20 && clock->Now() < back) return FakeAnswer::Silence();
    return port % 7 == 0 ? FakeAnswer::Open(milliseconds(10))
                         : FakeAnswer::Closed(milliseconds(10));
  });
  clock = &h.clock;
  back = h.clock.Now() + seconds(30);
  h.AddScan("s", MakeSpace(1, 1, 100), Quick(), kHigh);
  h.Grant(1, "s", IntervalSet{{0, 100}});
  h.RunToEnd();
  IntervalSet owed;
  for (const auto& [index, symbol] : h.sink.outcomes[Token{1}]) {
    EXPECT_NE(symbol, kNoResponse) << "no port of it is silent";
    if (symbol.state == State::kOwed) owed.Add({index, index + 1});
  }
  EXPECT_FALSE(owed.empty());
  h.RunFor(seconds(30));
  h.Grant(2, "s", owed, std::chrono::hours(1), 2);
  h.RunToEnd();
  for (const auto& [index, symbol] : h.sink.outcomes[Token{2}]) {
    EXPECT_TRUE(symbol.state == State::kOpen || symbol.state == State::kClosed);
  }
}

TEST(RunnerInquiry, AtMostOneQuestionASecondForAnAddress) {
  // One port answers, the rest is dropped: a long scan of it asks again and again.
  RunnerHarness h([](const IpAddress&, uint16_t port) {
    return port == 1 ? FakeAnswer::Open(milliseconds(20)) : FakeAnswer::Silence();
  });
  ProbeTiming timing = Quick();
  timing.address_rate = 50;
  h.AddScan("s", MakeSpace(1, 1, 1000), timing);
  h.Grant(1, "s", IntervalSet{{0, 1000}});
  const Time begin = h.clock.Now();
  h.RunToEnd();
  const double took = ToSeconds(h.clock.Now() - begin);
  EXPECT_EQ(h.sink.Count(kNoResponse) + h.sink.CountState(State::kOwed), 999u);
  EXPECT_LE(static_cast<double>(Extra(h)), took + 2);
  EXPECT_EQ(h.sink.CountState(State::kOwed), 0u);
}

// Whatever happens to leases and scans while questions are asked, each position is reported once.
TEST(RunnerInquiry, RandomEndsOfLeasesAndScansLeaveNothingBehind) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](uint32_t n) { return static_cast<int>(random() % n); };
    Blocking blocking{20 + pick(60), {}};
    RunnerHarness h([&](const IpAddress& a, uint16_t port) {
      if (a.value() % 3 == 0) return FakeAnswer::Open(milliseconds(15)).Then(AfterOpen::kReset);
      if (a.value() % 3 == 1) return blocking(a, port);
      return port % 9 == 0 ? FakeAnswer::Closed(milliseconds(15)) : FakeAnswer::Silence();
    });
    for (int s = 0; s < 2; ++s)
      h.AddScan("s" + std::to_string(s), MakeSpace(1, 6, 80), Quick(), kHigh);
    uint64_t token = 0;
    for (int round = 0; round < 30; ++round) {
      const std::string scan = "s" + std::to_string(pick(2));
      switch (pick(6)) {
        case 0:
        case 1: {
          const uint64_t begin = static_cast<uint64_t>(pick(400));
          h.Grant(++token, scan, IntervalSet{{begin, begin + 80}},
                  pick(4) == 0 ? Duration(milliseconds(pick(3000))) : Duration(seconds(600)),
                  1 + static_cast<uint32_t>(pick(6)));
          break;
        }
        case 2:
          if (token > 0) h.runner.Forget(Token{1 + random() % token});
          break;
        case 3:
          if (token > 0) h.runner.Revoke(Token{1 + random() % token});
          break;
        case 4:
          if (pick(4) == 0) {
            h.runner.DropContext(scan);
            h.AddScan(scan, MakeSpace(1, 6, 80), Quick(), kHigh);
          }
          break;
        default:
          h.sink.room = pick(5) != 0;
      }
      h.RunFor(milliseconds(pick(1500)));
    }
    h.sink.room = true;
    h.RunToEnd();
    for (const FindingReport& f : h.sink.findings) EXPECT_LE(f.token.value, token);
    h.RunFor(seconds(60));
    EXPECT_EQ(h.engine.in_flight(), 0u);
  }
}

}  // namespace
}  // namespace portolan
