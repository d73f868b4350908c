#include "common/net/target_parser.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "common/base/status.h"
#include "common/net/host_name.h"

namespace portolan {
namespace {

using Strings = std::vector<std::string>;

// Knows a few names.
std::vector<NameAnswer> Answers(const Strings& names) {
  const std::map<std::string, Strings> table = {
      {"one.example", {"198.18.0.1"}},
      {"two.example", {"198.18.0.2", "2001:db8::2"}},
      {"under_score.example", {"198.18.0.9"}},
  };
  std::vector<NameAnswer> answers;
  for (const std::string& name : names) {
    NameAnswer& answer = answers.emplace_back();
    const auto it = table.find(NormalisedName(name));
    if (it != table.end()) {
      for (const std::string& a : it->second) answer.addresses.push_back(*IpAddress::Parse(a));
    } else if (name == "down.example") {
      answer.problem = LookupProblem::kCouldNotAsk;
      answer.detail = "no answer from 198.18.0.53 within 5 s";
    } else {
      answer.problem =
          name == "none.example" ? LookupProblem::kNoAddress : LookupProblem::kNoSuchName;
    }
  }
  return answers;
}

absl::StatusOr<TargetList> ParseAndLookUp(const Strings& expressions,
                                          size_t max_ranges = kMaxTargetRanges) {
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseTargets(expressions, max_ranges));
  if (!parsed.problems().empty()) return parsed.problems().ToStatus();
  PORTOLAN_ASSIGN_OR_RETURN(ParsedTargets::Completed completed,
                            parsed.Complete(Answers(parsed.names()), false));
  if (!completed.problems.empty()) return completed.problems.ToStatus();
  return std::move(completed.targets);
}

std::string Show(const absl::StatusOr<TargetList>& list) {
  if (!list.ok()) return "error: " + std::string(Message(list.status()));
  std::string out = list->addresses.ToString();
  for (const auto& e : list->endpoints)
    out += (out.empty() ? "" : " ") + FormatEndpoint(e.address, e.port);
  return out;
}
std::string Parse(const Strings& expressions) { return Show(ParseAndLookUp(expressions)); }
std::string Parse(const char* expression) { return Parse(Strings{expression}); }

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

TEST(ParseTargets, NamesAreCollectedOnceAndRecorded) {
  const Strings expressions = {"one.example two.example:80",
                               "ONE.example one.example. one.example:81"};
  const auto parsed = ParseTargets(expressions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->names(), (Strings{"one.example", "two.example"}));
  EXPECT_EQ(parsed->name_uses().size(), 5u);
  EXPECT_EQ(parsed->entry_count(), 5u);
  EXPECT_TRUE(parsed->has_entry_without_port());
  const auto list = ParseAndLookUp(expressions);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(Show(list), "198.18.0.1 198.18.0.1:81 198.18.0.2:80 [2001:db8::2]:80");
  ASSERT_EQ(list->names.size(), 2u);
  EXPECT_EQ(list->names[0].name, "one.example");
  EXPECT_EQ(list->names[1].addresses.size(), 2u);
}

TEST(ParseTargets, AllBadEntriesAreFoundAtOnceWithTheirPlace) {
  const auto parsed = ParseTargets({"10.0.0.1 10.0.0.256", "one.example", "# 10.0.0.256",
                                    "\n x..y:80\n  10.0.0.0/33", "\xe2\x80\x9cten\xe2\x80\x9d"});
  ASSERT_TRUE(parsed.ok());
  const auto& first = parsed->problems().first();
  EXPECT_EQ(parsed->problems().total(), 4u);
  ASSERT_EQ(first.size(), 4u);
  EXPECT_EQ(first[0].entry, "10.0.0.256");
  EXPECT_EQ(first[0].expression, 0u);
  EXPECT_EQ(first[0].place.column, 10u);
  EXPECT_FALSE(first[0].lookup.has_value());
  EXPECT_EQ(first[1].entry, "x..y:80");
  EXPECT_EQ(first[1].expression, 3u);
  EXPECT_EQ(first[1].place.line, 2u);
  EXPECT_EQ(first[1].place.column, 2u);
  EXPECT_EQ(first[2].place.line, 3u);
  EXPECT_EQ(first[2].place.column, 3u);
  EXPECT_TRUE(first[3].at_character);
  EXPECT_EQ(first[3].expression, 4u);
  EXPECT_EQ(first[3].place.column, 1u);
}

TEST(ParseTargets, AHundredBadEntriesAreKeptAndAllAreCounted) {
  const auto parsed = ParseTargets(Strings(250, "10.0.0.256 10.0.0.1"));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->problems().first().size(), 100u);
  EXPECT_EQ(parsed->problems().total(), 250u);
  const absl::Status status = parsed->problems().ToStatus("spec.targets");
  EXPECT_EQ(Message(status).substr(0, 78),
            "250 entries cannot be used: spec.targets[0] \"10.0.0.256\": octet 256 is above 2");
  EXPECT_NE(Message(status).find("; and 245 more"), std::string::npos);
  const auto carried = ProblemsOf(status);
  ASSERT_TRUE(carried.has_value());
  EXPECT_EQ(carried->total(), 250u);
  ASSERT_EQ(carried->first().size(), 100u);
  EXPECT_EQ(carried->first()[99].expression, 99u);
  EXPECT_EQ(carried->first()[99].problem, "octet 256 is above 255");
  EXPECT_FALSE(ProblemsOf(absl::OkStatus()).has_value());
  EXPECT_FALSE(ProblemsOf(InvalidArgument("other")).has_value());
}

