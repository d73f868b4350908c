#include "common/net/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>

#include "common/base/status.h"

namespace portolan {
namespace {

std::string Roundtrip(std::string_view text) {
  const auto a = IpAddress::Parse(text);
  return a.ok() ? a->ToString() : "error: " + std::string(Message(a.status()));
}

TEST(IpAddress, ParsesAndPrintsLiteralsInTheirShortestForm) {
  EXPECT_EQ(Roundtrip("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(Roundtrip("255.255.255.255"), "255.255.255.255");
  EXPECT_EQ(Roundtrip("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(Roundtrip("::"), "::");
  EXPECT_EQ(Roundtrip("::1"), "::1");
  EXPECT_EQ(Roundtrip("1::"), "1::");
  EXPECT_EQ(Roundtrip("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(Roundtrip("[2001:db8::1]"), "2001:db8::1");
  EXPECT_EQ(Roundtrip("2001:0db8::0001"), "2001:db8::1");
  // RFC 5952, 4.2.2: one zero group is not shortened; 4.2.3: the longest run, the first of equals.
  EXPECT_EQ(Roundtrip("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");
  EXPECT_EQ(Roundtrip("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");
  EXPECT_EQ(Roundtrip("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");
  EXPECT_EQ(Roundtrip("0:0:1:0:0:0:0:0"), "0:0:1::");
  EXPECT_EQ(Roundtrip("64:ff9b::1.2.3.4"), "64:ff9b::102:304");
}

TEST(IpAddress, MappedAddressIsTheV4AddressThatItIs) {
  for (const char* text :
       {"::ffff:10.1.2.3", "::ffff:a01:203", "[::FFFF:10.1.2.3]", "0:0:0:0:0:ffff:0a01:0203"}) {
    const auto a = IpAddress::Parse(text);
    ASSERT_TRUE(a.ok()) << text;
    EXPECT_EQ(*a, IpAddress::V4(0x0a010203)) << text;
  }
  const auto from_bytes = IpAddress::FromBytes(std::string(10, '\0') + "\xff\xff\x0a\x01\x02\x03");
  ASSERT_TRUE(from_bytes.ok());
  EXPECT_EQ(*from_bytes, IpAddress::V4(0x0a010203));
}

TEST(IpAddress, RefusesWhatIsNotOneLiteral) {
  EXPECT_EQ(Roundtrip(""), "error: address \"\": the address is missing");
  EXPECT_EQ(Roundtrip("10.0.0.256"), "error: address \"10.0.0.256\": octet 256 is above 255");
  EXPECT_EQ(Roundtrip("10.0.0"),
            "error: address \"10.0.0\": 3 octets; write four, such as 10.0.0.1");
  EXPECT_EQ(Roundtrip("10.0.0.010"),
            "error: address \"10.0.0.010\": octet 010 has a leading zero, which some programs read "
            "as octal; write 10");
  EXPECT_EQ(Roundtrip("fe80::1%eth0"),
            "error: address \"fe80::1%eth0\": zone ids mean nothing on another machine and are not "
            "supported; write fe80::1 "
            "without the % part");
  for (const char* text : {"10.0.0.1.",
                           ".10.0.0.1",
                           "1.2.3.4.5",
                           "10..0.1",
                           " 10.0.0.1",
                           "10.0.0.1 ",
                           "0x7f.0.0.1",
                           "127.1",
                           "2130706433",
                           "-1.0.0.0",
                           "+1.0.0.0",
                           "1.2.3.4/8",
                           ":",
                           ":::",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "12345::",
                           "::g",
                           "1::2::3",
                           "[::1",
                           "::1]",
                           "[]",
                           "[[::1]]",
                           "::1.2.3",
                           "::1.2.3.4.5",
                           "host",
                           "\xc2\xa0"
                           "1.2.3.4"}) {
    EXPECT_FALSE(IpAddress::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(std::string_view("10.0.0.1\0", 9)).ok());
  EXPECT_FALSE(IpAddress::Parse(std::string_view("::1\0x", 5)).ok());
  const auto hostile = IpAddress::Parse("\x1b[31m" + std::string(100'000, 'x'));
  EXPECT_LT(hostile.status().message().size(), 300u);
  EXPECT_EQ(hostile.status().message().find('\x1b'), absl::string_view::npos);
}

TEST(IpAddress, BytesRoundtripAndOtherSizesAreRefused) {
  EXPECT_EQ(IpAddress::V4(0x0a000001).ToBytes(), std::string("\x0a\0\0\x01", 4));
  const IpAddress v6 = *IpAddress::Parse("2001:db8::ff");
  EXPECT_EQ(v6.ToBytes().size(), 16u);
  EXPECT_EQ(*IpAddress::FromBytes(v6.ToBytes()), v6);
  for (const size_t size : {0, 3, 5, 15, 17})
    EXPECT_FALSE(IpAddress::FromBytes(std::string(size, 'a')).ok());
}

TEST(IpAddress, AllOfV4ComesBeforeV6) {
  EXPECT_LT(IpAddress::V4(0xffffffff), IpAddress::V6(0));
  EXPECT_LT(IpAddress::V4(1), IpAddress::V4(2));
  EXPECT_NE(IpAddress::V4(1), IpAddress::V6(1));
}

TEST(IpAddress, EndpointsBracketV6) {
  EXPECT_EQ(FormatEndpoint(IpAddress::V4(0x0a000001), 80), "10.0.0.1:80");
  EXPECT_EQ(FormatEndpoint(IpAddress::V6(1), 443), "[::1]:443");
}

TEST(IpAddress, PrintedFormParsesBackForRandomAddresses) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    uint128 value = 0;
    // Groups that are often zero, so that all shapes of "::" appear.
    for (int group = 0; group < 8; ++group)
      value = value << 16 | (random() % 2 ? random() & 0xffff : 0);
    if (value >> 32 == 0xffff) continue;  // mapped: prints, but parses as IPv4
    const IpAddress a = IpAddress::V6(value);
    ASSERT_EQ(*IpAddress::Parse(a.ToString()), a) << a.ToString();
    const IpAddress v4 = IpAddress::V4(static_cast<uint32_t>(random()));
    ASSERT_EQ(*IpAddress::Parse(v4.ToString()), v4);
    // glibc prints the same but for IPv4-compatible addresses (::a.b.c.d), which RFC 4291
    // deprecates.
    if (value >> 32 != 0) {
      char expected[INET6_ADDRSTRLEN];
      inet_ntop(AF_INET6, a.ToBytes().data(), expected, sizeof(expected));
      ASSERT_EQ(a.ToString(), expected);
    }
  }
}

}  // namespace
}  // namespace portolan
