#include "common/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>

namespace portolan {
namespace {

TEST(ThreadPool, RefusesWhenItsQueueIsFullAndRunsTheRestOnStop) {
  ThreadPool pool("test", 2, 3);
  Mutex mu;
  CondVar cv;
  int blocked = 0;
  bool go = false;
  std::atomic<int> ran{0};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.TryPost([&] {
      MutexLock lock(mu);
      ++blocked;
      cv.NotifyAll();
      while (!go) cv.Wait(mu);
    }));
  }
  {
    MutexLock lock(mu);
    while (blocked < 2) cv.Wait(mu);
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool.TryPost([&] { ++ran; }));
  EXPECT_FALSE(pool.TryPost([&] { ++ran; }));
  EXPECT_EQ(pool.depth(), 3u);
  {
    MutexLock lock(mu);
    go = true;
    cv.NotifyAll();
  }
  pool.Stop();
  EXPECT_EQ(ran, 3);
  EXPECT_FALSE(pool.TryPost([] {}));
}

}  // namespace
}  // namespace portolan
