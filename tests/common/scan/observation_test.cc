#include "common/scan/observation.h"

#include <gtest/gtest.h>

#include <set>

namespace portolan {
namespace {

TEST(Observation, NumbersNeverChange) {
  // Stored and sent.
  EXPECT_EQ(static_cast<int>(State::kOpen), 1);
  EXPECT_EQ(static_cast<int>(State::kOwed), 6);
  EXPECT_EQ(static_cast<int>(Reason::kSynAck), 1);
  EXPECT_EQ(static_cast<int>(Reason::kConnRefused), 10);
  EXPECT_EQ(static_cast<int>(Reason::kNoResponse), 20);
  EXPECT_EQ(static_cast<int>(Reason::kThrottled), 24);
  EXPECT_EQ(static_cast<int>(Reason::kHostUnreachable), 30);
  EXPECT_EQ(static_cast<int>(Reason::kExcluded), 40);
  EXPECT_EQ(static_cast<int>(Reason::kHostThrottles), 52);
  EXPECT_EQ(static_cast<int>(Reason::kRefusedByScope), 53);
}

TEST(Observation, EveryNameReadsBackAsItsNumber) {
  std::set<std::string_view> states, reasons;
  for (int i = 0; i < 256; ++i) {
    const State s = static_cast<State>(i);
    const Reason r = static_cast<Reason>(i);
    if (StateName(s) != "unknown") {
      EXPECT_EQ(StateFromName(StateName(s)), s);
      EXPECT_TRUE(states.insert(StateName(s)).second);
    }
    if (ReasonName(r) != "unknown") {
      EXPECT_EQ(ReasonFromName(ReasonName(r)), r);
      EXPECT_TRUE(reasons.insert(ReasonName(r)).second);
    }
  }
  EXPECT_EQ(states, (std::set<std::string_view>{"open", "closed", "filtered", "unreachable",
                                                "not-probed", "owed"}));
  EXPECT_EQ(reasons.size(), 22u);
  EXPECT_EQ(ReasonName(Reason::kSynAck), "syn-ack");
  EXPECT_EQ(ReasonName(Reason::kHostUnreachable), "host-unreach");
  EXPECT_EQ(StateFromName("unknown"), std::nullopt);
  EXPECT_EQ(StateFromName(""), std::nullopt);
  EXPECT_EQ(ReasonFromName("SYN-ACK"), std::nullopt);
}

TEST(Observation, EachReasonBelongsToOneState) {
  int valid = 0;
  for (int r = 0; r < 256; ++r) {
    int states = 0;
    for (int s = 0; s < 256; ++s) states += IsValid(static_cast<State>(s), static_cast<Reason>(r));
    EXPECT_EQ(states, ReasonName(static_cast<Reason>(r)) == "unknown" ? 0 : 1) << "reason " << r;
    valid += states;
  }
  EXPECT_EQ(valid, 22);
  EXPECT_TRUE(IsValid(State::kFiltered, Reason::kPortUnreachable));
  EXPECT_FALSE(IsValid(State::kClosed, Reason::kNoResponse));
  EXPECT_FALSE(IsValid(State::kClosed, Reason::kLocalFailure));
  EXPECT_TRUE(IsValid(Symbol{}.state, Symbol{}.reason));
}

TEST(Ledger, CountsByStateAndCause) {
  Ledger ledger;
  ledger.Count({State::kOpen, Reason::kSynAck}, 1);
  ledger.Count({State::kOpen, Reason::kResetAfterAccept}, 2);
  ledger.Count({State::kClosed, Reason::kConnRefused}, 4);
  ledger.Count({State::kFiltered, Reason::kNoResponse}, 8);
  ledger.Count({State::kUnreachable, Reason::kTtlExceeded}, 16);
  ledger.Count({State::kNotProbed, Reason::kExcluded}, 32);
  ledger.Count({State::kNotProbed, Reason::kCancelled}, 64);
  EXPECT_EQ(ledger.open, 3u);
  EXPECT_EQ(ledger.closed, 4u);
  EXPECT_EQ(ledger.filtered, 8u);
  EXPECT_EQ(ledger.unreachable, 16u);
  EXPECT_EQ(ledger.not_probed[0], 32u);
  EXPECT_EQ(ledger.not_probed[4], 64u);
  EXPECT_EQ(ledger.NotProbed(), 96u);
  EXPECT_EQ(ledger.Done(), 127u);
  Ledger twice = ledger;
  twice.extra = 5;
  twice.Add(ledger);
  EXPECT_EQ(twice.Done(), 254u);
  EXPECT_EQ(twice.extra, 5u);
  EXPECT_NE(twice, ledger);
}

TEST(LedgerDeathTest, OwedIsNeverCounted) {
  Ledger ledger;
  EXPECT_DEATH(ledger.Count({State::kOwed, Reason::kChunkClosed}, 1), "broken invariant");
  EXPECT_DEATH(ledger.Count({State::kOpen, Reason::kNoResponse}, 1), "broken invariant");
}

}  // namespace
}  // namespace portolan
