#include "agent/pacing/retry_queue.h"

#include <gtest/gtest.h>

#include <random>

namespace portolan {
namespace {

TEST(RetryQueue, GivesByDueTimeAndThenInOrderOfArrival) {
  std::mt19937_64 random(7);
  RetryQueue queue;
  EXPECT_EQ(queue.NextDue(), kNever);
  std::vector<Retry> model;
  uint32_t number = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 5 < 3 || model.empty()) {
      Retry retry;
      retry.due = Time(Duration(random() % 50));
      retry.offset = number++;
      queue.Push(retry);
      model.push_back(retry);
    } else {
      const auto earliest = std::min_element(
          model.begin(), model.end(), [](const Retry& a, const Retry& b) { return a.due < b.due; });
      ASSERT_EQ(queue.NextDue(), earliest->due);
      ASSERT_EQ(queue.Pop().offset, earliest->offset);
      model.erase(earliest);
    }
    ASSERT_EQ(queue.size(), model.size());
  }
}

TEST(RetryQueue, GivesTheUrgentOnesAlone) {
  std::mt19937_64 random(11);
  RetryQueue queue;
  std::vector<Retry> model;
  for (uint32_t number = 0; number < 2'000; ++number) {
    Retry retry;
    retry.due = Time(Duration(random() % 50));
    retry.offset = number;
    retry.urgent = random() % 4 == 0;
    queue.Push(retry);
    if (retry.urgent) model.push_back(retry);
  }
  std::stable_sort(model.begin(), model.end(),
                   [](const Retry& a, const Retry& b) { return a.due < b.due; });
  for (const Retry& retry : model) {
    ASSERT_EQ(queue.NextDue(RetryQueue::Which::kUrgent), retry.due);
    ASSERT_EQ(queue.Pop(RetryQueue::Which::kUrgent).offset, retry.offset);
  }
  EXPECT_EQ(queue.NextDue(RetryQueue::Which::kUrgent), kNever);
  Time before = Time::min();
  for (size_t left = 2'000 - model.size(); left > 0; --left) {
    const Retry retry = queue.Pop();
    EXPECT_FALSE(retry.urgent);
    EXPECT_GE(retry.due, before);
    before = retry.due;
  }
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace portolan
