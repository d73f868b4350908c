#include "coordinator/exposure/confirmations.h"

#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Subject kWeb = Sub("10.0.0.1", 80);
const ChangeKey kKey{"in", kWeb};

class ConfirmationsTest : public testing::Test {
 protected:
  static ConfirmationOptions Options() { return {}; }
  static ChangeCandidate Opened(const Subject& s = kWeb) {
    return {"in", s,     ChangeKind::kOpened, Symbol(), kOpenSym, Ip("10.0.0.1"),
            5,    At(1), "run-agent",         {}};
  }
  static ChangeCandidate Closed(const Subject& s = kWeb) {
    return {"in", s,     ChangeKind::kClosed, kOpenSym, kClosedSym, Ip("10.0.0.1"),
            5,    At(1), "run-agent",         {}};
  }
  ConfirmationStep Answer(uint32_t number, Symbol seen, const std::string& agent = "other",
                          const ChangeKey& key = kKey) {
    return all_.OnAnswer({key, number, {seen, Ip("10.0.0.1"), 9, now_, agent}}, now_);
  }
  // A whole confirmed change; whether it was told.
  bool Change(const ChangeCandidate& c, Symbol seen) {
    all_.Start({c}, now_);
    Answer(1, seen);
    const ConfirmationStep step = Answer(2, seen);
    EXPECT_EQ(step.settled.size(), 1u);
    EXPECT_EQ(step.settled[0].as,
              step.events.empty() ? SettledAs::kFlapping : SettledAs::kConfirmed);
    return !step.events.empty();
  }

  WallTime now_ = At(1000);
  Confirmations all_{"web", Options()};
};

TEST_F(ConfirmationsTest, ACandidateAsksForADelayedProbeByAnotherAgent) {
  const ConfirmationStep step = all_.Start({Opened()}, now_);
  ASSERT_EQ(step.probes.size(), 1u);
  EXPECT_EQ(step.probes[0].key, kKey);
  EXPECT_EQ(step.probes[0].number, 1u);
  EXPECT_EQ(step.probes[0].not_before, now_ + seconds(60));
  EXPECT_EQ(step.probes[0].avoid, std::vector<std::string>{"run-agent"});
  EXPECT_TRUE(step.events.empty());
  EXPECT_EQ(all_.Outstanding(), step.probes);
  // The next run finds it again: nothing is begun anew.
  EXPECT_EQ(all_.Start({Opened()}, now_ + hours(1)), ConfirmationStep());
}

TEST_F(ConfirmationsTest, KOfNAgreeingProbesAreAnEventWithItsTrail) {
  ChangeCandidate candidate = Opened();
  TrailStep other;
  other.what = TrailStep::What::kOtherVantage;
  other.vantage = "out";
  other.symbol = kSilentSym;
  candidate.evidence = {other};
  all_.Start({candidate}, now_);
  now_ += seconds(60);
  const ConfirmationStep first = Answer(1, kOpenSym, "a");
  ASSERT_EQ(first.probes.size(), 1u);
  EXPECT_EQ(first.probes[0].number, 2u);
  EXPECT_EQ(first.probes[0].not_before, now_ + seconds(60));
  EXPECT_EQ(first.probes[0].avoid, (std::vector<std::string>{"a", "run-agent"}));
  Answer(2, kClosedSym, "b");  // one against it is not yet too many
  now_ += seconds(60);
  const ConfirmationStep last = Answer(3, kOpenSym, "c");
  EXPECT_TRUE(last.probes.empty());
  ASSERT_EQ(last.events.size(), 1u);
  const ExposureEvent& e = last.events[0];
  EXPECT_EQ(e.sequence, 1u);
  EXPECT_EQ(e.id, MakeEventId(e));
  EXPECT_EQ(e.id.size(), 32u);
  EXPECT_EQ(e.time, now_);
  EXPECT_EQ(e.monitor, "web");
  EXPECT_EQ(e.vantage, "in");
  EXPECT_EQ(e.subject, kWeb);
  EXPECT_EQ(e.kind, ChangeKind::kOpened);
  EXPECT_EQ(e.to, kOpenSym);
  ASSERT_EQ(e.trail.size(), 5u);
  EXPECT_EQ(e.trail[0].what, TrailStep::What::kRun);
  EXPECT_EQ(e.trail[1], other);
  EXPECT_EQ(e.trail[2].agent, "a");
  EXPECT_EQ(e.trail[3].symbol, kClosedSym);
  EXPECT_EQ(e.trail[4].agent, "c");
  EXPECT_TRUE(all_.state().pending.empty());
}

