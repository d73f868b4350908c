#include "common/net/host_name.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

TEST(NormalisedName, IgnoresCaseAndAFinalDot) {
  EXPECT_EQ(NormalisedName("DB.Example."), "db.example");
  EXPECT_EQ(NormalisedName("db.example"), "db.example");
  EXPECT_EQ(NormalisedName("db.example.."), "db.example.");  // no name: not the same as one
  EXPECT_EQ(NormalisedName("."), "");
  EXPECT_EQ(NormalisedName(""), "");
  EXPECT_EQ(NormalisedName("B\xc3\x9c"), "b\xc3\x9c");  // ASCII only
}

TEST(CheckHostName, AcceptsWhatTheDnsServes) {
  for (const char* name :
       {"a", "host", "db-1.example", "web_1.test", "_dmarc.example", "a_.example", "db.example.",
        "1.2.3.4.example", "xn--bcher-kva.example"}) {
    EXPECT_EQ(CheckHostName(name), "") << name;
  }
  EXPECT_EQ(CheckHostName(std::string(63, 'a') + ".example"), "");
}

TEST(CheckHostName, RefusesWhatCannotBeAName) {
  for (const char* name : {"", ".", "a..b", ".a", "-a", "a-", "a b", "a:b", "127.1", "0x7f.1",
                           "host.0X1", "10.0.0.1", "a,b",
                           "b\xc3\xbc"
                           "cher.example"}) {
    EXPECT_NE(CheckHostName(name), "") << name;
  }
  EXPECT_NE(CheckHostName(std::string(64, 'a') + ".example"), "");
  std::string longest;
  for (int i = 0; i < 130; ++i) longest += "a.";
  EXPECT_NE(CheckHostName(longest + "example"), "");
}

}  // namespace
}  // namespace portolan
