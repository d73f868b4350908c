#include "tests/simnet/tables.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tests/simnet/limits.h"
#include "tests/simnet/reply_queue.h"

namespace portolan::simnet {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(FingerprintSet, BehavesLikeAMap) {
  FingerprintSet set(6000);
  std::map<uint64_t, uint16_t> model;
  for (uint64_t i = 1; i <= 200'000; ++i) {
    const uint64_t key = Mix(i) % 8000, value = Mix(i, 1) & 0xffff;
    if (Mix(i, 2) % 3 == 0) {
      ASSERT_EQ(set.Erase(key), model.erase(key) == 1);
    } else {
      const auto got = set.Insert(key, static_cast<uint16_t>(value));
      const auto found = model.find(key);
      if (found != model.end()) {
        ASSERT_TRUE(got.result == FingerprintSet::Result::kKnown);
        ASSERT_EQ(got.previous, found->second);
      } else {
        ASSERT_TRUE(got.result == (model.size() >= 6000 ? FingerprintSet::Result::kFull
                                                        : FingerprintSet::Result::kNew));
        if (model.size() >= 6000) continue;
      }
      model[key] = static_cast<uint16_t>(value);
    }
    ASSERT_EQ(set.size(), model.size());
  }
}

TEST(AddressTable, KeepsIndexesAndItsBound) {
  struct Entry {
    Address address = 0;
  };
  AddressTable<Entry> table(5000);
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < 6000; ++i) {
      const Address a = i % 2 == 0 ? kMappedPrefix | i : static_cast<Address>(i) << 64;
      EXPECT_EQ(table.IndexOf(a), i < 5000 ? i : AddressTable<Entry>::kNone);
    }
  }
  EXPECT_EQ(table.entries().size(), 5000u);
}

TEST(WindowMax, IsTheMostInAnyWindow) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    WindowMax<10> window;
    std::vector<uint64_t> times;
    uint64_t now = seed, expected = 0;
    for (uint64_t i = 0; i < 2000; ++i) {
      if (Mix(seed, i) % 4 == 0) now += Mix(seed, ~i) % (i % 50 == 0 ? 100 : 3);
      window.Add(now);
      times.push_back(now);
      uint64_t inside = 0;
      for (uint64_t t : times) inside += t + 10 > now;
      expected = std::max(expected, inside);
      ASSERT_EQ(window.max(), expected);
    }
  }
}

TEST(Bucket, PassesTheRateAndTheBurstAndNeverMore) {
  for (const double rate : {1.0, 7.0, 200.0, 20'000.0}) {
    const double burst = rate / 10;
    Bucket bucket;
    uint64_t passed = 0;
    const Time start{seconds(5)};
    for (int i = 0; i < 100'000; ++i) {
      const Time now = start + microseconds(100) * i;
      for (int j = 0; j < 4; ++j) passed += bucket.Take(now, rate, burst);
      const double most = std::max(burst, 1.0) + rate * ToSeconds(now - start);
      ASSERT_LE(static_cast<double>(passed), most + 1e-6);
    }
    EXPECT_GE(static_cast<double>(passed), rate * 10 * 0.99 - 1) << rate;
  }
  Bucket none;
  EXPECT_TRUE(none.Take(Time{}, 0, 0));
}

TEST(BurstLoss, IsBadItsShareOfTheTimeHoweverOftenAsked) {
  const Time start{seconds(1)};
  BurstLoss often(3, 0.1, 20, start), seldom(3, 0.1, 20, start), never(3, 0, 20, start);
  int bad = 0;
  constexpr int kMillis = 2'000'000;
  for (int i = 0; i < kMillis; ++i) {
    const Time now = start + milliseconds(i);
    const bool state = often.Bad(now);
    bad += state;
    EXPECT_FALSE(never.Bad(now));
    if (i % 97 == 0) {
      ASSERT_EQ(seldom.Bad(now), state);
    }
  }
  EXPECT_NEAR(static_cast<double>(bad) / kMillis, 0.1, 0.01);
}

TEST(ReplyQueue, GivesEachReplyOnceNeverEarlyAndAtMostATickLate) {
  const Time start{seconds(7)};
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    ReplyQueue queue(3000, start);
    std::multimap<Time, uint32_t> model;
    std::map<uint32_t, Time> due;
    Time now = start;
    uint32_t number = 0;
    const auto add = [&](Duration delay) {
      Reply r{};
      r.seq = ++number;
      const bool added = queue.Add(now + delay, r);
      ASSERT_EQ(added, due.size() < 3000);
      if (added) due[number] = now + delay;
    };
    for (uint64_t i = 0; i < 6000; ++i) {
      const uint64_t h = Mix(seed, i);
      // Mostly small steps and delays; some longer than a round of the wheel.
      now += Duration(static_cast<int64_t>(h % (h % 500 == 0 ? 3'000'000'000 : 300'000)));
      if (h % 3 != 0)
        add(Duration(static_cast<int64_t>(Mix(h) % (h % 7 == 0 ? 2'500'000'000 : 40'000'000))));
      const Time next = queue.Next();
      queue.Run(now, [&](const Reply& r) {
        const auto found = due.find(r.seq);
        ASSERT_TRUE(found != due.end());
        EXPECT_LE(found->second, now);
        EXPECT_LE(next, now);
        due.erase(found);
        if (r.seq % 5 == 0) add(Duration::zero());  // for the next time
      });
      ASSERT_EQ(queue.size(), due.size());
      for (const auto& [n, when] : due) ASSERT_GT(when + microseconds(132), now);
      if (due.empty()) {
        EXPECT_EQ(queue.Next(), kNever);
        continue;
      }
      // Not later than the first one, but for the tick.
      Time first = kNever;
      for (const auto& [n, when] : due) first = std::min(first, when);
      ASSERT_LE(queue.Next(), std::max(first, now) + microseconds(2 * 132));
    }
  }
}

TEST(ReplyQueue, KeepsTheOrderOfWhatIsDueTogether) {
  ReplyQueue queue(100, Time{});
  for (uint32_t i = 0; i < 50; ++i) {
    Reply r{};
    r.seq = i;
    ASSERT_TRUE(queue.Add(Time{milliseconds(5)}, r));
  }
  uint32_t expected = 0;
  queue.Run(Time{milliseconds(4)}, [](const Reply&) { FAIL(); });
  queue.Run(Time{milliseconds(6)}, [&](const Reply& r) { EXPECT_EQ(r.seq, expected++); });
  EXPECT_EQ(expected, 50u);
}

}  // namespace
}  // namespace portolan::simnet
