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

}  // namespace
}  // namespace portolan
