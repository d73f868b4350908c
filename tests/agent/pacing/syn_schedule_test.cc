#include "agent/pacing/syn_schedule.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

TEST(SynSchedule, NothingIsSentAgainWithinTheFirstSecond) {
  EXPECT_EQ(KernelRetransmits({}), 0u);
  EXPECT_EQ(KernelRetransmits(std::chrono::milliseconds(1000)), 0u);
  EXPECT_EQ(KernelRetransmits(std::chrono::milliseconds(1500)), 1u);
  EXPECT_EQ(KernelRetransmits(std::chrono::milliseconds(5500)), 5u);
  EXPECT_EQ(KernelRetransmits(std::chrono::seconds(60)), 9u);
}

}  // namespace
}  // namespace portolan
