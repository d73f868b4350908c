#include "coordinator/exposure/canaries.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

class CanariesTest : public testing::Test {
 protected:
  void AddOpen(const std::string& target, uint16_t port, uint32_t runs) {
    const Subject s = Sub(target, port);
    base_.open[s] = {At(1), At(2), 5, Reason::kSynAck, *s.target.address(), runs};
  }
  std::vector<Canary> Choose(const std::vector<Canary>& previous = {},
                             const OutcomeLookup& lookup = nullptr) {
    return ChooseCanaries(given_, previous, base_, lookup, {});
  }
  static std::optional<SubjectOutcome> Refuses(const Subject& s) {
    return SubjectOutcome{kClosedSym, *s.target.address(), 0, {}, ""};
  }

  std::vector<Canary> given_;
  VantageBaseline base_ = [] {
    VantageBaseline b;
    b.covered = Cover("10.0.0.0/16", "1-1024");
    return b;
  }();
};

TEST_F(CanariesTest, StablePortsAreChosenOneAnAddressAndSpreadOverPrefixes) {
  for (int prefix = 0; prefix < 12; ++prefix) {
    for (int host = 1; host <= 3; ++host) {
      AddOpen(fmt::format("10.0.{}.{}", prefix, host), 22, 3);
      AddOpen(fmt::format("10.0.{}.{}", prefix, host), 80, 9);
      AddOpen(fmt::format("10.0.{}.{}", prefix, host), 443, 2);  // not stable
    }
  }
  const std::vector<Canary> chosen = Choose();
  std::vector<std::string> texts;
  for (const Canary& c : chosen) texts.push_back(c.subject.ToString());
  EXPECT_EQ(texts, (std::vector<std::string>{"10.0.0.1:80", "10.0.2.1:80", "10.0.4.1:80",
                                             "10.0.6.1:80", "10.0.8.1:80", "10.0.10.1:80"}));
  EXPECT_EQ(Choose(), chosen);
}

TEST_F(CanariesTest, OnePrefixGivesSeveralAddressesAndOneHostGivesOne) {
  AddOpen("10.0.0.1", 22, 5);
  AddOpen("10.0.0.1", 80, 5);
  AddOpen("10.0.0.1", 443, 5);
  EXPECT_EQ(Choose().size(), 1u);  // the host's end must not look like the vantage's
  AddOpen("10.0.0.2", 80, 5);
  AddOpen("10.0.0.3", 80, 5);
  EXPECT_EQ(Choose().size(), 3u);
}

TEST_F(CanariesTest, HostsThatAnswerEverywhereAreNone) {
  AddOpen("10.0.0.1", 22, 5);
  base_.folded[TargetKey::Of(Ip("10.0.0.1"))] = {};
  EXPECT_TRUE(Choose().empty());
}

TEST_F(CanariesTest, ClosedOnesArePortsOfTheSameHostsThatRefuse) {
  for (const char* host : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}) AddOpen(host, 80, 5);
  const std::vector<Canary> chosen = Choose({}, Refuses);
  int closed = 0;
  for (const Canary& c : chosen) {
    if (c.open) continue;
    ++closed;
    EXPECT_EQ(base_.open.count(c.subject), 0u);
    EXPECT_TRUE(base_.covered.Contains(c.subject));
  }
  EXPECT_EQ(closed, 3);
  // Silence proves nothing.
  const auto silent = [](const Subject&) {
    return std::optional(SubjectOutcome{kSilentSym, {}, 0, {}, ""});
  };
  EXPECT_EQ(Choose({}, silent).size(), 4u);
}

TEST_F(CanariesTest, ChosenOnesStayWhileTheyAreWhatTheyWere) {
  for (const char* host : {"10.0.1.1", "10.0.2.1", "10.0.3.1"}) AddOpen(host, 80, 5);
  std::vector<Canary> chosen = Choose({}, Refuses);
  ASSERT_EQ(chosen.size(), 6u);
  base_.open.begin()->second.runs = 0;  // a candidate: perhaps it is the vantage that fails
  for (int i = 0; i < 250; ++i) AddOpen(fmt::format("10.0.0.{}", i), 80, 5);
  const std::vector<Canary> kept = Choose(chosen, Refuses);
  for (const Canary& c : chosen) EXPECT_EQ(std::count(kept.begin(), kept.end(), c), 1);
  EXPECT_EQ(kept.size(), 9u);
  base_.open.erase(Sub("10.0.1.1", 80));
  const std::vector<Canary> fewer = Choose(chosen, Refuses);
  EXPECT_EQ(std::count(fewer.begin(), fewer.end(), chosen[0]), 0);
}

