#include "common/ops/cli_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

std::optional<int> Parse(CLI::App& app, std::vector<std::string> words) {
  words.insert(words.begin(), "program");
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  return ParseFlags(app, static_cast<int>(argv.size()), argv.data());
}

TEST(Flags, ScopeFlagsDoNotSwallowTheTargetsAfterThem) {
  CLI::App app("x", "program");
  ScopeFlags scope;
  scope.AddTo(app);
  std::vector<std::string> targets;
  app.add_option("targets", targets);
  ASSERT_EQ(Parse(app, {"--allow", "none", "--allow", "10.0.0.0/8", "192.168.0.1", "--deny",
                        "10.1.0.0/16", "192.168.0.2"}),
            std::nullopt);
  EXPECT_EQ(targets, (std::vector<std::string>{"192.168.0.1", "192.168.0.2"}));
  auto built = scope.Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_TRUE(built->Allows(*IpAddress::Parse("10.0.0.1"), 80));
  EXPECT_FALSE(built->Allows(*IpAddress::Parse("10.1.0.1"), 80));
  EXPECT_FALSE(built->Allows(*IpAddress::Parse("192.168.0.1"), 80));
}

TEST(Flags, RulesMayBeListedAndMayNamePorts) {
  CLI::App app("x", "program");
  ScopeFlags scope;
  scope.AddTo(app);
  ASSERT_EQ(Parse(app, {"--allow", "none;10.0.0.0/8 80,443", "--allow",
                        "172.16.0.1,172.16.0.2;172.16.0.3 22"}),
            std::nullopt);
  auto built = scope.Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_TRUE(built->Allows(*IpAddress::Parse("10.0.0.1"), 443));
  EXPECT_FALSE(built->Allows(*IpAddress::Parse("10.0.0.1"), 22));
  EXPECT_TRUE(built->Allows(*IpAddress::Parse("172.16.0.2"), 9999));
  EXPECT_TRUE(built->Allows(*IpAddress::Parse("172.16.0.3"), 22));
  EXPECT_FALSE(built->Allows(*IpAddress::Parse("172.16.0.3"), 23));
}

TEST(Flags, BadRulesNameTheFlag) {
  CLI::App app("x", "program");
  ScopeFlags scope;
  scope.AddTo(app);
  ASSERT_EQ(Parse(app, {"--deny", "10.0.0.0/99"}), std::nullopt);
  EXPECT_THAT(std::string(scope.Build().status().message()),
              ::testing::AllOf(HasSubstr("--deny"), HasSubstr("10.0.0.0/99")));
}

TEST(Flags, FilesHoldRules) {
  TempDirectory directory;
  const std::string path = directory.path() + "/allow";
  std::ofstream(path) << "none  # nothing but\n10.0.0.0/8 80,443\n";
  CLI::App app("x", "program");
  ScopeFlags scope;
  scope.AddTo(app);
  ASSERT_EQ(Parse(app, {"--allow-file", path}), std::nullopt);
  auto built = scope.Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_TRUE(built->Allows(*IpAddress::Parse("10.0.0.1"), 443));
  EXPECT_FALSE(built->Allows(*IpAddress::Parse("10.0.0.1"), 444));
  EXPECT_FALSE(built->Allows(*IpAddress::Parse("127.0.0.1"), 443));
}

TEST(Flags, WithoutScopeFlagsTheScopeIsTheDefault) {
  CLI::App app("x", "program");
  ScopeFlags scope;
  scope.AddTo(app);
  ASSERT_EQ(Parse(app, {}), std::nullopt);
  EXPECT_FALSE(scope.given());
  EXPECT_TRUE(scope.Build()->Allows(*IpAddress::Parse("127.0.0.1"), 1));
  EXPECT_FALSE(scope.Build()->Allows(*IpAddress::Parse("8.8.8.8"), 1));
}

TEST(Flags, EnvironmentVariablesStandInForFlags) {
  setenv("PORTOLAN_TLS_CERT", "/from/env", 1);
  setenv("PORTOLAN_ALLOW", "none;10.0.0.0/8;192.168.0.0/16 80", 1);
  CLI::App app("x", "program");
  TlsFiles tls;
  AddTlsFlags(app, &tls);
  ScopeFlags scope;
  scope.AddTo(app);
  ASSERT_EQ(Parse(app, {"--tls-key", "/from/flag"}), std::nullopt);
  unsetenv("PORTOLAN_TLS_CERT");
  unsetenv("PORTOLAN_ALLOW");
  EXPECT_EQ(tls.cert, "/from/env");
  EXPECT_EQ(tls.key, "/from/flag");
  auto built = scope.Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_TRUE(built->Allows(*IpAddress::Parse("192.168.0.1"), 80));
  EXPECT_FALSE(built->Allows(*IpAddress::Parse("192.168.0.1"), 81));
}

TEST(Flags, BadUsageIsTwoAndHelpIsZero) {
  CLI::App app("x", "program");
  LogOptions log;
  AddLogFlags(app, &log);
  EXPECT_EQ(Parse(app, {"--no-such-flag"}), 2);
  EXPECT_EQ(Parse(app, {"--log-level"}), 2);
  testing::internal::CaptureStdout();
  EXPECT_EQ(Parse(app, {"--help"}), 0);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("--log-level"));
}

}  // namespace
}  // namespace portolan
