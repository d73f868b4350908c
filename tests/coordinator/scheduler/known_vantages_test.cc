#include "coordinator/scheduler/known_vantages.h"

#include <gmock/gmock.h>

#include "common/base/status.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

WallTime At(std::chrono::seconds s) { return FromUnixMicros(1'800'000'000'000'000) + s; }
constexpr std::chrono::hours kHour{1};

TEST(KnownVantages, AVantageIsStoredWhenItIsNewAndThenOnceAnHour) {
  KnownVantages v;
  EXPECT_TRUE(v.Note("dmz", At({})).store);
  EXPECT_FALSE(v.Note("dmz", At(std::chrono::minutes(59))).store);
  EXPECT_TRUE(v.Note("dmz", At(kHour)).store);
  EXPECT_FALSE(v.Note("dmz", At(kHour)).store);
  EXPECT_TRUE(v.Note("dmz", At({})).store) << "the clock was set back";
}

TEST(KnownVantages, WhatWasStoredIsKnownAfterARestart) {
  KnownVantages v;
  v.Restore({{"dmz", At({})}, {"office", At({})}});
  EXPECT_THAT(v.Names(), ElementsAre("dmz", "office"));
  EXPECT_FALSE(v.Note("dmz", At(std::chrono::seconds(1))).store);
}

TEST(KnownVantages, IsMissedForAMonthAndKnownForGood) {
  KnownVantages v;
  v.Note("dmz", At({}));
  EXPECT_THAT(v.Missed(At(std::chrono::days(30))), ElementsAre("dmz"));
  EXPECT_THAT(v.Missed(At(std::chrono::days(31))), IsEmpty());
  EXPECT_TRUE(v.Knows("dmz"));
}

// Agents choose the name of their vantage.
TEST(KnownVantages, AFloodOfNamesIsBoundedAndDoesNotPushOutThoseThatAreInUse) {
  KnownVantages v;
  v.Note("old", At({}));
  v.Note("dmz", At(kHour * 9));
  int stored = 0;
  std::string forgotten;
  for (size_t i = 0; i < 5 * KnownVantages::kMost; ++i) {
    const KnownVantages::Noted noted = v.Note("x" + std::to_string(i), At(kHour * 10));
    stored += noted.store;
    forgotten += noted.forget;
  }
  EXPECT_EQ(v.Names().size(), KnownVantages::kMost);
  EXPECT_EQ(forgotten, "old");
  EXPECT_EQ(stored, static_cast<int>(KnownVantages::kMost) - 1);
  EXPECT_TRUE(v.Knows("dmz"));
}

TEST(KnownVantages, AMisspeltNameIsRefusedWithTheNearestAndTheList) {
  KnownVantages v;
  v.Note("office", At({}));
  v.Note("dmz", At({}));
  EXPECT_TRUE(v.Check("spec.vantages", {"dmz", "office"}, "").ok());
  EXPECT_TRUE(v.Check("spec.vantages", {}, "").ok());
  const absl::Status s = v.Check("spec.vantages", {"dmz", "ofice"}, "give --wait-for-agents");
  EXPECT_EQ(s.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(s)), HasSubstr("spec.vantages \"ofice\""));
  EXPECT_THAT(std::string(Message(s)), HasSubstr("did you mean \"office\"?"));
  EXPECT_THAT(std::string(Message(s)), HasSubstr("known vantages: dmz, office"));
  EXPECT_THAT(std::string(Message(s)), HasSubstr("give --wait-for-agents"));
  EXPECT_THAT(std::string(Message(v.Check("v", {"elsewhere"}, ""))),
              Not(HasSubstr("did you mean")));
}

TEST(KnownVantages, ALongListIsCutAndAnEmptyOneIsSaidToBeEmpty) {
  KnownVantages v;
  EXPECT_THAT(std::string(Message(v.Check("v", {"office"}, ""))), HasSubstr("no agent has called"));
  for (int i = 0; i < 100; ++i) v.Note("site-" + std::to_string(i), At({}));
  const std::string text(Message(v.Check("v", {"office"}, "")));
  EXPECT_THAT(text, HasSubstr("and 80 more"));
  EXPECT_LT(text.size(), 1000u);
}

}  // namespace
}  // namespace portolan
