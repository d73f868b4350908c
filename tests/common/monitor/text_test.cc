#include <gtest/gtest.h>

#include "common/base/status.h"
#include "common/monitor/date_text.h"

namespace portolan {
namespace {

TEST(DateText, ReadsAndWritesUtc) {
  EXPECT_EQ(ToUnixMicros(*ParseDateText("1970-01-01")), 0);
  EXPECT_EQ(ToUnixMicros(*ParseDateText("2026-11-23T10:07:01Z")), 1795428421LL * 1'000'000);
  for (const char* text : {"2027-04-01", "2027-04-01T00:00:01Z", "9999-12-31T23:59:59Z"})
    EXPECT_EQ(DateText(*ParseDateText(text)), text);
  EXPECT_EQ(DateText(*ParseDateText("2027-04-01T00:00:00Z")), "2027-04-01");
  for (const char* text :
       {"", "2027", "2027-4-1", "2027-02-29", "2027-13-01", "1969-12-31", "2027-04-01T24:00:00Z",
        "2027-04-01T10:00:00", "01.04.2027", "2027-04-01 10:00:00Z", "2027-04-01T10:00:60Z"}) {
    EXPECT_FALSE(ParseDateText(text).ok()) << text;
  }
}

}  // namespace
}  // namespace portolan
