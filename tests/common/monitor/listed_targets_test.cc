#include "common/monitor/listed_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "common/monitor/monitor_file.h"

namespace portolan {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string Wrong(const std::string& text) {
  const auto read = ListedTargets::Read("lists/hosts.txt", text);
  EXPECT_FALSE(read.ok()) << text;
  return std::string(Message(read.status()));
}

TEST(ListedTargets, ReadsTheSyntaxOfLists) {
  for (const char* text : {"10.0.0.1\n",
                           "\xEF\xBB\xBF"
                           "10.0.0.0/24, host.example:22 # both\r\n",
                           "10.0.0.1 - 10.0.0.9,\n", "a_b.example"}) {
    const auto read = ListedTargets::Read("f", text);
    EXPECT_TRUE(read.ok()) << text << ": " << read.status();
  }
}

TEST(ListedTargets, SaysAllThatIsWrongByLineAndColumn) {
  EXPECT_THAT(Wrong("10.0.0.1\n10.0.0.0/33\n  10.0.0.256\n"),
              AllOf(HasSubstr("lists/hosts.txt:2:1: "), HasSubstr("lists/hosts.txt:3:3: ")));
  EXPECT_THAT(Wrong("# only a comment\n"), HasSubstr("no target in it"));
  EXPECT_THAT(Wrong(""), HasSubstr("no target in it"));
  std::string many;
  for (int i = 0; i < 150; ++i) many += "10.0.0.0/33\n";
  EXPECT_THAT(Wrong(many),
              AllOf(HasSubstr(":100:1: "), Not(HasSubstr(":101:1: ")), HasSubstr("and 50 more")));
}

TEST(ListedTargets, AreComparedByTheirText) {
  const ListedTargets a = *ListedTargets::Read("f", "10.0.0.1\n10.0.0.2\n");
  EXPECT_EQ(a, ListedTargets::Stored(a.text()));
  EXPECT_EQ(a.digest(), ListedTargets::Stored(a.text()).digest());
  const ListedTargets b = *ListedTargets::Read("f", "10.0.0.2 # here\n10.0.0.3");
  EXPECT_FALSE(a == b);
  EXPECT_NE(a.digest(), b.digest());
  EXPECT_THAT(b.DiffFrom(a, 5),
              ElementsAre("- spec.targetsFrom: 10.0.0.1", "+ spec.targetsFrom: 10.0.0.3"));
  EXPECT_THAT(a.DiffFrom(a, 5), IsEmpty());
  EXPECT_TRUE(ListedTargets().empty());
  EXPECT_EQ(ListedTargets().digest(), "");
  std::string many;
  for (int i = 1; i < 10; ++i) many += "10.0.0." + std::to_string(i) + "\n";
  EXPECT_THAT(ListedTargets::Stored(many).DiffFrom(ListedTargets(), 2),
              ElementsAre("+ spec.targetsFrom: 10.0.0.1", "+ spec.targetsFrom: 10.0.0.2",
                          "+ spec.targetsFrom: 7 more lines"));
}

constexpr const char* kYaml = R"(apiVersion: portolan/v1
kind: Monitor
metadata: {name: web}
spec:
  targetsFrom: {file: lists/hosts.txt}
  vantages: [{name: in, role: inside}]
  schedule: {every: 10m}
)";

TEST(ListedTargets, ADocumentNamesItsFile) {
  const MonitorFile file = ParseMonitors(kYaml);
  ASSERT_TRUE(file.problems.empty()) << file.problems[0].message;
  MonitorSpec spec = file.monitors[0].spec;
  EXPECT_EQ(spec.targets_file, "lists/hosts.txt");
  EXPECT_TRUE(spec.targets.empty());
  EXPECT_THAT(TargetFilesOf(std::string(kYaml) + "---\n" + kYaml), ElementsAre("lists/hosts.txt"));
  EXPECT_EQ(ParseMonitors(MonitorYaml(spec)).monitors[0].spec, spec);
  const std::string digest = MonitorDigest(spec);
  spec.listed = ListedTargets::Stored("10.0.0.1");
  EXPECT_TRUE(CheckMonitor(spec).ok()) << CheckMonitor(spec);
  EXPECT_NE(MonitorDigest(spec), digest);
  EXPECT_LT(MonitorYaml(spec).size(), 1'000u);
}

TEST(ListedTargets, ADocumentHasTargetsOrAFile) {
  std::string yaml = kYaml;
  yaml.replace(yaml.find("  targetsFrom"),
               std::string("  targetsFrom: {file: lists/hosts.txt}\n").size(), "");
  const MonitorFile file = ParseMonitors(yaml);
  ASSERT_EQ(file.problems.size(), 1u);
  EXPECT_THAT(file.problems[0].message,
              AllOf(HasSubstr("no \"targets\""), HasSubstr("targetsFrom")));
  EXPECT_EQ(file.problems[0].line, 5);
}

}  // namespace
}  // namespace portolan
