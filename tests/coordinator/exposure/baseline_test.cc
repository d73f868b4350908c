#include "coordinator/exposure/baseline.h"

#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

constexpr size_t kMany = 1000;
const Subject kSsh = Sub("10.0.0.1", 22), kWeb = Sub("10.0.0.1", 80),
              kName = Sub("www.example", 80);

class BaselineTest : public testing::Test {
 protected:
  VantageFold Fold(bool complete = true) { return Fold(maker_.Make(complete)); }
  VantageFold Fold(VantageRun run, size_t max = kMany) {
    maker_.when = At(++now_ * 100);
    for (OpenSighting& s : run.open) s.when = maker_.when;
    return FoldRun(std::move(run), base_, max, maker_.when);
  }
  std::vector<Subject> Open() const {
    std::vector<Subject> open;
    for (const auto& [s, r] : base_.open) open.push_back(s);
    return open;
  }
  using Subjects = std::vector<Subject>;

  RunMaker maker_;
  VantageBaseline base_;
  int64_t now_ = 0;
};

TEST_F(BaselineTest, TheFirstCompleteRunIsTheBaselineAndNoChange) {
  maker_.states = {{kSsh, kOpenSym}, {kName, kOpenSym}};
  const VantageFold fold = Fold();
  EXPECT_TRUE(fold.candidates.empty());
  EXPECT_EQ(fold.added, (Subjects{kSsh, kName}));
  EXPECT_EQ(Open(), (Subjects{kSsh, kName}));
  EXPECT_TRUE(base_.established);
  EXPECT_EQ(base_.open.at(kSsh).since, At(100));
  EXPECT_EQ(base_.open.at(kSsh).runs, 1u);
  Fold();
  EXPECT_EQ(base_.open.at(kSsh).since, At(100));
  EXPECT_EQ(base_.open.at(kSsh).last_seen, At(200));
  EXPECT_EQ(base_.open.at(kSsh).runs, 2u);
}

TEST_F(BaselineTest, BeforeACompleteRunNothingIsAChange) {
  maker_.states = {{kSsh, kOpenSym}};
  EXPECT_TRUE(Fold(false).candidates.empty());
  EXPECT_FALSE(base_.established);
  EXPECT_EQ(Open(), Subjects{kSsh});  // expectations apply at once
  maker_.states = {{kWeb, kOpenSym}};
  const VantageFold fold = Fold();
  EXPECT_TRUE(fold.candidates.empty());
  EXPECT_EQ(fold.removed, Subjects{kSsh});
  EXPECT_EQ(Open(), Subjects{kWeb});
}

TEST_F(BaselineTest, DifferencesAreCandidatesAndDoNotMoveTheBaseline) {
  maker_.states = {{kSsh, kOpenSym}, {kName, kOpenSym}};
  Fold();
  maker_.states = {{kSsh, kSilentSym}, {kWeb, kOpenSym}, {kName, kResetSym}};
  const VantageFold fold = Fold();
  ASSERT_EQ(fold.candidates.size(), 3u);
  EXPECT_EQ(fold.candidates[0].subject, kSsh);
  EXPECT_EQ(fold.candidates[0].kind, ChangeKind::kFiltered);
  EXPECT_EQ(fold.candidates[0].from, kOpenSym);
  EXPECT_EQ(fold.candidates[0].to, kSilentSym);
  EXPECT_EQ(fold.candidates[1].subject, kWeb);
  EXPECT_EQ(fold.candidates[1].kind, ChangeKind::kOpened);
  EXPECT_EQ(fold.candidates[1].agent, "agent-1");
  EXPECT_EQ(fold.candidates[2].kind, ChangeKind::kReasonChanged);
  EXPECT_EQ(Open(), (Subjects{kSsh, kName}));
  EXPECT_EQ(base_.open.at(kSsh).runs, 0u);
  EXPECT_EQ(Fold().candidates.size(), 3u);  // as long as it differs
  maker_.states = {{kSsh, kClosedSym}, {kName, kOpenSym}};
  EXPECT_EQ(Fold().candidates[0].kind, ChangeKind::kClosed);
  maker_.states = {{kSsh, kNoRouteSym}, {kName, kOpenSym}};
  EXPECT_EQ(Fold().candidates[0].kind, ChangeKind::kUnreachable);
}

