#include "agent/pacing/host_evidence.h"

#include <gtest/gtest.h>

#include <random>

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Doubt = HostEvidence::Doubt;

Time At(int64_t ms) { return Time() + milliseconds(ms); }

TEST(HostEvidence, EightOpenPortsThatAreOverHalfAskForConfirmation) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    HostEvidence e;
    uint32_t opens = 0, outcomes = 0;
    for (int i = 0; i < 200; ++i) {
      const bool open = random() % 100 < seed * 2;
      e.OnVerdict(open, 1);
      opens += open;
      ++outcomes;
      ASSERT_EQ(e.ShouldConfirm(1), opens >= 8 && 2 * opens > outcomes) << opens << " " << outcomes;
      ASSERT_EQ(e.opens(), opens);
      ASSERT_EQ(e.outcomes(), outcomes);
    }
  }
}

TEST(HostEvidence, WhatWasNotConfirmedIsAskedAgainWhenTwiceAsMuchIsOpen) {
  HostEvidence e;
  int asked = 0;
  for (int i = 0; i < 1000; ++i) {
    e.OnVerdict(true, 1);
    if (!e.ShouldConfirm(1)) continue;
    ++asked;
    e.OnConfirming();
    EXPECT_FALSE(e.ShouldConfirm(1)) << "that is under way";
    e.OnConfirmed(false, 1);
    EXPECT_FALSE(e.ShouldConfirm(1));
  }
  EXPECT_EQ(asked, 7);  // at 8, 16, 32, ... 512
}

TEST(HostEvidence, EachScanIsToldOnce) {
  HostEvidence e;
  for (int i = 0; i < 8; ++i) e.OnVerdict(true, 1);
  e.OnConfirming();
  e.OnConfirmed(true, 1);
  for (int i = 0; i < 100; ++i) e.OnVerdict(true, 1);
  EXPECT_FALSE(e.ShouldConfirm(1));
  EXPECT_TRUE(e.ShouldConfirm(2));
}

TEST(HostEvidence, WhatWasClosedInEarlierScansDoesNotHideThatAllIsOpenNow) {
  HostEvidence e;
  for (uint32_t scan = 1; scan <= 100; ++scan) {
    for (int i = 0; i < 30; ++i) e.OnVerdict(false, scan);
  }
  for (int i = 0; i < 7; ++i) e.OnVerdict(true, 101);
  EXPECT_FALSE(e.ShouldConfirm(101));
  e.OnVerdict(true, 101);
  EXPECT_TRUE(e.ShouldConfirm(101));
  EXPECT_EQ(e.opens(), 8u);
  EXPECT_EQ(e.outcomes(), 8u) << "as the newest scan saw it";
  e.OnConfirming();
  e.OnConfirmed(false, 101);
  for (int i = 0; i < 7; ++i) e.OnVerdict(true, 101);
  EXPECT_FALSE(e.ShouldConfirm(101)) << "not until twice as much is open";
  e.OnVerdict(true, 101);
  EXPECT_TRUE(e.ShouldConfirm(101));
}

TEST(HostEvidence, WhatAnOlderScanStillSeesCounts) {
  HostEvidence e;
  e.OnVerdict(false, 2);
  for (int i = 0; i < 8; ++i) e.OnVerdict(true, 1);
  EXPECT_TRUE(e.ShouldConfirm(1));
  EXPECT_EQ(e.outcomes(), 9u);
}

TEST(HostEvidence, SilenceOfAHostThatNeverAnsweredIsNotDoubted) {
  HostEvidence e;
  for (int i = 0; i < 10; ++i) e.OnSilence();
  EXPECT_EQ(e.About(At(0), 1), Doubt::kNone);
  EXPECT_EQ(e.silences(), 10u);
}

TEST(HostEvidence, SilenceIsDoubtedUntilTheHostAnswersSomething) {
  HostEvidence e;
  e.OnAnswer(443, 1, At(100));
  EXPECT_EQ(e.About(At(50), 1), Doubt::kNone) << "it answered since";
  EXPECT_EQ(e.About(At(100), 1), Doubt::kNone);
  EXPECT_EQ(e.About(At(101), 1), Doubt::kAsk);
  EXPECT_EQ(e.sentinel(), 443);
  EXPECT_EQ(e.About(At(101), 2), Doubt::kNone) << "that scan may not ask this port";
  e.OnAsking(77);
  EXPECT_EQ(e.About(At(150), 1), Doubt::kAsking);
  EXPECT_EQ(e.inquiry(), 77u);
  e.OnAnswer(443, 1, At(300));
  e.OnAsked(std::nullopt, At(300), HostEvidence::kLongestPause);
  EXPECT_EQ(e.About(At(150), 1), Doubt::kNone);
  EXPECT_EQ(e.About(At(300), 1), Doubt::kNone);
  EXPECT_EQ(e.About(At(301), 1), Doubt::kAsk);
  EXPECT_EQ(e.next_inquiry(), At(1300)) << "one a second";
}

TEST(HostEvidence, AnswerOddsFollowWhatAttemptsMet) {
  HostEvidence e;
  for (int i = 0; i < 7; ++i) e.OnAnswer(22, 1, At(i));
  EXPECT_EQ(e.AnswerOdds(), 1) << "too few to tell";
  e.OnAnswer(22, 1, At(8));
  EXPECT_EQ(e.AnswerOdds(), 8);
  e.OnSilence();
  EXPECT_EQ(e.AnswerOdds(), 4);
  for (int i = 0; i < 100; ++i) e.OnSilence();
  EXPECT_EQ(e.AnswerOdds(), 1) << "a firewall is in front of it: silence is as usual";
}

TEST(HostEvidence, SilentSentinelSpeaksForWhatWasStartedBeforeIt) {
  HostEvidence e;
  e.OnAnswer(22, 1, At(0));
  e.OnSilence();
  e.OnAsking(1);
  e.OnAsked(At(5000), At(6500), HostEvidence::kLongestPause);
  EXPECT_EQ(e.About(At(1), 1), Doubt::kStopped);
  EXPECT_EQ(e.About(At(5000), 1), Doubt::kStopped);
  EXPECT_EQ(e.About(At(5001), 1), Doubt::kAsk) << "it may have come back";
  EXPECT_EQ(e.answered(), At(0));
  EXPECT_EQ(e.silences(), 1u);
  EXPECT_FALSE(e.StoppedWasTold(1));
  e.OnStoppedTold(1);
  EXPECT_TRUE(e.StoppedWasTold(1));
  e.OnOtherAnswer(At(7000));
  EXPECT_EQ(e.silences(), 0u);
  EXPECT_EQ(e.About(At(1), 1), Doubt::kStopped) << "that it is back says nothing of before";
  EXPECT_EQ(e.About(At(6999), 1), Doubt::kStopped);
  EXPECT_EQ(e.About(At(7000), 1), Doubt::kNone);
  EXPECT_EQ(e.About(At(7001), 1), Doubt::kAsk);
  e.OnAnswer(22, 1, At(8000));
  EXPECT_EQ(e.About(At(7001), 1), Doubt::kNone);
  EXPECT_EQ(e.About(At(6999), 1), Doubt::kStopped);
  EXPECT_EQ(e.sentinel(), 22) << "a port that only confirms is no sentinel";
}

}  // namespace
}  // namespace portolan
