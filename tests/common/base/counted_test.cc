#include "common/base/counted.h"

#include <gtest/gtest.h>

#include <limits>

namespace portolan {
namespace {

TEST(Counted, AgreesWithItsNumber) {
  EXPECT_EQ(Counted(0, "address", "addresses"), "0 addresses");
  EXPECT_EQ(Counted(1, "address", "addresses"), "1 address");
  EXPECT_EQ(Counted(2, "address", "addresses"), "2 addresses");
  EXPECT_EQ(Counted(1'001, "scan was", "scans were"), "1,001 scans were");
}

TEST(Grouped, PutsACommaBeforeEachThreeDigits) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1'000), "1,000");
  EXPECT_EQ(Grouped(65'535), "65,535");
  EXPECT_EQ(Grouped(std::numeric_limits<uint64_t>::max()), "18,446,744,073,709,551,615");
}

}  // namespace
}  // namespace portolan
