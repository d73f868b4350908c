#include "cli/base/interrupts.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <thread>

namespace portolan {
namespace {

TEST(Interrupts, TheFirstStopsAndTheSecondEndsAtOnce) {
  int at_once = 0, stops = 0;
  Interrupts interrupts([&](int signal) { at_once = signal; });
  Interrupts::Guard guard(interrupts, [&] { ++stops; });
  EXPECT_FALSE(interrupts.interrupted());
  EXPECT_FALSE(interrupts.WaitFor(Duration::zero()));
  interrupts.Deliver(SIGINT);
  EXPECT_EQ(interrupts.signal(), SIGINT);
  EXPECT_EQ(stops, 1);
  EXPECT_EQ(at_once, 0);
  EXPECT_TRUE(interrupts.WaitFor(std::chrono::hours(1)));
  interrupts.Deliver(SIGTERM);
  EXPECT_EQ(at_once, SIGTERM);
  EXPECT_EQ(interrupts.signal(), SIGINT);
  EXPECT_EQ(stops, 1);
}

TEST(Interrupts, WhatBeginsAfterwardsIsStoppedAtOnce) {
  Interrupts interrupts([](int) {});
  interrupts.Deliver(SIGTERM);
  int stops = 0;
  {
    Interrupts::Guard guard(interrupts, [&] { ++stops; });
  }
  EXPECT_EQ(stops, 1);
}

TEST(Interrupts, AGuardThatHasGoneIsNotStopped) {
  Interrupts interrupts([](int) {});
  {
    Interrupts::Guard guard(interrupts, [] { FAIL(); });
  }
  interrupts.Deliver(SIGINT);
}

TEST(Interrupts, WakesAWaiterOnAnotherThread) {
  Interrupts interrupts([](int) {});
  std::atomic<bool> woken{false};
  std::thread waiter([&] { woken = interrupts.WaitFor(std::chrono::hours(1)); });
  interrupts.Deliver(SIGINT);
  waiter.join();
  EXPECT_TRUE(woken);
}

TEST(Interrupts, GuardsMayComeAndGoWhileASignalArrives) {
  for (int round = 0; round < 200; ++round) {
    Interrupts interrupts([](int) {});
    std::thread signals([&] { interrupts.Deliver(SIGINT); });
    for (int i = 0; i < 20; ++i) {
      auto stops = std::make_shared<std::atomic<int>>(0);
      Interrupts::Guard guard(interrupts, [stops] { ++*stops; });
    }
    signals.join();
  }
}

}  // namespace
}  // namespace portolan