TEST_F(BaselineTest, IncompleteRunsCloseNothingAndTheirOpeningsAreCandidates) {
  maker_.states = {{kSsh, kOpenSym}};
  Fold();
  maker_.states = {{kWeb, kOpenSym}};
  maker_.covered = Cover("10.0.0.0/25", "80,9999");
  maker_.states[Sub("10.0.0.1", 9999)] = kOpenSym;
  VantageRun run = maker_.Make(false);
  run.lookup = nullptr;
  const VantageFold fold = Fold(run);
  ASSERT_EQ(fold.candidates.size(), 1u);
  EXPECT_EQ(fold.candidates[0].subject, kWeb);
  // 22 is out of its space and stays; 9999 is new space.
  EXPECT_EQ(Open(), (Subjects{kSsh, Sub("10.0.0.1", 9999)}));
  EXPECT_TRUE(base_.covered.Contains(kSsh));
  EXPECT_FALSE(base_.covered.Contains(Sub("10.0.0.1", 9999)));
}

TEST_F(BaselineTest, WithoutAnOutcomeNothingIsClosed) {
  maker_.states = {{kSsh, kOpenSym}};
  Fold();
  maker_.states = {{kSsh, kOwedSym}};
  const VantageFold fold = Fold();
  EXPECT_TRUE(fold.candidates.empty());
  EXPECT_EQ(fold.without_outcome, 1u);
  EXPECT_EQ(Open(), Subjects{kSsh});
}

TEST_F(BaselineTest, NewSpaceIsBaselineSilentlyAndLeftSpaceIsDroppedSilently) {
  maker_.covered = Cover("10.0.0.0/24", "22");
  maker_.states = {{kSsh, kOpenSym}};
  Fold();
  maker_.covered = Cover("10.0.0.0/24", "80");
  maker_.states = {{kWeb, kOpenSym}};
  const VantageFold fold = Fold();
  EXPECT_TRUE(fold.candidates.empty());
  EXPECT_EQ(fold.added, Subjects{kWeb});
  EXPECT_EQ(fold.removed, Subjects{kSsh});
  EXPECT_EQ(Open(), Subjects{kWeb});
  // And when it comes back it is new again.
  maker_.covered = Cover("10.0.0.0/24", "22,80");
  maker_.states = {{kSsh, kOpenSym}, {kWeb, kOpenSym}};
  EXPECT_TRUE(Fold().candidates.empty());
}

TEST_F(BaselineTest, SightingsOutsideOfTheRunsSpaceAreIgnored) {
  maker_.states = {{Sub("192.0.2.1", 22), kOpenSym}};
  Fold();
  EXPECT_TRUE(base_.open.empty());
}

TEST_F(BaselineTest, ANameWithoutAnAddressKeepsItsPortsAndIsRemembered) {
  maker_.states = {{kName, kOpenSym}};
  Fold();
  maker_.states.clear();
  VantageRun run = maker_.Make();
  run.unresolved = {"www.example"};
  EXPECT_TRUE(Fold(run).candidates.empty());
  EXPECT_EQ(Open(), Subjects{kName});
  EXPECT_EQ(base_.unresolved.at("www.example"), At(200));
  EXPECT_TRUE(Fold(run).candidates.empty());
  EXPECT_EQ(base_.unresolved.at("www.example"), At(200));
  maker_.states = {{kName, kOpenSym}, {Sub("www.example", 81), kOpenSym}};
  const VantageFold back = Fold();
  ASSERT_EQ(back.candidates.size(), 1u);  // 81 was looked at before the name was lost
  EXPECT_EQ(back.candidates[0].subject.port, 81);
  EXPECT_TRUE(base_.unresolved.empty());
}

TEST_F(BaselineTest, ANameThatNeverHadAnAddressIsNewSpaceWhenItGetsOne) {
  VantageRun run = maker_.Make();
  run.unresolved = {"www.example"};
  Fold(run);
  maker_.states = {{kName, kOpenSym}};
  const VantageFold fold = Fold();
  EXPECT_TRUE(fold.candidates.empty());
  EXPECT_EQ(fold.added, Subjects{kName});
}

TEST_F(BaselineTest, AnotherAddressBehindANameIsEvidenceAndNoChange) {
  maker_.states = {{kName, kOpenSym}};
  Fold();
  maker_.addresses[kName] = Ip("10.7.7.7");
  EXPECT_TRUE(Fold().candidates.empty());
  EXPECT_EQ(base_.open.at(kName).address, Ip("10.7.7.7"));
  EXPECT_EQ(base_.open.at(kName).runs, 2u);
  // With several, the former one stays.
  VantageRun run = maker_.Make();
  run.open.push_back(run.open[0]);
  run.open[1].address = Ip("10.1.1.1");
  EXPECT_TRUE(Fold(run).candidates.empty());
  EXPECT_EQ(base_.open.at(kName).address, Ip("10.7.7.7"));
}

