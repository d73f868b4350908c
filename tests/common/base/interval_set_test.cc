#include "common/base/interval_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace portolan {
namespace {

constexpr uint64_t kHuge = (uint64_t{1} << 62) - 100;  // positions around the largest scan space
constexpr uint64_t kUniverse = 200;

// The same set, one position at a time.
struct Model {
  std::set<uint64_t> positions;
  void Add(IndexRange r) {
    for (uint64_t i = r.begin; i < r.end; ++i) positions.insert(i);
  }
  void Remove(IndexRange r) {
    for (uint64_t i = r.begin; i < r.end; ++i) positions.erase(i);
  }
};

IntervalSet FromModel(const Model& m) {
  IntervalSet out;
  for (uint64_t i : m.positions) out.Add({i, i + 1});
  return out;
}

void ExpectSame(const IntervalSet& set, const Model& model, uint64_t base) {
  ASSERT_EQ(set.size(), model.positions.size());
  ASSERT_EQ(set.empty(), model.positions.empty());
  uint64_t previous_end = 0;
  bool first = true;
  uint64_t total = 0;
  for (const IndexRange& r : set.ToVector()) {
    ASSERT_LT(r.begin, r.end);
    if (!first) {
      ASSERT_GT(r.begin, previous_end) << "adjacent or overlapping intervals";
    }
    first = false;
    previous_end = r.end;
    total += r.size();
  }
  ASSERT_EQ(total, set.size());
  ASSERT_EQ(set.range_count(), set.ToVector().size());
  for (uint64_t i = base; i < base + kUniverse; ++i)
    ASSERT_EQ(set.Contains(i), model.positions.count(i) == 1) << i - base;
  ASSERT_EQ(set, FromModel(model));
}

class IntervalSetProperty : public testing::TestWithParam<uint64_t> {
 protected:
  IndexRange RandomRange() {
    const uint64_t begin = GetParam() + random_() % kUniverse;
    // often empty, often adjacent
    const uint64_t end = std::min(begin + random_() % 12, GetParam() + kUniverse);
    return {begin, std::max(begin, end)};
  }
  // A set and its model, alike.
  std::pair<IntervalSet, Model> RandomSet() {
    std::pair<IntervalSet, Model> out;
    for (int i = random_() % 20; i > 0; --i) {
      const IndexRange r = RandomRange();
      out.first.Add(r);
      out.second.Add(r);
    }
    return out;
  }
  std::mt19937_64 random_{GetParam() + 1};
};
INSTANTIATE_TEST_SUITE_P(Bases, IntervalSetProperty,
                         testing::Values(uint64_t{0}, kHuge, UINT64_MAX - kUniverse));

TEST_P(IntervalSetProperty, AddAndRemoveAreThoseOfASet) {
  for (int round = 0; round < 60; ++round) {
    IntervalSet set;
    Model model;
    for (int step = 0; step < 60; ++step) {
      const IndexRange r = RandomRange();
      if (random_() % 5 < 3) {
        set.Add(r);
        model.Add(r);
      } else {
        set.Remove(r);
        model.Remove(r);
      }
      ASSERT_NO_FATAL_FAILURE(ExpectSame(set, model, GetParam()));
    }
    set.Clear();
    ASSERT_NO_FATAL_FAILURE(ExpectSame(set, Model{}, GetParam()));
  }
}

TEST_P(IntervalSetProperty, AlgebraOfTwoSetsIsThatOfSets) {
  for (int round = 0; round < 400; ++round) {
    const auto [a, ma] = RandomSet();
    const auto [b, mb] = RandomSet();
    Model both, either = ma, minus = ma;
    for (uint64_t i : ma.positions) {
      if (mb.positions.count(i)) both.positions.insert(i);
    }
    either.positions.insert(mb.positions.begin(), mb.positions.end());
    for (uint64_t i : mb.positions) minus.positions.erase(i);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(a.Intersection(b), both, GetParam()));
    IntervalSet sum = a, rest = a;
    sum.Add(b);
    rest.Remove(b);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(sum, either, GetParam()));
    ASSERT_NO_FATAL_FAILURE(ExpectSame(rest, minus, GetParam()));
    ASSERT_EQ(a.Intersects(b), !both.positions.empty());
    ASSERT_EQ(a.Contains(b), both.positions.size() == mb.positions.size());
    ASSERT_EQ(IntervalSet::Of(a.ToVector()), a);
    IntervalSet self = a;
    self.Add(a);
    ASSERT_EQ(self, a);
  }
}