TEST_F(ConfirmationsTest, TooManyAgainstItIsTransientAndNoEvent) {
  all_.Start({Opened()}, now_);
  Answer(1, kSilentSym);
  const ConfirmationStep step = Answer(2, kClosedSym);
  EXPECT_TRUE(step.events.empty());
  EXPECT_TRUE(step.probes.empty());
  ASSERT_EQ(step.settled.size(), 1u);
  EXPECT_EQ(step.settled[0].as, SettledAs::kTransient);
  EXPECT_TRUE(all_.state().pending.empty());
  EXPECT_TRUE(all_.state().history.empty());
}

TEST_F(ConfirmationsTest, OtherVantagesAreNoVeto) {
  ChangeCandidate candidate = Closed();
  TrailStep other;
  other.what = TrailStep::What::kOtherVantage;
  other.symbol = kOpenSym;
  candidate.evidence.assign(kMaxEvidence + 5, other);
  all_.Start({candidate}, now_);
  EXPECT_EQ(Answer(1, kOpenSym, "x", {"out", kWeb}), ConfirmationStep());  // not asked for
  Answer(1, kClosedSym);
  const ConfirmationStep step = Answer(2, kClosedSym);
  ASSERT_EQ(step.events.size(), 1u);
  EXPECT_EQ(step.events[0].trail.size(), 1 + kMaxEvidence + 2);
}

TEST_F(ConfirmationsTest, AClosureThatIsSeenInAnotherWayIsToldAsItWasSeenLast) {
  all_.Start({Closed()}, now_);
  Answer(1, kClosedSym);
  const ConfirmationStep step = Answer(2, kSilentSym);
  ASSERT_EQ(step.events.size(), 1u);
  EXPECT_EQ(step.events[0].kind, ChangeKind::kFiltered);
  EXPECT_EQ(step.events[0].to, kSilentSym);
}

TEST_F(ConfirmationsTest, AChangeOfReasonIsConfirmedByThatReasonOnly) {
  ChangeCandidate c = Opened();
  c.kind = ChangeKind::kReasonChanged;
  c.from = kOpenSym;
  c.to = kResetSym;
  all_.Start({c}, now_);
  Answer(1, kResetSym);
  Answer(2, kOpenSym);
  const ConfirmationStep step = Answer(3, kClosedSym);
  EXPECT_TRUE(step.events.empty());
  ASSERT_EQ(step.settled.size(), 1u);
  EXPECT_EQ(step.settled[0].as, SettledAs::kTransient);
}

TEST_F(ConfirmationsTest, LostProbesAreAskedAgainAndCountForNothing) {
  all_.Start({Opened()}, now_);
  EXPECT_EQ(Answer(1, kOwedSym).probes.size(), 1u);
  EXPECT_EQ(all_.Tick(now_ + minutes(11)), ConfirmationStep());  // 60 s + 10 min are not over
  now_ += minutes(12);
  const ConfirmationStep late = all_.Tick(now_);
  ASSERT_EQ(late.probes.size(), 1u);
  EXPECT_EQ(late.probes[0].number, 3u);
  EXPECT_EQ(Answer(2, kOpenSym), ConfirmationStep());  // came after all
  Answer(3, kOpenSym);
  EXPECT_EQ(Answer(4, kOpenSym).events.size(), 1u);
}

