#include "coordinator/scheduler/name_claim.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace portolan {
namespace {

using Verdict = NameClaim::Verdict;

constexpr Duration kTerm = std::chrono::seconds(10);

Time At(double seconds) { return Time(std::chrono::seconds(1000)) + FromSeconds(seconds); }

class NameClaimTest : public ::testing::Test {
 protected:
  NameClaim::Answer Call(double at, const std::string& who = "b") {
    return claim_.Challenge(who, holder_, next_, kTerm, At(at));
  }

  NameClaim claim_;
  NameClaim::Holder holder_{true, false, 5, kNever};
  uint64_t next_ = 8;
};

TEST_F(NameClaimTest, TheSecondWaitsAndTheFirstIsAskedOnce) {
  const NameClaim::Answer first = Call(0);
  EXPECT_EQ(first.verdict, Verdict::kWait);
  EXPECT_GT(first.wait, Duration::zero());
  EXPECT_TRUE(first.ask_holder);
  const NameClaim::Answer second = Call(1);
  EXPECT_EQ(second.verdict, Verdict::kWait);
  EXPECT_FALSE(second.ask_holder);
}

TEST_F(NameClaimTest, TheSecondEndsOnceTheFirstHasConfirmedWhatItWasToldSince) {
  Call(0);
  holder_.seen = 7;  // it calls, but has heard nothing since the second came: a late call of a dead
  EXPECT_EQ(Call(1).verdict, Verdict::kWait);
  holder_.seen = 8;
  EXPECT_EQ(Call(2).verdict, Verdict::kRefuse);
  EXPECT_EQ(Call(3).verdict, Verdict::kRefuse);
}

TEST_F(NameClaimTest, AFirstThatDoesNotCallWithinItsTermIsReplacedAtOnce) {
  Call(0);
  holder_.live = false;
  EXPECT_EQ(Call(1).verdict, Verdict::kTakeOver);
}

TEST_F(NameClaimTest, AFirstThatLostItsConnectionHasATenthOfATermToComeBack) {
  holder_.disconnected = At(0);
  EXPECT_EQ(Call(0.5).verdict, Verdict::kWait);
  EXPECT_EQ(Call(1).verdict, Verdict::kTakeOver);
}

TEST_F(NameClaimTest, AFirstThatCallsWithoutEverHearingAnAnswerIsReplacedAfterTwoTerms) {
  Call(0);
  EXPECT_EQ(Call(10).verdict, Verdict::kWait);
  EXPECT_EQ(Call(19.9).verdict, Verdict::kWait);
  EXPECT_EQ(Call(20).verdict, Verdict::kTakeOver);
}

TEST_F(NameClaimTest, AFirstThatDrainsIsWaitedForAndRefusesNobody) {
  holder_.leaving = true;
  holder_.seen = 100;
  for (int i = 0; i < 60; ++i) EXPECT_EQ(Call(i).verdict, Verdict::kWait);
  holder_.live = false;
  EXPECT_EQ(Call(60).verdict, Verdict::kTakeOver);
}

TEST_F(NameClaimTest, ASecondThatStayedAwayForTwoTermsBeginsAnew) {
  Call(0);
  holder_.seen = 8;
  next_ = 20;
  Call(0, "c");
  EXPECT_TRUE(Call(25, "c").ask_holder);
  EXPECT_TRUE(Call(26).ask_holder);
}

TEST_F(NameClaimTest, AHostOfProcessesIsBounded) {
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Call(0, std::to_string(i)).verdict, Verdict::kWait) << i;
  holder_.seen = 8;
  EXPECT_EQ(Call(1, "0").verdict, Verdict::kRefuse);
  EXPECT_EQ(Call(1, "999").verdict, Verdict::kWait);  // not one of those that are remembered
}

// One name, processes that live and die at random, calls that arrive late, and a model that knows
// who is alive. Safety: nobody is sent away by a dead process, and nobody takes the place of one
// that lives and is heard. Liveness: a process that calls alone works within two terms.
TEST(NameClaimProperty, TheDeadSendNobodyAwayAndTheLivingKeepTheirName) {
  for (uint32_t seed = 1; seed <= 500; ++seed) {
    std::mt19937 random(seed);
    const auto chance = [&](double p) {
      return std::uniform_real_distribution<>(0, 1)(random) < p;
    };
    NameClaim claim;
    std::optional<int> holder;
    bool holder_lives = false;
    Time holder_called, disconnected = kNever;
    uint64_t seen = 0, told = 0, next_revision = 1;
    int challenger = 1;
    Time alone_since = kNever;
    for (int step = 0; step < 2000; ++step) {
      const Time now = At(step * 0.25);
      if (holder.has_value()) {
        if (holder_lives && chance(0.01)) {  // kill -9
          holder_lives = false;
          if (chance(0.7)) disconnected = now;
          alone_since = now;
        }
        if (holder_lives) {
          holder_called = now;
          seen = told;  // it has heard every answer
        } else if (alone_since != kNever && now - alone_since < kTerm / 2 && chance(0.2)) {
          holder_called = now;  // a call from before its death, which was under way
        }
      }
      const bool live = holder.has_value() && now - holder_called < kTerm;
      const NameClaim::Holder view{live, false, seen, disconnected};
      const NameClaim::Answer answer =
          claim.Challenge(std::to_string(challenger), view, next_revision, kTerm, now);
      if (answer.ask_holder) told = next_revision++;
      switch (answer.verdict) {
        case Verdict::kRefuse:
          ASSERT_TRUE(holder_lives) << "seed " << seed << ": sent away by a dead process";
          ++challenger;  // its supervisor starts another
          break;
        case Verdict::kTakeOver:
          ASSERT_FALSE(holder_lives) << "seed " << seed << ": took the place of a living process";
          holder = challenger++;
          holder_lives = true;
          holder_called = now;
          disconnected = kNever;
          seen = told;
          claim.Clear();
          alone_since = kNever;
          break;
        case Verdict::kWait:
          ASSERT_TRUE(alone_since == kNever || now - alone_since <= 2 * kTerm)
              << "seed " << seed << ": waits for the dead";
          break;
      }
    }
  }
}

}  // namespace
}  // namespace portolan