TEST_F(CanariesTest, ThreeGivenOnesAreTakenAsTheyAreAndFewerAreFilledUp) {
  for (const char* host : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) AddOpen(host, 80, 5);
  given_ = {{Sub("10.0.9.1", 1), Ip("10.0.9.1"), true, true},
            {Sub("10.0.9.2", 1), Ip("10.0.9.2"), true, true},
            {Sub("10.0.9.3", 1), Ip("10.0.9.3"), false, true}};
  EXPECT_EQ(Choose(), given_);
  given_.pop_back();
  EXPECT_EQ(Choose().size(), 5u);
}

CanaryVerdict Judge(std::vector<std::pair<bool, std::optional<Symbol>>> seen) {
  std::vector<CanaryResult> results;
  for (const auto& [open, symbol] : seen) {
    results.push_back(
        {{Sub("10.0.0.1", static_cast<uint16_t>(results.size())), {}, open, false}, symbol});
  }
  return JudgeCanaries(results, {});
}

TEST(JudgeCanaries, AMajorityOfEitherKindDecides) {
  using enum CanaryState;
  const auto o = kOpenSym, x = kSilentSym, c = kClosedSym;
  EXPECT_EQ(Judge({{true, o}, {true, o}, {true, o}}).state, kHealthy);
  EXPECT_EQ(Judge({{true, o}, {true, o}, {true, x}}).state, kHealthy);  // that one changed itself
  EXPECT_EQ(Judge({{true, o}, {true, x}, {true, x}}).state, kQuarantined);
  EXPECT_EQ(Judge({{true, o}, {true, o}, {true, o}, {true, x}, {true, x}}).state, kHealthy);
  EXPECT_EQ(Judge({{true, o}, {true, o}, {true, x}, {true, x}}).state, kQuarantined);
  // A proxy in front of the vantage: all is open.
  EXPECT_EQ(Judge({{true, o}, {true, o}, {true, o}, {false, o}, {false, o}}).state, kQuarantined);
  EXPECT_EQ(Judge({{true, o}, {true, o}, {true, o}, {false, o}, {false, c}}).state, kHealthy);
  const CanaryVerdict v = Judge({{true, c}, {true, x}, {true, x}});
  EXPECT_EQ(v.reason,
            "3 of 3 known open ports are not open from here: 10.0.0.1:0 (closed/conn-refused), "
            "10.0.0.1:1 (filtered/no-response), 10.0.0.1:2 (filtered/no-response)");
}

TEST(JudgeCanaries, FewerThanThreeAnswersSayNothing) {
  using enum CanaryState;
  EXPECT_EQ(Judge({}).state, kUnknown);
  EXPECT_EQ(Judge({{true, kOpenSym}, {true, kOpenSym}}).state, kUnknown);
  EXPECT_EQ(Judge({{true, kSilentSym}, {true, kSilentSym}}).state, kUnknown);
  // Failures of our own are no answers.
  EXPECT_EQ(Judge({{true, kOwedSym}, {true, std::nullopt}, {true, kSilentSym}}).state, kUnknown);
  // Closed ones alone would pass on a vantage that sees nothing.
  EXPECT_EQ(Judge({{true, kOpenSym}, {false, kSilentSym}, {false, kSilentSym}}).state, kUnknown);
}

TEST(VantageHealth, LeavesQuarantineByAHealthyVerdictOnly) {
  using enum CanaryState;
  VantageHealth h;
  const auto take = [&](CanaryState s, CanaryPhase p, int64_t t) {
    TakeVerdict({s, ""}, p, At(t), h);
    return h.verdict.state;
  };
  EXPECT_EQ(take(kHealthy, CanaryPhase::kBefore, 1), kHealthy);
  EXPECT_EQ(take(kUnknown, CanaryPhase::kDuring, 2), kUnknown);
  EXPECT_FALSE(h.tainted);
  EXPECT_EQ(take(kQuarantined, CanaryPhase::kDuring, 3), kQuarantined);
  EXPECT_EQ(take(kUnknown, CanaryPhase::kDuring, 4), kQuarantined);
  EXPECT_EQ(h.since, At(3));
  EXPECT_EQ(take(kHealthy, CanaryPhase::kAfter, 5), kHealthy);
  EXPECT_TRUE(h.tainted);  // what was seen meanwhile is not believed
  EXPECT_EQ(take(kHealthy, CanaryPhase::kBefore, 6), kHealthy);
  EXPECT_FALSE(h.tainted);
}

}  // namespace
}  // namespace portolan
