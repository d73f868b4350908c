#include "agent/pacing/resends.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr Time kStart = Time(seconds(100));

TEST(Resends, AnAttemptThatWaitsASecondOrLessIsNeverTold) {
  Resends resends;
  resends.OnStart(1, kStart, milliseconds(1000));
  resends.RunDue(kStart + seconds(100), [](uint64_t) { return ADD_FAILURE(), true; });
}

TEST(Resends, NothingIsToldOfAnAttemptThatIsOver) {
  Resends resends;
  resends.OnStart(1, kStart, seconds(60));
  int told = 0;
  for (int i = 0; i <= 70'000; i += 7)
    resends.RunDue(kStart + milliseconds(i), [&](uint64_t) { return ++told < 3; });
  EXPECT_EQ(told, 3);  // the third time it was over
}

// Held against the schedule: each SYN of every attempt is told once, 10 ms before it is sent.
TEST(Resends, TellsEachOnceAndInTime) {
  std::mt19937_64 random(7);
  Resends resends;
  struct Attempt {
    Time started;
    Duration timeout;
    uint32_t told = 0;
  };
  std::vector<Attempt> attempts;
  Time now = kStart;
  for (int i = 0; i < 20'000; ++i) {
    now += milliseconds(random() % 10);
    resends.RunDue(now, [&](uint64_t name) {
      Attempt& a = attempts[name];
      const Time due = a.started + KernelResendsAfter(a.told++);
      EXPECT_LT(now, due);
      EXPECT_GE(now, due - milliseconds(20));
      EXPECT_LT(due, a.started + a.timeout);
      return true;
    });
    if (i < 10'000) {
      attempts.push_back({now, milliseconds(random() % 20'000)});
      resends.OnStart(attempts.size() - 1, now, attempts.back().timeout);
    }
  }
  for (const Attempt& a : attempts) ASSERT_EQ(a.told, KernelRetransmits(a.timeout));
}

}  // namespace
}  // namespace portolan
