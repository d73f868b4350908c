#include "common/net/target_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/common/net/target_texts.h"

namespace portolan {
namespace {

TEST(ParseTargets, UnderstandsEveryForm) {
  EXPECT_EQ(Parse("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(Parse("10.0.0.0/24"), "10.0.0.0/24");
  EXPECT_EQ(Parse("10.0.0.0/255.255.255.0"), "10.0.0.0/24");
  EXPECT_EQ(Parse("10.0.0.77/255.255.255.252"), "10.0.0.76/30");
  EXPECT_EQ(Parse("10.0.0.1/255.255.255.255"), "10.0.0.1");
  EXPECT_EQ(Parse("10.0.0.1/128.0.0.0"), "0.0.0.0/1");
  EXPECT_EQ(Parse("10.0.0.1/0.0.0.0"), "0.0.0.0/0");
  EXPECT_EQ(Parse("10.0.0.77/24"), "10.0.0.0/24");
  EXPECT_EQ(Parse("0.0.0.0/0"), "0.0.0.0/0");
  EXPECT_EQ(Parse("10.0.0.1-10.0.1.9"), "10.0.0.1-10.0.1.9");
  EXPECT_EQ(Parse("10.0.0-1.*"), "10.0.0.0/23");
  EXPECT_EQ(Parse("10.0.0-1.1,3-4"), "10.0.0.1,10.0.0.3-10.0.0.4,10.0.1.1,10.0.1.3-10.0.1.4");
  EXPECT_EQ(Parse("10.0.0.5-9"), "10.0.0.5-10.0.0.9");
  EXPECT_EQ(Parse("10.-.-.-"), "10.0.0.0/8");
  EXPECT_EQ(Parse("10.0.0.-5"), "10.0.0.0-10.0.0.5");
  EXPECT_EQ(Parse("10.0.0.250-"), "10.0.0.250-10.0.0.255");
  EXPECT_EQ(Parse("*.*.*.*"), "0.0.0.0/0");
  EXPECT_EQ(Parse("2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(Parse("[2001:db8::1]"), "2001:db8::1");
  EXPECT_EQ(Parse("2001:db8::/64"), "2001:db8::/64");
  EXPECT_EQ(Parse("2001:db8::1-2001:db8::ff"), "2001:db8::1-2001:db8::ff");
  EXPECT_EQ(Parse("::ffff:10.0.0.0/104"), "10.0.0.0/8");
  EXPECT_EQ(Parse("::ffff:10.0.0.1-::ffff:10.0.0.3"), "10.0.0.1-10.0.0.3");
  EXPECT_EQ(Parse("one.example"), "198.18.0.1");
  EXPECT_EQ(Parse("under_score.example"), "198.18.0.9");
}

TEST(ParseTargets, PortsFollowAddressesAndNames) {
  EXPECT_EQ(Parse("10.0.0.1:80"), "10.0.0.1:80");
  EXPECT_EQ(Parse("[2001:db8::1]:443"), "[2001:db8::1]:443");
  EXPECT_EQ(Parse("[::ffff:10.0.0.1]:443"), "10.0.0.1:443");
  EXPECT_EQ(Parse("two.example:22"), "198.18.0.2:22 [2001:db8::2]:22");
  EXPECT_EQ(Parse("10.0.0.1 10.0.0.2:80 10.0.0.1:81 10.0.0.2:80 10.0.0.1:80"),
            "10.0.0.1 10.0.0.1:80 10.0.0.1:81 10.0.0.2:80");
  EXPECT_EQ(Parse("10.0.0.1:0"), "10.0.0.1:0");
}

TEST(ParseTargets, BlanksAndCommentsAreIgnored) {
  EXPECT_EQ(
      Parse({"", "   ", "# nothing", "10.0.0.1 10.0.0.2\t10.0.0.3 # rest", "10.0.0.9#x", "\r\n"}),
      "10.0.0.1-10.0.0.3,10.0.0.9");
  EXPECT_EQ(Parse("# a\n10.0.0.1 # b\r\n10.0.0.2\n"), "10.0.0.1-10.0.0.2");
  EXPECT_EQ(Parse(Strings{}), "");
}

TEST(ParseTargets, ErrorsNameValuePositionAndRemedy) {
  EXPECT_EQ(Parse({"10.0.0.1 10.0.0.2", "# x", "10.0.0.0/33"}),
            "error: target \"10.0.0.0/33\": mask is above 32; write /0 to /32");
  EXPECT_EQ(Parse("10.0.0.256"), "error: target \"10.0.0.256\": octet 256 is above 255");
  EXPECT_EQ(Parse("10.0.0"),
            "error: target \"10.0.0\": 3 octets; write four, such as 10.0.0-5.1,3-4");
  EXPECT_EQ(Parse("10.0.0.9-3"),
            "error: target \"10.0.0.9-3\": octet range 9-3: first is above last; write 3-9");
  EXPECT_EQ(Parse("10.0.0.9-10.0.0.3"),
            "error: target \"10.0.0.9-10.0.0.3\": first address is above last; write "
            "10.0.0.3-10.0.0.9");
  EXPECT_EQ(Parse("10.0.0.0/30:22"),
            "error: target \"10.0.0.0/30:22\": a port can follow one address or name only; "
            "use -p for networks and ranges");
  EXPECT_EQ(Parse("10.0.0.1-5:22"),
            "error: target \"10.0.0.1-5:22\": a port can follow one address or name only; "
            "use -p for networks and ranges");
  EXPECT_EQ(Parse("10.0.0.1-10.0.0.5:22"),
            "error: target \"10.0.0.1-10.0.0.5:22\": a port can follow one address or name "
            "only; use -p for networks and ranges");
  EXPECT_EQ(Parse("[2001:db8::]:22/64"),
            "error: target \"[2001:db8::]:22/64\": a port can follow one address or name "
            "only; use -p for networks and ranges");
  EXPECT_EQ(Parse("10.0.0.1:80,443"),
            "error: target \"10.0.0.1:80,443\": one port a target; write it once for each "
            "port, or use -p");
  EXPECT_EQ(Parse("10.0.0.1:65536"), "error: target \"10.0.0.1:65536\": port 65536 is above 65535");
  EXPECT_EQ(Parse("10.0.0.1:"),
            "error: target \"10.0.0.1:\": the port is missing after the colon; write such as "
            "10.0.0.1:80");
  EXPECT_EQ(Parse(":80"),
            "error: target \":80\": the address is missing before the colon; write such as "
            "10.0.0.1:80");
  EXPECT_EQ(Parse("http://one.example/"),
            "error: target \"http://one.example/\": a URL is not a target; write only its "
            "host, and its port after a colon");
  EXPECT_EQ(Parse("one.example/24"),
            "error: target \"one.example/24\": a mask follows an address, not a name; write "
            "such as 10.0.0.0/24");
  EXPECT_EQ(
      Parse("one.example,3"),
      "error: target \"one.example,3\": numbers after a comma belong to an IPv4 address, such "
      "as 10.0.0.1,3-4; write every target in full");
  EXPECT_EQ(Parse("7"), "error: target \"7\": 1 octet; write four, such as 10.0.0-5.1,3-4");
  EXPECT_EQ(Parse("7/8"), "error: target \"7/8\": 1 octet; write four, such as 10.0.0.1");
  EXPECT_EQ(Parse("10.0.0.0/255.0.255.0"),
            "error: target \"10.0.0.0/255.0.255.0\": mask 255.0.255.0 has zeros between its ones; "
            "write a length, such as /8");
  EXPECT_EQ(Parse("10.0.0.0/0.0.0.255"),
            "error: target \"10.0.0.0/0.0.0.255\": mask 0.0.0.255 has its ones at the end, as "
            "wildcards of routers have; write /24");
  EXPECT_EQ(Parse("10.0.0.0/255.255.0"),
            "error: target \"10.0.0.0/255.255.0\": mask \"255.255.0\" is not four octets; write "
            "such as /24 or /255.255.255.0");
  EXPECT_EQ(Parse("2001:db8::/255.255.0.0"),
            "error: target \"2001:db8::/255.255.0.0\": mask \"255.255.0.0\" is not a length; write "
            "/0 to /128");
  EXPECT_EQ(Parse("fe80::1%eth0"),
            "error: target \"fe80::1%eth0\": zone ids mean nothing on another machine and "
            "are not supported; write fe80::1 "
            "without the % part");
  EXPECT_EQ(Parse("1:2:3:4:5:6:7:8:443"),
            "error: target \"1:2:3:4:5:6:7:8:443\": not an IPv6 address; write one such as "
            "2001:db8::1; with a port write "
            "[2001:db8::1]:443");
}

TEST(ParseTargets, WhatLooksLikeAnAddressIsNeverLookedUp) {
  for (const char* text : {"10.0.0.256",
                           "127.1",
                           "2130706433",
                           "0x7f000001",
                           "0x7f.0.0.1",
                           "10.0.0.1.",
                           "1.2.3.4.5",
                           "host.1",
                           "a.0x1",
                           "10.0.0.1/8/8",
                           "10.0..1",
                           "1-2",
                           "-",
                           "*",
                           "10.0.0.1;",
                           "10.0.0.010",
                           "10.0.0.0/",
                           "::1::",
                           "[::1]80",
                           "[::1]:",
                           "[::1]/64:80",
                           "[one.example]:22",
                           "[10.0.0.1]:22",
                           "a b.,3",
                           "-x",
                           "x-",
                           "a..b",
                           ".",
                           "..",
                           "$(id)",
                           "one.example:ssh",
                           "one.example:-1",
                           "one.example:80:90",
                           "%",
                           "@one.example",
                           "one.example\\x",
                           "1.2.3.4:0x50"}) {
    const auto parsed = ParseTargets({text});
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_FALSE(parsed->problems().empty()) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(parsed->problems().ToStatus())) << text;
  }
  EXPECT_NE(Parse("b\xc3\xbc"
                  "cher.example")
                .find("xn-- form"),
            std::string::npos);
  EXPECT_FALSE(ParseAndLookUp({std::string(64, 'a') + ".example"}).ok());
  std::string longest;
  for (int i = 0; i < 130; ++i) longest += "a.";
  EXPECT_FALSE(ParseAndLookUp({longest + "example"}).ok());
  EXPECT_NE(Parse({std::string("one.example\0x", 13)}).find("U+0000"), std::string::npos);
}

TEST(ParseAddressTargets, RefusesNames) {
  EXPECT_TRUE(ParseAddressTargets({"10.0.0.1"}).ok());
  EXPECT_EQ(Message(ParseAddressTargets({"one.example"}).status()),
            "target \"one.example\": host names are not allowed here; write the address");
}

TEST(ParseTargets, RangesAreCountedBeforeTheyAreMade) {
  const auto parse = [](const Strings& texts, size_t max) { return ParseAndLookUp(texts, max); };
  EXPECT_TRUE(absl::IsResourceExhausted(parse({"*.*.*.1"}, 4'000'000).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(parse({"*.*.*.0,2,4"}, 4'000'000).status()));
  EXPECT_TRUE(parse({"*.*.*.*"}, 1).ok());
  EXPECT_TRUE(parse({"10.0.0-3.1,3"}, 8).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(parse({"10.0.0-3.1,3"}, 7).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(parse({"10.0.0.1", "10.0.0-3.1,3"}, 8).status()));
  EXPECT_TRUE(parse({"10.0.0.1 10.0.0.2:3"}, 2).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(parse({"10.0.0.1 10.0.0.2:3 10.0.0.3"}, 2).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(parse({"two.example"}, 1).status()));
  std::string commas = "10.0.0.1";
  for (int i = 0; i < 100'000; ++i) commas += ",1";
  EXPECT_TRUE(absl::IsInvalidArgument(parse({commas}, 4'000'000).status()));
}

// The naive model of octet expressions: all 2^12 addresses whose octets have the values 0, 1, 254,
// 255 and few others.
TEST(ParseTargets, OctetExpressionsAgreeWithANaiveReading) {
  std::mt19937 random(11);
  const std::vector<int> values = {0, 1, 2, 100, 127, 128, 254, 255};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    std::vector<std::set<int>> model(4);
    for (int octet = 0; octet < 4; ++octet) {
      if (octet > 0) text += '.';
      for (int items = 1 + static_cast<int>(random() % 3); items > 0; --items) {
        int first = values[random() % values.size()];
        int last = octet < 2 || random() % 2 ? first : values[random() % values.size()];
        if (first > last) std::swap(first, last);
        if (octet >= 2 && random() % 4 == 0) {
          first = 0;
          last = 255;
          text += random() % 2 ? "*" : "-";
        } else if (first == last) {
          text += std::to_string(first);
        } else {
          text += (first == 0 ? "" : std::to_string(first)) + "-" +
                  (last == 255 ? "" : std::to_string(last));
        }
        for (int v = first; v <= last; ++v) model[octet].insert(v);
        if (items > 1) text += ',';
      }
    }
    const auto list = ParseAddressTargets({text});
    ASSERT_TRUE(list.ok()) << text << " " << list.status();
    uint64_t size = 1;
    for (const auto& m : model) size *= m.size();
    ASSERT_TRUE(list->addresses.size() == size) << text;
    for (const int a : values) {
      for (const int b : values) {
        for (const int c : values) {
          for (const int d : values) {
            const bool in =
                model[0].count(a) && model[1].count(b) && model[2].count(c) && model[3].count(d);
            const auto v4 = static_cast<uint32_t>(a << 24 | b << 16 | c << 8 | d);
            ASSERT_EQ(list->addresses.Contains(IpAddress::V4(v4)), in) << text << " " << v4;
          }
        }
      }
    }
  }
}

TEST(ParseTargets, ListsAreWrittenInManyWays) {
  EXPECT_EQ(Parse("10.0.0.1,10.0.0.3"), "10.0.0.1,10.0.0.3");
  EXPECT_EQ(Parse("10.0.0.1,"), "10.0.0.1");
  EXPECT_EQ(Parse("10.0.0.2, 10.0.0.3"), "10.0.0.2/31");
  EXPECT_EQ(Parse("10.0.0.1,3-4,10.1.0.0/16,one.example:80,::1"),
            "10.0.0.1,10.0.0.3-10.0.0.4,10.1.0.0/16,::1 198.18.0.1:80");
  EXPECT_EQ(Parse("10.0.0.1 - 10.0.0.5"), "10.0.0.1-10.0.0.5");
  EXPECT_EQ(Parse("10.0.0.1- 10.0.0.5"), "10.0.0.1-10.0.0.5");
  EXPECT_EQ(Parse("10.0.0.1 -10.0.0.5"), "10.0.0.1-10.0.0.5");
  EXPECT_EQ(Parse("10.0.0.1 - 5"), "10.0.0.1-10.0.0.5");
  EXPECT_EQ(Parse("10.0.0.1\xe2\x80\x93"
                  "10.0.0.5"),
            "10.0.0.1-10.0.0.5");
  EXPECT_EQ(Parse("10.0.0.1 \xe2\x80\x93 10.0.0.5, 10.0.0.9"), "10.0.0.1-10.0.0.5,10.0.0.9");
  EXPECT_EQ(Parse("10.0.0.1,3\xe2\x80\x93"
                  "4"),
            "10.0.0.1,10.0.0.3-10.0.0.4");
  EXPECT_EQ(Parse("2001:db8::1 - 2001:db8::5"), "2001:db8::1-2001:db8::5");
  EXPECT_EQ(Parse("10.0.0.1\xc2\xa0"), "10.0.0.1");
  EXPECT_EQ(Parse("\xef\xbb\xbf"
                  "10.0.0.1\xe2\x80\x8b"),
            "10.0.0.1");
  // An open octet range stays one.
  EXPECT_EQ(Parse("10.0.0.250-"), "10.0.0.250-10.0.0.255");
  EXPECT_EQ(Parse("10.0.0.250-\n10.0.1.1"), "10.0.0.250-10.0.0.255,10.0.1.1");
  EXPECT_EQ(Parse("10.0.0.250-, 10.0.1.1"), "10.0.0.250-10.0.0.255,10.0.1.1");
  // Names are not joined.
  EXPECT_EQ(
      Parse("one.example - two.example"),
      "error: target \"-\": a dash alone is not a target; write the address before and behind "
      "it on one line");
}

TEST(ParseTargets, PrintedSetParsesBackToItself) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 500; ++round) {
    std::vector<IpRange> ranges;
    for (int n = 1 + static_cast<int>(random() % 6); n > 0; --n) {
      const bool v6 = random() % 2;
      const uint128 base =
          v6 ? uint128{0x20010db8} << 96 | random() : static_cast<uint32_t>(random());
      const uint128 span = random() % 3 == 0 ? 0 : random() % 2 ? 255 : random() % 100'000;
      const auto make = [v6](uint128 v) {
        return v6 ? IpAddress::V6(v) : IpAddress::V4(static_cast<uint32_t>(v));
      };
      const uint128 last = v6 ? base + span : std::min<uint128>(base + span, 0xffffffff);
      ranges.push_back({make(base), make(last)});
    }
    const IpSet set = IpSet::Of(std::move(ranges));
    Strings texts;
    for (const IpRange& r : set.ranges()) texts.push_back(r.ToString());
    const auto list = ParseAddressTargets(texts);
    ASSERT_TRUE(list.ok()) << set.ToString() << list.status();
    ASSERT_EQ(list->addresses, set);
  }
}

}  // namespace
}  // namespace portolan