TEST(ParseTargets, NamesWithoutAddressesAreProblemsThatSayWhatIsKnown) {
  EXPECT_EQ(Parse({"10.0.0.1", "typo.example"}),
            "error: target \"typo.example\": there is no such name; correct it, or write the "
            "address");
  EXPECT_EQ(Parse("none.example:22"),
            "error: target \"none.example:22\": the name exists but has no address; correct it, or "
            "write the address");
  const auto down = ParseAndLookUp({"down.example"});
  EXPECT_TRUE(absl::IsUnavailable(down.status()));
  EXPECT_EQ(Message(down.status()),
            "target \"down.example\": no name server could be asked (no answer from 198.18.0.53 "
            "within 5 s), so nothing is known about the name; try again, or write the address");
  // One that is wrong makes the request wrong.
  const auto both = ParseAndLookUp({"down.example", "typo.example"});
  EXPECT_TRUE(absl::IsInvalidArgument(both.status()));
  EXPECT_EQ(ProblemsOf(both.status())->first()[0].lookup, LookupProblem::kCouldNotAsk);
  EXPECT_EQ(ProblemsOf(both.status())->first()[1].lookup, LookupProblem::kNoSuchName);
}

TEST(ParseTargets, UnresolvedNamesCanBeSkipped) {
  const auto parsed =
      ParseTargets({"one.example", "typo.example TYPO.example:80", "down.example", "10.0.0.1"});
  ASSERT_TRUE(parsed.ok());
  const auto completed = parsed->Complete(Answers(parsed->names()), true);
  ASSERT_TRUE(completed.ok());
  EXPECT_TRUE(completed->problems.empty());
  EXPECT_EQ(Show(completed->targets), "10.0.0.1,198.18.0.1");
  ASSERT_EQ(completed->targets.names.size(), 1u);
  ASSERT_EQ(completed->skipped.size(), 2u);
  EXPECT_EQ(completed->skipped[0].name, "typo.example");
  EXPECT_EQ(completed->skipped[0].problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(completed->skipped[1].name, "down.example");
  EXPECT_EQ(completed->skipped[1].problem, LookupProblem::kCouldNotAsk);
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
