#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/base/status.h"
#include "common/scope/scope.h"

namespace portolan {
namespace {

std::string Rule(std::string_view text) {
  const auto rule = ParseScopeRule(text);
  if (!rule.ok()) return "error: " + std::string(Message(rule.status()));
  return rule->addresses.ToString() + (rule->ports.empty() ? "" : " on " + rule->ports.ToString());
}

TEST(ParseScopeRule, UnderstandsEveryForm) {
  EXPECT_EQ(Rule("10.0.0.0/8"), "10.0.0.0/8");
  EXPECT_EQ(Rule("  10.0.0.1\t# gateway"), "10.0.0.1");
  EXPECT_EQ(Rule("2001:db8::/32 80,443"), "2001:db8::/32 on 80,443");
  EXPECT_EQ(Rule("[2001:db8::1]"), "2001:db8::1");
  EXPECT_EQ(Rule("10.0.0.1-10.0.0.9   22"), "10.0.0.1-10.0.0.9 on 22");
  EXPECT_EQ(Rule("2001:db8::1-2001:db8::9"), "2001:db8::1-2001:db8::9");
  EXPECT_EQ(Rule("10.0.0-1.*"), "10.0.0.0/23");
  EXPECT_EQ(Rule("10.0.0.0/8 22, 80 - 90"), "10.0.0.0/8 on 22,80-90");
  EXPECT_EQ(Rule("10.0.0.0/8 ssh"), "10.0.0.0/8 on 22");
  EXPECT_EQ(Rule("* 25"), "0.0.0.0/0,::/0 on 25");
  EXPECT_EQ(Rule("::ffff:10.0.0.0/104"), "10.0.0.0/8");
  EXPECT_EQ(ParseScopeRule(" 10.0.0.0/8  22 # x")->text, "10.0.0.0/8  22");
  EXPECT_TRUE(ParseScopeRule("none")->is_none());
  EXPECT_FALSE(ParseScopeRule("*")->is_none());
}

TEST(ParseScopeRule, ErrorsNameTheRuleAndTheRemedy) {
  EXPECT_EQ(Rule("10.0.0.1/8"),
            "error: scope rule \"10.0.0.1/8\": bits are set beyond the mask; write 10.0.0.0/8");
  EXPECT_EQ(Rule("10.0.0.0/33"),
            "error: scope rule \"10.0.0.0/33\": mask is above 32; write /0 to /32");
  EXPECT_EQ(Rule(" # x"),
            "error: scope rule \"\": empty; write such as 10.0.0.0/8 or 10.0.0.0/8 80,443");
  EXPECT_EQ(Rule("10.0.0.1:22"),
            "error: scope rule \"10.0.0.1:22\": write ports after a blank: 10.0.0.1 80,443");
  EXPECT_EQ(Rule("[::1]:22"),
            "error: scope rule \"[::1]:22\": write ports after a blank: 10.0.0.1 80,443");
  EXPECT_EQ(Rule("localhost"),
            "error: scope rule \"localhost\": a rule holds an address, a network or a range, not a "
            "name; write such as 10.0.0.0/8");
  EXPECT_EQ(
      Rule("10.0.0.0/8 90-80"),
      "error: scope rule \"10.0.0.0/8 90-80\": port range \"90-80\": first port is above last");
  EXPECT_EQ(Rule("10.0.0.0/8 10.0.0.0/9").substr(0, 5), "error");
  for (const char* text : {"*.*.*.1", "none 22", "NONE", "10.0.0.0/8,10.0.0.1", "10.0.0.1,10.0.0.2",
                           "10.0.0", "fe80::1%lo", "::/129", "-", "10.0.0.9-10.0.0.1",
                           "10.0.0.1-::1", "10.0.0.0/8 ,", "!10.0.0.0/8", ":", "a:b:c"}) {
    EXPECT_FALSE(ParseScopeRule(text).ok()) << text;
  }
  EXPECT_FALSE(ParseScopeRule(std::string_view("10.0.0.0/8\0 22", 14)).ok());
}

TEST(ReadScopeFile, ReadsRulesAndNamesTheLineOfAnError) {
  const std::string path = ::testing::TempDir() + "/portolan_scope_" + std::to_string(getpid());
  const auto write = [&path](std::string_view content) {
    std::ofstream(path, std::ios::binary) << content;
  };

  write("# site\r\n10.0.0.0/8\r\n\n  192.168.0.1 22 # ssh\nnone");
  const auto rules = ReadScopeFile(path);
  ASSERT_TRUE(rules.ok()) << rules.status();
  ASSERT_EQ(rules->size(), 3u);
  EXPECT_EQ((*rules)[1].text, "192.168.0.1 22");
  EXPECT_TRUE((*rules)[2].is_none());

  write("10.0.0.0/8\n\n10.0.0.0/40\n");
  EXPECT_EQ(Message(ReadScopeFile(path).status()),
            "scope file \"" + path +
                "\" line 3: scope rule \"10.0.0.0/40\": mask is above 32; write /0 to /32");

  write("");
  EXPECT_TRUE(ReadScopeFile(path)->empty());
  std::filesystem::remove(path);
  EXPECT_TRUE(absl::IsNotFound(ReadScopeFile(path).status()));
  EXPECT_NE(Message(ReadScopeFile(path).status()).find(path), std::string_view::npos);
  EXPECT_FALSE(ReadScopeFile(::testing::TempDir()).ok()) << "a directory";
}

}  // namespace
}  // namespace portolan
