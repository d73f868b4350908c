#include "agent/engine/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace portolan {
namespace {

using std::chrono::milliseconds;

constexpr Time kStart = Time(std::chrono::seconds(1000));

TEST(TimerWheel, HasNoNextWhenEmpty) {
  TimerWheel wheel(4, kStart);
  EXPECT_EQ(wheel.Next(), kNever);
  std::vector<uint32_t> due;
  wheel.Expire(kStart + std::chrono::hours(1000), due);
  EXPECT_TRUE(due.empty());
}

TEST(TimerWheel, NeverFiresEarlyAndAtMostOneTickLate) {
  TimerWheel wheel(1, kStart);
  const Time at = kStart + milliseconds(5) + Duration(1);
  wheel.Add(0, at);
  std::vector<uint32_t> due;
  wheel.Expire(at - Duration(1), due);
  EXPECT_TRUE(due.empty());
  wheel.Expire(kStart + milliseconds(6), due);
  EXPECT_EQ(due, std::vector<uint32_t>{0});
}

TEST(TimerWheel, TimerInThePastFiresWithTheNextTick) {
  TimerWheel wheel(1, kStart);
  std::vector<uint32_t> due;
  wheel.Expire(kStart + milliseconds(100), due);
  wheel.Add(0, kStart + milliseconds(50));
  EXPECT_EQ(wheel.Next(), kStart + milliseconds(101));
  wheel.Expire(kStart + milliseconds(101), due);
  EXPECT_EQ(due.size(), 1u);
}

TEST(TimerWheel, PauseLongerThanARoundExpiresAll) {
  TimerWheel wheel(3, kStart);
  wheel.Add(0, kStart + milliseconds(10));
  wheel.Add(1, kStart + milliseconds(5000));
  wheel.Add(2, kStart + milliseconds(60'000));
  std::vector<uint32_t> due;
  wheel.Expire(kStart + milliseconds(30'000), due);
  std::sort(due.begin(), due.end());
  EXPECT_EQ(due, (std::vector<uint32_t>{0, 1}));
  due.clear();
  wheel.Expire(kStart + milliseconds(60'000), due);
  EXPECT_EQ(due, std::vector<uint32_t>{2});
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST(TimerWheel, AgreesWithASortedMapOverRandomUse) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    constexpr uint32_t kSlots = 64;
    TimerWheel wheel(kSlots, kStart);
    std::map<uint32_t, Time> model;
    Time now = kStart;
    for (int step = 0; step < 5000; ++step) {
      const uint32_t slot = random() % kSlots;
      switch (random() % 4) {
        case 0:
        case 1:
          if (!model.contains(slot)) {
            // Mostly near, sometimes several rounds of the wheel away.
            const Duration in(random() % (random() % 4 == 0 ? 60'000'000'000 : 2'000'000'000));
            wheel.Add(slot, now + in);
            model[slot] = now + in;
          }
          break;
        case 2:
          wheel.Remove(slot);
          model.erase(slot);
          break;
        default: {
          now += Duration(random() % (random() % 50 == 0 ? 20'000'000'000 : 20'000'000));
          std::vector<uint32_t> due;
          wheel.Expire(now, due);
          for (uint32_t d : due) {
            ASSERT_TRUE(model.contains(d));
            ASSERT_LE(model[d], now);
            model.erase(d);
          }
          for (const auto& [s, at] : model) ASSERT_GT(at + milliseconds(1), now) << s;
        }
      }
      ASSERT_EQ(wheel.armed(), model.size());
      if (model.empty()) {
        ASSERT_EQ(wheel.Next(), kNever);
      } else {
        Time earliest = kNever;
        for (const auto& [s, at] : model) earliest = std::min(earliest, at);
        ASSERT_LE(wheel.Next(), std::max(earliest, now) + milliseconds(2));
        ASSERT_GT(wheel.Next() + milliseconds(1), now);
      }
    }
  }
}

}  // namespace
}  // namespace portolan
