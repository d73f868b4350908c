#include "common/ops/scope_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ScopeFilesTest : public ::testing::Test {
 protected:
  // Files of a mounted ConfigMap: allow -> ..data/allow, and ..data -> the directory of the day.
  void SetUp() override {
    Replace("none\n10.0.0.0/8\n", "");
    fs::create_symlink("..data/allow", directory_.path() + "/allow");
    fs::create_symlink("..data/deny", directory_.path() + "/deny");
    std::vector<std::string> words = {"program", "--allow-file", directory_.path() + "/allow",
                                      "--deny-file", directory_.path() + "/deny"};
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    CLI::App app("x", "program");
    flags_.AddTo(app);
    ASSERT_EQ(ParseFlags(app, static_cast<int>(argv.size()), argv.data()), std::nullopt);
    files_.emplace(flags_, flags_.Build().value());
  }
  void Replace(const std::string& allow, const std::string& deny) {
    const std::string day = "..day" + std::to_string(++days_);
    fs::create_directory(directory_.path() + "/" + day);
    std::ofstream(directory_.path() + "/" + day + "/allow") << allow;
    std::ofstream(directory_.path() + "/" + day + "/deny") << deny;
    fs::create_symlink(day, directory_.path() + "/..new");
    fs::rename(directory_.path() + "/..new", directory_.path() + "/..data");
  }
  // As many looks as a change needs to be taken; what the last of them says.
  absl::StatusOr<std::optional<Scope>> LookTwice() {
    const auto first = files_->Look();
    EXPECT_TRUE(first.ok()) << first.status();
    EXPECT_FALSE(first->has_value()) << "files that may still be written are taken";
    return files_->Look();
  }
  static bool Allows(const Scope& scope, const char* address) {
    return scope.Allows(*IpAddress::Parse(address), 80);
  }

  TempDirectory directory_;
  int days_ = 0;
  ScopeFlags flags_;
  std::optional<ScopeFiles> files_;
};

TEST_F(ScopeFilesTest, SameFilesAreNoNews) {
  for (int i = 0; i < 4; ++i) {
    const auto scope = files_->Look();
    ASSERT_TRUE(scope.ok()) << scope.status();
    EXPECT_FALSE(scope->has_value());
  }
  EXPECT_FALSE(files_->settling());
}

TEST_F(ScopeFilesTest, AConfigMapThatIsReplacedIsTaken) {
  (void)LookTwice();
  Replace("none\n10.0.0.0/8\n", "10.9.0.0/16\n");
  const auto scope = LookTwice();
  ASSERT_TRUE(scope.ok()) << scope.status();
  ASSERT_TRUE(scope->has_value());
  EXPECT_TRUE(Allows(**scope, "10.8.0.1"));
  EXPECT_FALSE(Allows(**scope, "10.9.0.1"));
  EXPECT_FALSE(files_->Look()->has_value()) << "taken twice";
}

TEST_F(ScopeFilesTest, AFileThatIsWrittenInPlaceIsTaken) {
  (void)LookTwice();
  std::ofstream(directory_.path() + "/deny", std::ios::app) << "10.9.0.0/16\n";
  EXPECT_FALSE(files_->Look()->has_value());
  EXPECT_TRUE(files_->settling());
  std::ofstream(directory_.path() + "/deny", std::ios::app) << "10.10.0.0/16\n";
  const auto scope = LookTwice();
  ASSERT_TRUE(scope.ok()) << scope.status();
  ASSERT_TRUE(scope->has_value());
  EXPECT_FALSE(Allows(**scope, "10.10.0.1"));
}

TEST_F(ScopeFilesTest, WhatChangedBeforeTheFirstLookIsTaken) {
  Replace("none\n10.0.0.0/8\n", "10.9.0.0/16\n");
  const auto scope = LookTwice();
  ASSERT_TRUE(scope.ok()) << scope.status();
  EXPECT_TRUE(scope->has_value());
}

TEST_F(ScopeFilesTest, WrongRulesChangeNothingAndAreToldOnce) {
  (void)LookTwice();
  Replace("none\n10.0.0.0/8\n", "10.9.0.0/99\n");
  EXPECT_THAT(std::string(LookTwice().status().message()), HasSubstr("10.9.0.0/99"));
  EXPECT_TRUE(files_->Look().ok());
  Replace("none\n10.0.0.0/8\n", "10.9.0.0/16\n");
  const auto scope = LookTwice();
  ASSERT_TRUE(scope.ok()) << scope.status();
  EXPECT_TRUE(scope->has_value());
}

TEST_F(ScopeFilesTest, FilesThatAreGoneTakeNoRuleAway) {
  (void)LookTwice();
  fs::remove(directory_.path() + "/..data");
  EXPECT_FALSE(LookTwice().ok());
  EXPECT_TRUE(files_->Look().ok());
}

TEST_F(ScopeFilesTest, AFileThatHasLostAllItsBytesTakesNoRuleAway) {
  Replace("none\n10.0.0.0/8\n", "10.9.0.0/16\n");
  ASSERT_TRUE(LookTwice()->has_value());
  Replace("none\n10.0.0.0/8\n", "");
  EXPECT_THAT(std::string(LookTwice().status().message()), HasSubstr("deny: is empty"));
  Replace("none\n10.0.0.0/8\n", "# nothing\n");
  const auto scope = LookTwice();
  ASSERT_TRUE(scope.ok()) << scope.status();
  ASSERT_TRUE(scope->has_value());
  EXPECT_TRUE(Allows(**scope, "10.9.0.1"));
}

TEST_F(ScopeFilesTest, AFileThatMayBeReadLaterIsTakenThen) {
  (void)LookTwice();
  const std::string deny = directory_.path() + "/deny";
  fs::remove(deny);
  fs::create_directory(deny);  // nobody can read that as a file, not even root
  EXPECT_FALSE(LookTwice().ok());
  EXPECT_FALSE(files_->settling()) << "looks again at once";
  EXPECT_TRUE(files_->Look().ok()) << "told twice";
  fs::remove(deny);
  std::ofstream(deny) << "10.9.0.0/16\n";
  const auto scope = LookTwice();
  ASSERT_TRUE(scope.ok()) << scope.status();
  ASSERT_TRUE(scope->has_value());
}

TEST_F(ScopeFilesTest, CommentsAreNoChangeOfTheScope) {
  (void)LookTwice();
  Replace("# by hand\nnone\n10.0.0.0/8\n", "");
  const auto scope = LookTwice();
  ASSERT_TRUE(scope.ok()) << scope.status();
  EXPECT_FALSE(scope->has_value());
}

}  // namespace
}  // namespace portolan
