#include "agent/pacing/table_guard.h"

#include <gtest/gtest.h>

#include <deque>

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr Time kStart = Time(seconds(1000));

TEST(TableGuard, HoldsNothingBackBeforeSomethingWasDropped) {
  TableGuard guard;
  EXPECT_TRUE(guard.MayStart(kStart));
  guard.Observe({1000, 1000, 77}, kStart);  // full, but older entries give way; 77 of old
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(guard.MayStart(kStart + milliseconds(i)));
    guard.OnStart();
  }
  EXPECT_FALSE(guard.MayHaveDropped(kStart));
}

TEST(TableGuard, TellsWhatWasStartedWhileThingsWereDropped) {
  TableGuard guard;
  for (int i = 0; i < 10; ++i)
    guard.Observe({100, 1000, i < 4 ? 5u : i < 6 ? 6u + i : 11u}, kStart + i * TableGuard::kLook);
  // The count rose between the looks 3 and 5.
  EXPECT_FALSE(guard.MayHaveDropped(kStart + 3 * TableGuard::kLook - Duration(1)));
  EXPECT_TRUE(guard.MayHaveDropped(kStart + 3 * TableGuard::kLook));
  EXPECT_TRUE(guard.MayHaveDropped(kStart + 4 * TableGuard::kLook));
  EXPECT_TRUE(guard.MayHaveDropped(kStart + 5 * TableGuard::kLook - Duration(1)));
  EXPECT_FALSE(guard.MayHaveDropped(kStart + 5 * TableGuard::kLook));
}

// A table whose entries stay 10 s: after the first drops it is never full again, whatever is asked,
// and what room there is gets used.
TEST(TableGuard, LearnsFromTheFirstDropAndUsesTheRoomThereIs) {
  constexpr size_t kMax = 400;
  TableGuard guard;
  std::deque<Time> entries;
  uint64_t dropped = 0, dropped_first = 0, started = 0;
  for (Time now = kStart; now < kStart + seconds(100); now += milliseconds(1)) {
    while (!entries.empty() && entries.front() + seconds(10) <= now) entries.pop_front();
    if ((now - kStart) % TableGuard::kLook == Duration::zero()) {
      guard.Observe({entries.size(), kMax, dropped}, now);
      if (now == kStart + seconds(1)) dropped_first = dropped;
    }
    if (!guard.MayStart(now)) continue;
    guard.OnStart();
    if (entries.size() < kMax) {
      entries.push_back(now);
      ++started;
    } else {
      ++dropped;
    }
  }
  EXPECT_GT(dropped_first, 0u);
  EXPECT_LE(dropped, dropped_first + 10);  // one a second while the first ones fill it
  EXPECT_GE(started, 3'500u);              // 360 each 10 s
}

TEST(TableGuard, KeepsRoomForWhatIsReserved) {
  TableGuard guard;
  guard.Observe({0, 100, 0}, kStart);
  EXPECT_TRUE(guard.MayStart(kStart, 1000));  // nothing was dropped yet
  guard.Observe({80, 100, 1}, kStart + TableGuard::kLook);
  EXPECT_TRUE(guard.MayStart(kStart + TableGuard::kLook, 9));
  EXPECT_FALSE(guard.MayStart(kStart + TableGuard::kLook, 10));
}

TEST(TableGuard, ATableThatOthersFillLetsOneThroughNowAndThen) {
  TableGuard guard;
  int started = 0;
  for (int i = 0; i < 200; ++i) {
    const Time now = kStart + i * TableGuard::kLook;
    guard.Observe({1000, 1000, static_cast<uint64_t>(i)}, now);
    if (i < 2 || !guard.MayStart(now)) continue;
    guard.OnStart();
    ++started;
  }
  EXPECT_GE(started, 8);
  EXPECT_LE(started, 11);  // in 10 s
}

}  // namespace
}  // namespace portolan
