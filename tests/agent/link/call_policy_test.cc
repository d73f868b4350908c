#include "agent/link/call_policy.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/status.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Time At(int ms) { return Time(seconds(1000) + milliseconds(ms)); }

TEST(CallPolicy, FirstCallIsAtOnce) {
  CallPolicy policy(1, 1);
  EXPECT_LE(policy.NextCallAt(At(0)), At(0));
}

TEST(CallPolicy, PausesGrowFromTensOfMillisecondsToFiveSeconds) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    CallPolicy policy(1, seed);
    Time now = At(0);
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(policy.OnFailure(Unavailable("away"), now).ok());
      const Duration pause = policy.NextCallAt(now) - now;
      const Duration whole = std::min<Duration>(seconds(5), milliseconds(100) * (1 << i));
      EXPECT_GE(pause, whole / 2);
      EXPECT_LE(pause, whole);
      now += pause;
      policy.OnCall(now);
    }
  }
}

TEST(CallPolicy, PausesDifferBetweenAgents) {
  std::set<Time> pauses;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CallPolicy policy(1, seed);
    ASSERT_TRUE(policy.OnFailure(Unavailable("away"), At(0)).ok());
    pauses.insert(policy.NextCallAt(At(0)));
  }
  EXPECT_GT(pauses.size(), 40u);
}

TEST(CallPolicy, TriesCoordinatorsInTurnAndKeepsOneThatAnswers) {
  CallPolicy policy(3, 1);
  std::vector<size_t> tried;
  for (int i = 0; i < 4; ++i) {
    tried.push_back(policy.coordinator());
    ASSERT_TRUE(policy.OnFailure(Unavailable("away"), At(i)).ok());
  }
  EXPECT_EQ(tried, (std::vector<size_t>{0, 1, 2, 0}));
  policy.OnAnswer(At(10));
  policy.OnAnswer(At(20));
  EXPECT_EQ(policy.coordinator(), 1u);
}

TEST(CallPolicy, AnswerEndsTheBackOff) {
  CallPolicy policy(1, 1);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(policy.OnFailure(Unavailable("away"), At(i)).ok());
  policy.OnAnswer(At(20));
  EXPECT_LE(policy.NextCallAt(At(20)), At(20));
  ASSERT_TRUE(policy.OnFailure(Unavailable("away"), At(30)).ok());
  EXPECT_LE(policy.NextCallAt(At(30)), At(130));
}

TEST(CallPolicy, SupersededAndInvalidAreFatalAtOnce) {
  EXPECT_FALSE(CallPolicy(1, 1).OnFailure(Aborted("newer"), At(0)).ok());
  EXPECT_FALSE(CallPolicy(1, 1).OnFailure(InvalidArgument("name"), At(0)).ok());
  const absl::Status in_use = CallPolicy(1, 1).OnFailure(AlreadyExists("name"), At(0));
  EXPECT_TRUE(absl::IsAlreadyExists(in_use)) << "has an exit code of its own";
}

TEST(CallPolicy, WaitsAsLongAsTheCoordinatorSays) {
  CallPolicy policy(1, 1);
  ASSERT_TRUE(policy.OnFailure(Unavailable("away"), At(0)).ok());
  policy.OnWait(std::chrono::milliseconds(700), At(10));
  EXPECT_EQ(policy.NextCallAt(At(10)), At(710));
  EXPECT_EQ(policy.failures(), 0);
}

TEST(CallPolicy, RefusalsAreFatalOnlyWhenRepeated) {
  CallPolicy policy(1, 1);
  EXPECT_TRUE(policy.OnFailure(PermissionDenied("no"), At(0)).ok());
  EXPECT_TRUE(policy.OnFailure(Unauthenticated("no"), At(0)).ok());
  EXPECT_TRUE(policy.OnFailure(Unavailable("away"), At(0)).ok());
  EXPECT_TRUE(policy.OnFailure(PermissionDenied("no"), At(0)).ok());
  EXPECT_TRUE(policy.OnFailure(PermissionDenied("no"), At(0)).ok());
  EXPECT_FALSE(policy.OnFailure(PermissionDenied("no"), At(0)).ok());
}

TEST(CallPolicy, SustainedCallsAreLimitedToTenASecond) {
  CallPolicy policy(1, 1);
  Time now = At(0);
  const Time end = now + seconds(10);
  int calls = 0;
  while (now < end) {
    now = std::max(now, policy.NextCallAt(now));
    policy.OnCall(now);
    policy.OnAnswer(now);
    ++calls;
    ASSERT_LT(calls, 1000);
  }
  EXPECT_LE(calls, 107);
  EXPECT_GE(calls, 95);
}

}  // namespace
}  // namespace portolan