TEST_F(ConfirmationsTest, ACandidateWithoutVerdictsIsAbandoned) {
  all_.Start({Opened()}, now_);
  for (uint32_t i = 1; i <= Options().max_lost; ++i) {
    EXPECT_EQ(Answer(i, Symbol()).probes.size(), 1u);
  }
  const ConfirmationStep step = Answer(Options().max_lost + 1, Symbol());
  EXPECT_TRUE(step.probes.empty());
  ASSERT_EQ(step.settled.size(), 1u);
  EXPECT_EQ(step.settled[0].as, SettledAs::kAbandoned);
  EXPECT_TRUE(all_.state().pending.empty());
  // Likewise by time alone, in a bounded number of steps.
  all_.Start({Opened()}, now_);
  size_t abandoned = 0;
  for (int i = 0; i < 20; ++i) {
    now_ += minutes(15);
    abandoned += all_.Tick(now_).settled.size();
  }
  EXPECT_EQ(abandoned, 1u);
}

TEST_F(ConfirmationsTest, RepeatedAndUnknownAnswersAreIgnored) {
  all_.Start({Opened()}, now_);
  Answer(1, kOpenSym);
  EXPECT_EQ(Answer(1, kOpenSym), ConfirmationStep());
  EXPECT_EQ(Answer(7, kOpenSym), ConfirmationStep());
  EXPECT_EQ(Answer(1, kOpenSym, "x", {"in", Sub("10.0.0.2", 80)}), ConfirmationStep());
  EXPECT_EQ(Answer(2, kOpenSym).events.size(), 1u);
  EXPECT_EQ(Answer(2, kOpenSym), ConfirmationStep());
}

TEST_F(ConfirmationsTest, WithoutConfirmationTheRunIsBelieved) {
  ConfirmationOptions o;
  o.needed = 0;
  Confirmations direct("web", o);
  const ConfirmationStep step = direct.Start({Opened()}, now_);
  EXPECT_EQ(step.events.size(), 1u);
  EXPECT_TRUE(step.probes.empty());
  EXPECT_TRUE(direct.state().pending.empty());
}

TEST_F(ConfirmationsTest, MoreThanFChangesInWAreFlappingUntilStable) {
  EXPECT_TRUE(Change(Opened(), kOpenSym));
  EXPECT_TRUE(Change(Closed(), kClosedSym));
  EXPECT_TRUE(Change(Opened(), kOpenSym));
  EXPECT_TRUE(Change(Closed(), kClosedSym));  // told: closed
  EXPECT_FALSE(Change(Opened(), kOpenSym));   // the fifth within the day
  EXPECT_FALSE(Change(Closed(), kClosedSym));
  EXPECT_FALSE(Change(Opened(), kOpenSym));
  EXPECT_TRUE(all_.state().history.at(kKey).flapping);
  EXPECT_EQ(all_.Tick(now_ + hours(6) - seconds(1)), ConfirmationStep());
  now_ += hours(6);
  const ConfirmationStep step = all_.Tick(now_);
  ASSERT_EQ(step.events.size(), 1u);  // it is open, and was last told to be closed
  EXPECT_EQ(step.events[0].kind, ChangeKind::kOpened);
  EXPECT_EQ(step.events[0].sequence, 5u);
  ASSERT_EQ(step.events[0].trail.size(), 1u);
  EXPECT_EQ(step.events[0].trail[0].what, TrailStep::What::kFlapped);
  EXPECT_EQ(step.events[0].trail[0].changes, 3u);
  EXPECT_TRUE(all_.state().history.empty());
  EXPECT_TRUE(Change(Closed(), kClosedSym));
}

TEST_F(ConfirmationsTest, FlappingThatEndsAsItWasToldIsNoEvent) {
  for (int i = 0; i < 2; ++i) {
    Change(Opened(), kOpenSym);
    Change(Closed(), kClosedSym);
  }
  EXPECT_FALSE(Change(Opened(), kOpenSym));
  EXPECT_FALSE(Change(Closed(), kSilentSym));  // gone in another way is gone
  now_ += hours(7);
  const ConfirmationStep step = all_.Tick(now_);
  EXPECT_TRUE(step.events.empty());
  EXPECT_EQ(step.calm, std::vector<ChangeKey>{kKey});
  EXPECT_TRUE(all_.state().history.empty());
}

TEST_F(ConfirmationsTest, SlowChangesAreNotFlapping) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(Change(Opened(), kOpenSym));
    now_ += hours(6);
    all_.Tick(now_);
    EXPECT_TRUE(Change(Closed(), kClosedSym));
    now_ += hours(6);
    all_.Tick(now_);
  }
  now_ += hours(24);
  all_.Tick(now_);
  EXPECT_TRUE(all_.state().history.empty());
}

