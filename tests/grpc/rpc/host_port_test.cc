#include <gtest/gtest.h>

#include "common/rpc/channel.h"

namespace portolan {
namespace {

TEST(HostPort, ReadsNamesAndAddresses) {
  auto a = ParseHostPort("127.0.0.1:7411");
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(a->host, "127.0.0.1");
  EXPECT_EQ(a->port, 7411);
  EXPECT_TRUE(a->loopback);
  auto b = ParseHostPort("[2001:db8::1]:0");
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(b->host, "2001:db8::1");
  EXPECT_FALSE(b->loopback);
  EXPECT_EQ(FormatHostPort(b->host, 80), "[2001:db8::1]:80");
  EXPECT_TRUE(ParseHostPort("[::1]:1")->loopback);
  EXPECT_TRUE(ParseHostPort("127.9.9.9:1")->loopback);
  EXPECT_TRUE(ParseHostPort("localhost:1")->loopback);
  EXPECT_FALSE(ParseHostPort("0.0.0.0:1")->loopback);
  EXPECT_FALSE(ParseHostPort("[::]:1")->loopback);
  EXPECT_FALSE(ParseHostPort("scanner.example:1")->loopback);
  // A name that merely begins like a loopback address is a name.
  EXPECT_FALSE(ParseHostPort("127.0.0.1.example:1")->loopback);
}

TEST(HostPort, RefusesWhatIsNotOne) {
  for (const char* text :
       {"",          ":",       ":80",     "host",    "host:",       "host:x",  "host:65536",
        "host:-1",   "host:+1", "host: 1", "host:1 ", "::1:80",      "[::1]",   "[::1]80",
        "[host]:80", "[]:80",   "a b:80",  "a/b:80",  "host:080808", "[::1:80", "h%:1"}) {
    const auto r = ParseHostPort(text);
    EXPECT_EQ(r.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(std::string(r.status().message()).find(text), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace portolan
