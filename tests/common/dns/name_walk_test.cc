#include "common/dns/name_walk.h"

#include <gtest/gtest.h>

#include "common/dns/lookup_work.h"

namespace portolan {
namespace {

using Kind = FamilyResult::Kind;

FamilyResult Of(Kind kind) {
  FamilyResult result;
  result.kind = kind;
  if (kind == Kind::kServerFailed) result.detail = "SERVFAIL from 198.18.0.53";
  if (kind == Kind::kNoAnswer) result.detail = "no answer from 198.18.0.53 within 5 s";
  return result;
}
FamilyResult Address(uint32_t v4) {
  FamilyResult result;
  result.kind = Kind::kAddresses;
  result.addresses = {IpAddress::V4(v4)};
  return result;
}

ResolverConfig Searching() {
  ResolverConfig config;
  config.search = {"a.test", "b.test"};
  return config;
}

// What both families' results mean for a name that is asked for as it is.
NameAnswer Verdict(FamilyResult a, FamilyResult aaaa) {
  NameWalk walk("www.test.", ResolverConfig());
  walk.Take(std::move(a), std::move(aaaa));
  EXPECT_TRUE(walk.done());
  return walk.TakeAnswer();
}

TEST(NameWalk, OneFamilyIsEnough) {
  for (const Kind other :
       {Kind::kNoAddress, Kind::kNoSuchName, Kind::kServerFailed, Kind::kNoAnswer}) {
    const NameAnswer answer = Verdict(Address(1), Of(other));
    EXPECT_EQ(answer.addresses.size(), 1u);
    EXPECT_FALSE(answer.problem.has_value());
  }
  EXPECT_EQ(Verdict(Address(1), Of(Kind::kNoAnswer)).detail,
            "its IPv6 addresses are not known: no answer from 198.18.0.53 within 5 s");
  EXPECT_EQ(Verdict(Of(Kind::kServerFailed), Address(1)).detail,
            "its IPv4 addresses are not known: SERVFAIL from 198.18.0.53");
}

TEST(NameWalk, TellsTheFourAnswersApart) {
  EXPECT_EQ(Verdict(Of(Kind::kNoSuchName), Of(Kind::kNoSuchName)).problem,
            LookupProblem::kNoSuchName);
  EXPECT_EQ(Verdict(Of(Kind::kNoSuchName), Of(Kind::kNoAnswer)).problem,
            LookupProblem::kNoSuchName);
  EXPECT_EQ(Verdict(Of(Kind::kNoAddress), Of(Kind::kNoAddress)).problem, LookupProblem::kNoAddress);
  // A server that answers NXDOMAIN for one type of a name that exists is wrong about it.
  EXPECT_EQ(Verdict(Of(Kind::kNoAddress), Of(Kind::kNoSuchName)).problem,
            LookupProblem::kNoAddress);
  // It exists; whether it has an IPv6 address nobody said.
  const NameAnswer half = Verdict(Of(Kind::kNoAddress), Of(Kind::kServerFailed));
  EXPECT_EQ(half.problem, LookupProblem::kCouldNotAsk);
  EXPECT_EQ(half.detail, "SERVFAIL from 198.18.0.53");
  EXPECT_EQ(Verdict(Of(Kind::kNoAnswer), Of(Kind::kNoAnswer)).problem, LookupProblem::kCouldNotAsk);
}

TEST(NameWalk, TheFirstNameWithAnAddressCounts) {
  NameWalk walk("db", Searching());
  EXPECT_EQ(walk.name(), "db.a.test");
  walk.Take(Of(Kind::kNoSuchName), Of(Kind::kNoSuchName));
  ASSERT_FALSE(walk.done());
  EXPECT_EQ(walk.name(), "db.b.test");
  walk.Take(Address(7), Of(Kind::kNoAddress));
  ASSERT_TRUE(walk.done());
  EXPECT_EQ(walk.TakeAnswer().addresses.at(0), IpAddress::V4(7));
}

TEST(NameWalk, SaysWhatItAskedFor) {
  NameWalk walk("db", Searching());
  for (int i = 0; i < 3; ++i) walk.Take(Of(Kind::kNoSuchName), Of(Kind::kNoSuchName));
  const NameAnswer answer = walk.TakeAnswer();
  EXPECT_EQ(answer.problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(answer.detail, "asked for db.a.test, db.b.test, db");
}

TEST(NameWalk, AFailureInOneDomainLeavesItOpen) {
  NameWalk walk("db", Searching());
  walk.Take(Of(Kind::kServerFailed), Of(Kind::kServerFailed));
  walk.Take(Of(Kind::kNoAddress), Of(Kind::kNoAddress));
  walk.Take(Of(Kind::kNoSuchName), Of(Kind::kNoSuchName));
  ASSERT_TRUE(walk.done());
  EXPECT_EQ(walk.TakeAnswer().problem, LookupProblem::kCouldNotAsk);
}

TEST(NameWalk, SilenceEndsTheSearch) {
  NameWalk walk("db", Searching());
  walk.Take(Of(Kind::kNoAnswer), Of(Kind::kNoAnswer));
  ASSERT_TRUE(walk.done());
  EXPECT_EQ(walk.TakeAnswer().problem, LookupProblem::kCouldNotAsk);
}

TEST(NameWalk, ANameThatCannotBeAskedForIsNotLookedForElsewhere) {
  NameWalk walk("www.corp", Searching());
  EXPECT_EQ(walk.name(), "www.corp");
  walk.Take(Of(Kind::kServerFailed), Of(Kind::kServerFailed));
  ASSERT_TRUE(walk.done());
  EXPECT_EQ(walk.TakeAnswer().problem, LookupProblem::kCouldNotAsk);
}

TEST(NameWalk, TheVerdictOfTheNameItselfStands) {
  NameWalk walk("www.corp", Searching());
  walk.Take(Of(Kind::kNoSuchName), Of(Kind::kNoSuchName));
  walk.Take(Of(Kind::kServerFailed), Of(Kind::kServerFailed));
  walk.Take(Of(Kind::kNoAddress), Of(Kind::kNoAddress));
  ASSERT_TRUE(walk.done());
  EXPECT_EQ(walk.TakeAnswer().problem, LookupProblem::kNoSuchName);
}

TEST(MayTakeSlot, LeavesRoomForTheNextOne) {
  constexpr size_t kLimit = 768;
  for (size_t holders = 1; holders <= 20; ++holders) {
    std::vector<size_t> held(holders, 0);
    size_t total = 0;
    for (bool any = true; any;) {
      any = false;
      for (size_t& mine : held) {
        if (!MayTakeSlot(mine, total, kLimit)) continue;
        ++mine;
        ++total;
        any = true;
      }
    }
    // Whoever comes next finds its share free, without waiting for anything to end.
    EXPECT_GE(kLimit - total, kLimit / (2 * holders + 1) - 1) << holders;
    EXPECT_LE(held.front() - held.back(), 1u);
    EXPECT_TRUE(MayTakeSlot(0, total, kLimit));
  }
  EXPECT_FALSE(MayTakeSlot(0, kLimit, kLimit));
  EXPECT_TRUE(MayTakeSlot(0, 0, 1));
}

}  // namespace
}  // namespace portolan
