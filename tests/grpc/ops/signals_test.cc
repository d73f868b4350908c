#include "common/ops/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

namespace portolan {
namespace {

TEST(SignalWaiter, HandsSignalsToWhoWaits) {
  SignalWaiter waiter;
  EXPECT_FALSE(waiter.Wait(Duration::zero()).has_value());
  kill(getpid(), SIGTERM);
  EXPECT_EQ(waiter.Wait(std::chrono::seconds(10)), SIGTERM);
  kill(getpid(), SIGINT);
  EXPECT_EQ(waiter.Wait(std::chrono::seconds(10)), SIGINT);
  kill(getpid(), SIGPIPE);  // ignored
  EXPECT_FALSE(waiter.Wait(Duration::zero()).has_value());
}

TEST(SignalWaiter, IsWokenByAnotherThread) {
  SignalWaiter waiter;
  std::thread waker([&] { waiter.Wake(); });
  EXPECT_FALSE(waiter.Wait(std::chrono::hours(1)).has_value());
  waker.join();
  kill(getpid(), SIGTERM);
  EXPECT_EQ(waiter.Wait(std::chrono::seconds(10)), SIGTERM);
}

TEST(Version, LooksLikeOne) {
  int dots = 0;
  for (const char* c = Version(); *c != '\0'; ++c) dots += *c == '.' ? 1 : 0;
  EXPECT_EQ(dots, 2) << Version();
}

}  // namespace
}  // namespace portolan
