#include "cli/base/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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

TEST(SplitTargets, LosesNoText) {
  for (const char* text : {"", ",", "a,,b", "1,2,3", ",10.0.0.1", "10.0.0.1,"}) {
    std::string joined;
    for (const std::string& part : SplitTargets(text)) joined += (joined.empty() ? "" : ",") + part;
    EXPECT_EQ(joined, text);
  }
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

TEST(CheckTargets, SaysWhereABadTargetStands) {
  const auto bad = CheckTargets({{"10.0.0.1", "f:1"}, {"10.0.0.999", "f:2"}});
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("f:2: "));
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("10.0.0.999"));
}

TEST(CheckTargets, TellsWhetherPortsAreNeeded) {
  EXPECT_TRUE(CheckTargets({{"10.0.0.1", ""}, {"10.0.0.2:80", ""}})->without_port);
  EXPECT_FALSE(CheckTargets({{"10.0.0.2:80", ""}, {"host.example:22", ""}})->without_port);
  EXPECT_TRUE(CheckTargets({{"host.example", ""}})->without_port);
}

}  // namespace
}  // namespace portolan
