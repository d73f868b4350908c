#include "cli/base/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(SplitTargets, KeepsOctetListsTogether) {
  EXPECT_THAT(SplitTargets("10.0.0.1"), ElementsAre("10.0.0.1"));
  EXPECT_THAT(SplitTargets("10.0.0.1,10.0.0.2"), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_THAT(SplitTargets("10.0.0-5.1,3-4,10.1.0.0/16"),
              ElementsAre("10.0.0-5.1,3-4", "10.1.0.0/16"));
  EXPECT_THAT(SplitTargets("10.0.1,2.3,10.0.0.5"), ElementsAre("10.0.1,2.3", "10.0.0.5"));
  EXPECT_THAT(SplitTargets("db.example,10.0.0.0/8,2001:db8::/64,h"),
              ElementsAre("db.example", "10.0.0.0/8", "2001:db8::/64", "h"));
  EXPECT_THAT(SplitTargets("10.0.0.1-10.0.0.9,10.0.1.*"),
              ElementsAre("10.0.0.1-10.0.0.9", "10.0.1.*"));
  EXPECT_THAT(SplitTargets("10.0.0.1:80,[2001:db8::1]:443"),
              ElementsAre("10.0.0.1:80", "[2001:db8::1]:443"));
}

TEST(SplitTargets, SuperfluousCommasAndBlanksAreIgnored) {
  EXPECT_THAT(SplitTargets("10.0.0.2, 10.0.0.3,"), ElementsAre("10.0.0.2", "10.0.0.3"));
  EXPECT_THAT(SplitTargets(","), ElementsAre());
  EXPECT_THAT(SplitTargets("10.0.0.1 - 10.0.0.9"), ElementsAre("10.0.0.1-10.0.0.9"));
}

TEST(TargetArguments, ADashThatStandsAloneJoinsItsNeighbours) {
  const auto texts = TargetArguments({"a", "10.0.0.1", "-", "10.0.0.9", "b"}, "");
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(texts[1].text, "10.0.0.1 - 10.0.0.9");
  EXPECT_EQ(texts[1].origin, "argument 2");
  EXPECT_EQ(texts[2].origin, "argument 5");
  EXPECT_EQ(TargetArguments({"a"}, "--exclude")[0].origin, "--exclude");
}

TEST(SplitList, RefusesEmptyItems) {
  EXPECT_THAT(*SplitList("a,b"), ElementsAre("a", "b"));
  EXPECT_FALSE(SplitList("a,,b").ok());
  EXPECT_FALSE(SplitList("").ok());
  EXPECT_FALSE(SplitList("a,").ok());
}

TEST(ReadTargetFile, SkipsCommentsAndRemembersLines) {
  std::istringstream in("# office\n10.0.0.1  # gateway\r\n\n\t10.0.0.2 10.0.0.3\nlast");
  std::vector<TargetText> targets;
  ASSERT_TRUE(ReadTargetFile("-", in, 1000, &targets).ok());
  ASSERT_EQ(targets.size(), 3u);
  EXPECT_EQ(targets[0].text, "10.0.0.1");
  EXPECT_EQ(targets[0].origin, "standard input:2");
  EXPECT_EQ(targets[1].text, "10.0.0.2 10.0.0.3");
  EXPECT_EQ(targets[2].text, "last");
  EXPECT_EQ(targets[2].origin, "standard input:5");
}

TEST(ReadTargetFile, RefusesWhatItCannotReadOrHold) {
  std::istringstream in("10.0.0.1\n10.0.0.2\n");
  std::vector<TargetText> targets;
  EXPECT_THAT(std::string(ReadTargetFile("-", in, 10, &targets).message()), HasSubstr("more than"));
  EXPECT_THAT(std::string(ReadTargetFile("/no/such/file", in, 10, &targets).message()),
              HasSubstr("/no/such/file"));
  EXPECT_FALSE(ReadTargetFile("/", in, 10, &targets).ok());
}