TEST_F(ConfirmationsTest, HistoryIsBounded) {
  ConfirmationOptions o;
  o.needed = 0;
  o.max_history = 3;
  Confirmations few("web", o);
  for (uint16_t port = 1; port <= 10; ++port) few.Start({Opened(Sub("10.0.0.1", port))}, now_);
  EXPECT_EQ(few.state().history.size(), 3u);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(few.Start({Opened(Sub("10.0.0.1", 10))}, now_).events.size(), 1u);  // cannot flap
  }
}

TEST_F(ConfirmationsTest, RoomIsBoundedAndCountsWhatIsThereOnce) {
  ConfirmationOptions o;
  o.max_active = 2;
  Confirmations few("web", o);
  few.Start({Opened(Sub("10.0.0.1", 1))}, now_);
  EXPECT_TRUE(few.HasRoomFor({Opened(Sub("10.0.0.1", 1)), Opened(Sub("10.0.0.1", 2))}));
  EXPECT_FALSE(few.HasRoomFor({Opened(Sub("10.0.0.1", 3)), Opened(Sub("10.0.0.1", 2))}));
}

TEST_F(ConfirmationsTest, DroppedCandidatesEndWithoutAWord) {
  all_.Start({Opened()}, now_);
  all_.Drop([](const ChangeKey& k) { return k.vantage == "out"; }, true);
  EXPECT_EQ(all_.state().pending.size(), 1u);
  all_.Drop([](const ChangeKey& k) { return k.vantage == "in"; }, false);
  EXPECT_TRUE(all_.state().pending.empty());
  EXPECT_EQ(Answer(1, kOpenSym), ConfirmationStep());
}

TEST_F(ConfirmationsTest, IdsDifferAndAreTheSameForTheSameInputs) {
  const auto run = [&](int64_t start) {
    Confirmations c("web", Options());
    ConfirmationStep all;
    for (int i = 0; i < 2; ++i) {
      all.Add(c.Start({i == 0 ? Opened() : Closed()}, At(start)));
      for (uint32_t n = 1; n <= 2; ++n) {
        all.Add(c.OnAnswer({kKey, n, {i == 0 ? kOpenSym : kClosedSym, {}, 0, At(start), "a"}},
                           At(start)));
      }
    }
    return all;
  };
  const ConfirmationStep a = run(10), b = run(10), c = run(11);
  EXPECT_EQ(a, b);
  ASSERT_EQ(a.events.size(), 2u);
  EXPECT_NE(a.events[0].id, a.events[1].id);
  EXPECT_NE(a.events[0].id, c.events[0].id);
}

TEST_F(ConfirmationsTest, RestoredInTheMiddleItGoesOnTheSame) {
  all_.Start({Opened()}, now_);
  Answer(1, kOpenSym);
  Confirmations other("web", Options());
  other.Restore(all_.state());
  EXPECT_EQ(other.Outstanding(), all_.Outstanding());
  const ConfirmationAnswer answer{kKey, 2, {kOpenSym, Ip("10.0.0.1"), 9, now_, "b"}};
  EXPECT_EQ(other.OnAnswer(answer, now_), all_.OnAnswer(answer, now_));
  EXPECT_EQ(other.state(), all_.state());
}

TEST(ConfirmationOptions, AreChecked) {
  const auto ok = [](auto change) {
    ConfirmationOptions o;
    change(o);
    return CheckConfirmationOptions(o).ok();
  };
  EXPECT_TRUE(ok([](auto&) {}));
  EXPECT_FALSE(ok([](auto& o) { o.needed = 4; }));
  EXPECT_FALSE(ok([](auto& o) { o.probes = 1000; }));
  EXPECT_FALSE(ok([](auto& o) { o.delay = seconds(-1); }));
  EXPECT_FALSE(ok([](auto& o) { o.flap_changes = 0; }));
  EXPECT_FALSE(ok([](auto& o) { o.max_active = 0; }));
}

}  // namespace
}  // namespace portolan