TEST_F(BaselineTest, AHostThatAnswersEverywhereIsOneEntryAndNoOpenings) {
  maker_.states = {{kSsh, kOpenSym}};
  Fold();
  for (uint16_t port = 1; port <= 1024; ++port) maker_.states[Sub("10.0.0.1", port)] = kResetSym;
  VantageRun run = maker_.Make();
  run.folded[kSsh.target] = HostAnswers::kSynProxy;
  EXPECT_TRUE(Fold(run).candidates.empty());
  EXPECT_EQ(Open(), Subjects{kSsh});
  EXPECT_EQ(base_.folded.size(), 1u);
  EXPECT_EQ(base_.folded.at(kSsh.target).since, At(200));
  // Known before: what is left differs from what was.
  maker_.states = {{kWeb, kOpenSym}};
  const VantageFold fold = Fold();
  EXPECT_TRUE(base_.folded.empty());
  ASSERT_EQ(fold.candidates.size(), 2u);
  EXPECT_EQ(fold.candidates[0].kind, ChangeKind::kClosed);
  EXPECT_EQ(fold.candidates[1].kind, ChangeKind::kOpened);
}

TEST_F(BaselineTest, AHostThatAlwaysAnsweredEverywhereHasItsFirstBaselineWhenItStops) {
  maker_.states = {{kSsh, kOpenSym}, {kWeb, kOpenSym}};
  VantageRun run = maker_.Make();
  run.folded[kSsh.target] = HostAnswers::kAnswersEverywhere;
  Fold(run);
  EXPECT_TRUE(base_.open.empty());
  const VantageFold fold = Fold();
  EXPECT_TRUE(fold.candidates.empty());
  EXPECT_EQ(Open(), (Subjects{kSsh, kWeb}));
}

TEST_F(BaselineTest, TooManyChangesAreCountedOnly) {
  Fold();
  for (uint16_t port = 1; port <= 1024; ++port) maker_.states[Sub("10.0.0.1", port)] = kOpenSym;
  const VantageFold fold = Fold(maker_.Make(), 1023);
  EXPECT_TRUE(fold.candidates.empty());
  ASSERT_TRUE(fold.mass.has_value());
  EXPECT_EQ(fold.mass->total(), 1024u);
  EXPECT_EQ(fold.mass->count[0], 1024u);
  EXPECT_EQ(fold.mass->examples.size(), MassChange::kMaxExamples);
  EXPECT_EQ(base_.mass->since, At(200));
  EXPECT_TRUE(base_.open.empty());
  Fold(maker_.Make(), 1023);
  EXPECT_EQ(base_.mass->since, At(200));
  EXPECT_EQ(Fold(maker_.Make(), 1024).candidates.size(), 1024u);
  EXPECT_FALSE(base_.mass.has_value());
}

TEST_F(BaselineTest, AnAcceptedRunIsTheBaseline) {
  maker_.states = {{kSsh, kOpenSym}};
  Fold();
  maker_.states = {{kWeb, kOpenSym}};
  base_.accept_next = true;
  EXPECT_EQ(Fold(false).candidates.size(), 1u);  // half a run is not accepted
  EXPECT_TRUE(Fold().candidates.empty());
  EXPECT_EQ(Open(), Subjects{kWeb});
  EXPECT_FALSE(base_.accept_next);
}

TEST_F(BaselineTest, AConfirmedChangeMovesIt) {
  Fold();
  ApplyChange(kWeb, {kOpenSym, Ip("10.0.0.1"), 7, At(150), "a"}, At(120), base_);
  EXPECT_EQ(base_.open.at(kWeb).since, At(120));
  EXPECT_EQ(base_.open.at(kWeb).last_seen, At(150));
  ApplyChange(kWeb, {kResetSym, Ip("10.0.0.1"), 7, At(160), "a"}, At(155), base_);
  EXPECT_EQ(base_.open.at(kWeb).since, At(120));
  EXPECT_EQ(base_.open.at(kWeb).reason, Reason::kResetAfterAccept);
  ApplyChange(kWeb, {kSilentSym, Ip("10.0.0.1"), 7, At(170), "a"}, At(165), base_);
  EXPECT_TRUE(base_.open.empty());
  EXPECT_EQ(base_.not_open.at(kWeb).symbol, kSilentSym);
}

}  // namespace
}  // namespace portolan