std::vector<TargetText> Lines(const std::string& content) {
  std::istringstream in(content);
  std::vector<TargetText> targets;
  EXPECT_TRUE(ReadTargetFile("-", in, 1 << 20, &targets).ok());
  return targets;
}
std::string Problems(const std::vector<TargetText>& texts) {
  const auto shape = CheckTargets(texts);
  EXPECT_TRUE(shape.ok());
  std::vector<ShownProblem> shown;
  for (const TargetProblem& p : shape->problems.first()) shown.push_back(ShowProblem(p, texts));
  return shown.empty() ? "" : TargetProblemsText(shown, shape->problems.total());
}

TEST(CheckTargets, SaysOfAllBadTargetsWhereTheyStand) {
  EXPECT_EQ(Problems({{"10.0.0.1", "f:1"}, {"10.0.0.999", "f:2"}}),
            "1 target cannot be used:\nf:2: \"10.0.0.999\": octet 999 is above 255");
  // Five bad ones among good ones.
  std::string list;
  for (int i = 2; i < 14; ++i) list += "127.0.1." + std::to_string(i) + "\n";
  list +=
      "web-01.example..test\n256.1.1.1\n127.0.1.14\n10.0.0.0/33\nhttp://x/\n10.0.0.5-10.0.0.1\n";
  const std::string problems = Problems(Lines(list));
  EXPECT_THAT(problems, testing::StartsWith("5 targets cannot be used:\n"));
  for (const char* part :
       {"standard input:13: \"web-01.example..test\": ", "standard input:14: \"256.1.1.1\": ",
        "standard input:16: \"10.0.0.0/33\": ", "standard input:17: \"http://x/\": ",
        "standard input:18: \"10.0.0.5-10.0.0.1\": "}) {
    EXPECT_THAT(problems, HasSubstr(part));
  }
}

TEST(CheckTargets, TellsAHundredAndHowManyMore) {
  std::string list;
  for (int i = 0; i < 130; ++i) list += "10.0.0.256\n";
  const std::string problems = Problems(Lines(list));
  EXPECT_THAT(problems, HasSubstr("standard input:100: "));
  EXPECT_THAT(problems, Not(HasSubstr("standard input:101: ")));
  EXPECT_THAT(problems, testing::EndsWith("\nand 30 more"));
}

TEST(CheckTargets, ListsAsPeopleWriteThem) {
  for (const std::string& list :
       {std::string("\xef\xbb\xbf"
                    "127.0.0.1\n127.0.0.2\n"),
        std::string("\xff\xfe"
                    "1\0"
                    "2\0"
                    "7\0"
                    ".\0"
                    "0\0"
                    ".\0"
                    "0\0"
                    ".\0"
                    "1\0\n\0",
                    22),
        std::string("127.0.0.1\xc2\xa0\n127.0.0.2\xe2\x80\x8b\n"),
        std::string("127.0.0.1,\n127.0.0.2,\n"), std::string("127.0.0.1 - 127.0.0.5\n"),
        std::string("127.0.0.2, 127.0.0.3\n"), std::string("web_1.test\nok.test\n")}) {
    EXPECT_EQ(Problems(Lines(list)), "") << testing::PrintToString(list);
  }
}

TEST(CheckTargets, NamesTheCharacterAndItsLineAndColumn) {
  EXPECT_EQ(
      Problems(Lines("127.0.0.1\n# x\n  127.0.\xe2\x80\x9c"
                     "0.1\n")),
      "1 target cannot be used:\nstandard input:3:9: \"127.0.\\xe2\\x80\\x9c0.1\": U+201C is a "
      "quotation mark; write the entry without");
  EXPECT_THAT(Problems(Lines("b\xc3\xbc"
                             "cher.example\n")),
              HasSubstr("xn-- form"));
}

TEST(CheckTargets, TellsWhetherPortsAreNeeded) {
  EXPECT_TRUE(CheckTargets({{"10.0.0.1", ""}, {"10.0.0.2:80", ""}})->without_port);
  EXPECT_FALSE(CheckTargets({{"10.0.0.2:80", ""}, {"host.example:22", ""}})->without_port);
  EXPECT_TRUE(CheckTargets({{"host.example", ""}})->without_port);
}

}  // namespace
}  // namespace portolan
