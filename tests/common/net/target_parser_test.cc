#include "common/net/target_parser.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "common/base/status.h"

namespace portolan {
namespace {

using Strings = std::vector<std::string>;

// Knows a few names and counts how often it is asked.
struct FakeNames {
  std::map<std::string, std::vector<std::string>> table = {
      {"one.example", {"198.18.0.1"}},
      {"two.example", {"2001:db8::2", "198.18.0.2", "198.18.0.2"}},
      {"none.example", {}},
      {"under_score.example", {"198.18.0.9"}},
  };
  int calls = 0;
  Resolver resolver() {
    return [this](const std::string& name) -> absl::StatusOr<std::vector<IpAddress>> {
      ++calls;
      if (name == "down.example") return Unavailable("no name server answers");
      if (name == "mapped.example")
        return std::vector<IpAddress>{IpAddress::V6(uint128{0xffff0a000001})};
      const auto it = table.find(name);
      if (it == table.end()) return NotFound("name \"{}\" does not resolve", name);
      std::vector<IpAddress> addresses;
      for (const std::string& a : it->second) addresses.push_back(*IpAddress::Parse(a));
      return addresses;
    };
  }
};

std::string Show(const absl::StatusOr<TargetList>& list) {
  if (!list.ok()) return "error: " + std::string(Message(list.status()));
  std::string out = list->addresses.ToString();
  for (const auto& e : list->endpoints)
    out += (out.empty() ? "" : " ") + FormatEndpoint(e.address, e.port);
  return out;
}
std::string Parse(const Strings& expressions) {
  FakeNames names;
  return Show(ParseTargets(expressions, names.resolver()));
}
std::string Parse(const char* expression) { return Parse(Strings{expression}); }

TEST(ParseTargets, UnderstandsEveryForm) {
  EXPECT_EQ(Parse("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(Parse("10.0.0.0/24"), "10.0.0.0/24");
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
  EXPECT_EQ(Parse("mapped.example"), "10.0.0.1");
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
            "error: target \"10.0.0.0/33\" (3rd): mask is above 32; write /0 to /32");
  EXPECT_EQ(Parse("10.0.0.256"), "error: target \"10.0.0.256\" (1st): octet 256 is above 255");
  EXPECT_EQ(Parse("10.0.0"),
            "error: target \"10.0.0\" (1st): 3 octets; write four, such as 10.0.0-5.1,3-4");
  EXPECT_EQ(Parse("10.0.0.9-3"),
            "error: target \"10.0.0.9-3\" (1st): octet range 9-3: first is above last; write 3-9");
  EXPECT_EQ(Parse("10.0.0.9-10.0.0.3"),
            "error: target \"10.0.0.9-10.0.0.3\" (1st): first address is above last; write "
            "10.0.0.3-10.0.0.9");
  EXPECT_EQ(Parse("10.0.0.0/30:22"),
            "error: target \"10.0.0.0/30:22\" (1st): a port can follow one address or name only; "
            "use -p for networks and ranges");
  EXPECT_EQ(Parse("10.0.0.1-5:22"),
            "error: target \"10.0.0.1-5:22\" (1st): a port can follow one address or name only; "
            "use -p for networks and ranges");
  EXPECT_EQ(Parse("10.0.0.1-10.0.0.5:22"),
            "error: target \"10.0.0.1-10.0.0.5:22\" (1st): a port can follow one address or name "
            "only; use -p for networks and ranges");
  EXPECT_EQ(Parse("[2001:db8::]:22/64"),
            "error: target \"[2001:db8::]:22/64\" (1st): a port can follow one address or name "
            "only; use -p for networks and ranges");
  EXPECT_EQ(Parse("10.0.0.1:80,443"),
            "error: target \"10.0.0.1:80,443\" (1st): one port a target; write it once for each "
            "port, or use -p");
  EXPECT_EQ(Parse("10.0.0.1:65536"),
            "error: target \"10.0.0.1:65536\" (1st): port 65536 is above 65535");
  EXPECT_EQ(Parse("10.0.0.1:"),
            "error: target \"10.0.0.1:\" (1st): the port is missing after the colon; write such as "
            "10.0.0.1:80");
  EXPECT_EQ(Parse(":80"),
            "error: target \":80\" (1st): the address is missing before the colon; write such as "
            "10.0.0.1:80");
  EXPECT_EQ(Parse("http://one.example/"),
            "error: target \"http://one.example/\" (1st): a URL is not a target; write only its "
            "host, and its port after a colon");
  EXPECT_EQ(Parse("one.example/24"),
            "error: target \"one.example/24\" (1st): a mask follows an address, not a name; write "
            "such as 10.0.0.0/24");
  EXPECT_EQ(Parse("10.0.0.1,10.0.0.2"),
            "error: target \"10.0.0.1,10.0.0.2\" (1st): separate targets by blanks, not by commas");
  EXPECT_NE(Parse("one.example,two.example").find("write every target in full"), std::string::npos);
  EXPECT_EQ(Parse("fe80::1%eth0"),
            "error: target \"fe80::1%eth0\" (1st): zone ids mean nothing on another machine and "
            "are not supported; write fe80::1 "
            "without the % part");
  EXPECT_EQ(Parse("1:2:3:4:5:6:7:8:443"),
            "error: target \"1:2:3:4:5:6:7:8:443\" (1st): not an IPv6 address; write one such as "
            "2001:db8::1; with a port write "
            "[2001:db8::1]:443");
}

TEST(ParseTargets, OrdinalsReadWell) {
  for (const auto& [n, word] : std::map<int, std::string>{{2, "2nd"},
                                                          {4, "4th"},
                                                          {11, "11th"},
                                                          {12, "12th"},
                                                          {13, "13th"},
                                                          {21, "21st"},
                                                          {22, "22nd"},
                                                          {103, "103rd"},
                                                          {112, "112th"}}) {
    Strings expressions(n - 1, "10.0.0.1");
    expressions.push_back("!");
    EXPECT_NE(Parse(expressions).find("(" + word + ")"), std::string::npos) << Parse(expressions);
  }
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
                           "a b.,c",
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
    FakeNames names;
    const auto list = ParseTargets({text}, names.resolver());
    EXPECT_FALSE(list.ok()) << text;
    EXPECT_EQ(names.calls, 0) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(list.status())) << text;
  }
  EXPECT_NE(Parse("b\xc3\xbc"
                  "cher.example")
                .find("xn-- form"),
            std::string::npos);
  EXPECT_FALSE(ParseTargets({std::string(64, 'a') + ".example"}, FakeNames().resolver()).ok());
  std::string longest;
  for (int i = 0; i < 130; ++i) longest += "a.";
  EXPECT_FALSE(ParseTargets({longest + "example"}, FakeNames().resolver()).ok());
  EXPECT_FALSE(ParseTargets({std::string("one.example\0x", 13)}, FakeNames().resolver()).ok());
}

TEST(ParseTargets, NamesAreResolvedOnceAndRecorded) {
  FakeNames names;
  const auto list = ParseTargets(
      {"one.example two.example:80", "ONE.example one.example. one.example:81"}, names.resolver());
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(names.calls, 2);
  EXPECT_EQ(Show(list), "198.18.0.1 198.18.0.1:81 198.18.0.2:80 [2001:db8::2]:80");
  ASSERT_EQ(list->names.size(), 2u);
  EXPECT_EQ(list->names[0].name, "one.example");
  EXPECT_EQ(list->names[1].addresses.size(), 2u);
}

TEST(ParseTargets, TypingErrorsAreFoundBeforeAnyLookup) {
  FakeNames names;
  EXPECT_FALSE(ParseTargets({"one.example", "10.0.0.0/33"}, names.resolver()).ok());
  EXPECT_EQ(names.calls, 0);
}

TEST(ParseTargets, NamesThatDoNotResolveAreErrors) {
  EXPECT_EQ(Parse({"10.0.0.1", "typo.example"}),
            "error: target \"typo.example\" (2nd): name \"typo.example\" does not resolve; correct "
            "the name or write the address");
  EXPECT_EQ(Parse("none.example"),
            "error: target \"none.example\" (1st): the name has no address; correct the name or "
            "write the address");
  FakeNames names;
  EXPECT_TRUE(absl::IsInvalidArgument(ParseTargets({"typo.example"}, names.resolver()).status()));
  const auto down = ParseTargets({"down.example"}, names.resolver());
  EXPECT_TRUE(absl::IsUnavailable(down.status()));
  EXPECT_EQ(
      Message(down.status()),
      "target \"down.example\" (1st): no name server answers; try again or write the address");
  EXPECT_FALSE(ParseTargets({"one.example"}, nullptr).ok());
  EXPECT_TRUE(ParseTargets({"10.0.0.1"}, nullptr).ok());
}

TEST(ParseTargets, RangesAreCountedBeforeTheyAreMade) {
  const auto parse = [](const Strings& texts, size_t max) {
    return ParseTargets(texts, FakeNames().resolver(), max);
  };
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
    const auto list = ParseTargets({text}, nullptr);
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
    const auto list = ParseTargets(texts, nullptr);
    ASSERT_TRUE(list.ok()) << set.ToString() << list.status();
    ASSERT_EQ(list->addresses, set);
  }
}

TEST(SystemResolver, KnowsLocalhost) {
  const auto addresses = SystemResolver()("localhost");
  ASSERT_TRUE(addresses.ok()) << addresses.status();
  for (const IpAddress& a : *addresses)
    EXPECT_TRUE(a == IpAddress::V4(0x7f000001) || a == IpAddress::V6(1)) << a.ToString();
  EXPECT_TRUE(std::is_sorted(addresses->begin(), addresses->end()));
}

}  // namespace
}  // namespace portolan