TEST_P(IntervalSetProperty, QueriesAgreeWithTheModel) {
  for (int round = 0; round < 1000; ++round) {
    const auto [set, model] = RandomSet();
    const IndexRange r = RandomRange();
    Model inside, outside;
    for (uint64_t i = r.begin; i < r.end; ++i)
      (model.positions.count(i) ? inside : outside).positions.insert(i);
    ASSERT_EQ(set.Contains(r), outside.positions.empty());
    ASSERT_EQ(set.Intersects(r), !inside.positions.empty());
    ASSERT_NO_FATAL_FAILURE(ExpectSame(set.Intersection(r), inside, GetParam()));
    ASSERT_NO_FATAL_FAILURE(ExpectSame(set.Complement(r), outside, GetParam()));
    ASSERT_EQ(set.First(), model.positions.empty()
                               ? std::nullopt
                               : std::optional<uint64_t>(*model.positions.begin()));
    const auto from = model.positions.lower_bound(r.begin);
    ASSERT_EQ(set.FirstFrom(r.begin),
              from == model.positions.end() ? std::nullopt : std::optional<uint64_t>(*from));
  }
}

TEST_P(IntervalSetProperty, TakingSplitsASetInTwoInOrder) {
  for (int round = 0; round < 1000; ++round) {
    const auto [set, model] = RandomSet();
    const uint64_t count = random_() % 60;
    IntervalSet rest = set;
    const IntervalSet front = rest.TakeFront(count);
    ASSERT_EQ(front.size(), std::min<uint64_t>(count, set.size()));
    Model taken;
    for (uint64_t i : model.positions) {
      if (taken.positions.size() < count) taken.positions.insert(i);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSame(front, taken, GetParam()));
    rest.Add(front);
    ASSERT_EQ(rest, set);

    const IntervalSet back = rest.TakeBack(count);
    ASSERT_EQ(back.size(), std::min<uint64_t>(count, set.size()));
    if (!back.empty() && !rest.empty()) {
      ASSERT_LT(rest.ToVector().back().begin, back.First());
    }
    ASSERT_FALSE(rest.Intersects(back));
    rest.Add(back);
    ASSERT_EQ(rest, set);

    const size_t ranges = random_() % 4;
    const IntervalSet few = rest.TakeFront(count, ranges);
    ASSERT_LE(few.range_count(), ranges);
    ASSERT_TRUE(front.Contains(few));
    rest.Add(few);
    ASSERT_EQ(rest, set);
  }
}

TEST(IntervalSet, AdjacentRangesBecomeOne) {
  IntervalSet set{{10, 20}, {30, 40}};
  EXPECT_EQ(set.range_count(), 2u);
  set.Add({20, 30});
  EXPECT_EQ(set.ToVector(), (std::vector<IndexRange>{{10, 40}}));
  set.Remove({15, 15});
  EXPECT_EQ(set.range_count(), 1u);
  set.Remove({15, 16});
  EXPECT_EQ(set.ToVector(), (std::vector<IndexRange>{{10, 15}, {16, 40}}));
  EXPECT_EQ(set.size(), 29u);
}

TEST(IntervalSet, EmptyAndReversedRangesAreIgnored) {
  IntervalSet set{{5, 5}, {9, 3}};
  EXPECT_TRUE(set.empty());
  set.Add({1, 10});
  set.Remove({7, 2});
  EXPECT_EQ(set.size(), 9u);
  EXPECT_TRUE(set.Contains(IndexRange{8, 4}));
  EXPECT_FALSE(set.Intersects(IndexRange{8, 4}));
  EXPECT_TRUE(set.Complement({8, 4}).empty());
}

TEST(IntervalSet, HoldsTheWholeOfTheLargestSpace) {
  constexpr uint64_t kMax = uint64_t{1} << 62;
  IntervalSet set{{0, kMax}};
  EXPECT_EQ(set.size(), kMax);
  set.Remove({kMax / 2, kMax / 2 + 1});
  EXPECT_EQ(set.size(), kMax - 1);
  EXPECT_EQ(set.Complement({0, kMax}).ToVector(),
            (std::vector<IndexRange>{{kMax / 2, kMax / 2 + 1}}));
  EXPECT_EQ(set.TakeBack(kMax / 2 - 1).ToVector(), (std::vector<IndexRange>{{kMax / 2 + 1, kMax}}));
  EXPECT_EQ(set.ToVector(), (std::vector<IndexRange>{{0, kMax / 2}}));
}

}  // namespace
}  // namespace portolan
