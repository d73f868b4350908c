#include "common/base/task_runner.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/fakes/fake_clock.h"

namespace portolan {
namespace {

using std::chrono::seconds;

TEST(TaskRunner, RunsTasksInTheOrderPosted) {
  TaskRunner runner("test", SystemClock());
  std::vector<int> seen;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(runner.Post([&seen, i] { seen.push_back(i); }));
  ASSERT_TRUE(runner.Run([] {}));
  ASSERT_EQ(seen.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(TaskRunner, TimersRunInTheOrderOfTheirTimesAndNotBefore) {
  FakeClock clock;
  TaskRunner runner("test", clock);
  std::mt19937 random(7);
  std::vector<int> seen;
  std::vector<int> times(200);
  for (int& t : times) t = static_cast<int>(random() % 100) + 1;
  for (const int t : times) runner.PostAfter(seconds(t), [&seen, t] { seen.push_back(t); });
  runner.Run([] {});
  EXPECT_TRUE(seen.empty());
  clock.Advance(seconds(50));
  runner.Run([] {});  // due timers come before posted tasks
  for (const int t : seen) EXPECT_LE(t, 50);
  EXPECT_EQ(static_cast<ptrdiff_t>(seen.size()),
            std::count_if(times.begin(), times.end(), [](int t) { return t <= 50; }));
  clock.Advance(seconds(50));
  runner.Run([] {});
  std::sort(times.begin(), times.end());
  EXPECT_EQ(seen, times);
}

TEST(TaskRunner, PokeMakesItLookAtAFakeClock) {
  FakeClock clock;
  TaskRunner runner("test", clock);
  Mutex mu;
  CondVar cv;
  bool ran = false;
  runner.PostAfter(std::chrono::hours(5), [&] {
    MutexLock lock(mu);
    ran = true;
    cv.NotifyOne();
  });
  clock.Advance(std::chrono::hours(5));
  runner.Poke();
  MutexLock lock(mu);
  while (!ran) cv.Wait(mu);
}

TEST(TaskRunner, CancelledTimerDoesNotRun) {
  FakeClock clock;
  TaskRunner runner("test", clock);
  bool ran = false;
  const TaskRunner::TimerId id = runner.PostAfter(seconds(1), [&] { ran = true; });
  EXPECT_TRUE(runner.CancelTimer(id));
  EXPECT_FALSE(runner.CancelTimer(id));
  clock.Advance(seconds(2));
  runner.Run([] {});
  EXPECT_FALSE(ran);
}

TEST(TaskRunner, TryPostKeepsToTheLimitAndPostDoesNot) {
  TaskRunner runner("test", SystemClock(), 2);
  Mutex mu;
  CondVar cv;
  bool go = false, blocked = false;
  runner.Post([&] {
    MutexLock lock(mu);
    blocked = true;
    cv.NotifyAll();
    while (!go) cv.Wait(mu);
  });
  {
    MutexLock lock(mu);
    while (!blocked) cv.Wait(mu);
  }
  EXPECT_TRUE(runner.TryPost([] {}));
  EXPECT_TRUE(runner.TryPost([] {}));
  EXPECT_FALSE(runner.TryPost([] {}));
  EXPECT_TRUE(runner.Post([] {}));
  EXPECT_EQ(runner.depth(), 3u);
  {
    MutexLock lock(mu);
    go = true;
    cv.NotifyAll();
  }
  runner.Run([] {});
  EXPECT_EQ(runner.depth(), 0u);
}

TEST(TaskRunner, StopRunsWhatWasPostedAndDropsTimers) {
  FakeClock clock;
  int ran = 0;
  bool timer = false;
  TaskRunner runner("test", clock);
  for (int i = 0; i < 100; ++i) runner.Post([&] { ++ran; });
  runner.PostAfter(seconds(1), [&] { timer = true; });
  runner.Stop();
  EXPECT_EQ(ran, 100);
  EXPECT_FALSE(timer);
  EXPECT_FALSE(runner.Post([] {}));
  EXPECT_EQ(runner.PostAfter(seconds(1), [] {}), 0u);
  EXPECT_FALSE(runner.Run([] {}));
  runner.Stop();
}

TEST(TaskRunner, ManyThreadsMayPostAtOnce) {
  TaskRunner runner("test", SystemClock());
  int total = 0;  // touched by the runner's thread only
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        runner.Post([&] { ++total; });
        const auto id = runner.PostAfter(std::chrono::hours(1), [] {});
        runner.CancelTimer(id);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  runner.Stop();
  EXPECT_EQ(total, 2000);
}

}  // namespace
}  // namespace portolan
