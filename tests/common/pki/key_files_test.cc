#include "common/pki/key_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class KeyFilesTest : public testing::Test {
 protected:
  KeyFilesTest() {
    std::string pattern = fs::temp_directory_path() / "portolan-keys-XXXXXX";
    PORTOLAN_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    umask_ = ::umask(0);  // the worst one
  }
  ~KeyFilesTest() override {
    ::umask(umask_);
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
  std::string Path(const std::string& name) const { return directory_ / name; }
  static mode_t Mode(const std::string& path) {
    struct stat s {};
    return ::lstat(path.c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_))
      names.push_back(entry.path().filename());
    return names;
  }

  fs::path directory_;
  mode_t umask_;
};

TEST_F(KeyFilesTest, SecretsAreForTheirOwnerOnly) {
  ASSERT_TRUE(WriteKeyFiles({{Path("a.key"), "secret", true}, {Path("a.pem"), "public"}}, {}).ok());
  EXPECT_EQ(Mode(Path("a.key")), 0600u);
  EXPECT_EQ(Mode(Path("a.pem")), 0644u);
  EXPECT_EQ(*ReadKeyFile(Path("a.key")), "secret");
  EXPECT_THAT(Names(), UnorderedElementsAre("a.key", "a.pem"));
}

TEST_F(KeyFilesTest, ATightUmaskHidesNoCertificateFromItsProgram) {
  ::umask(0777);
  ASSERT_TRUE(WriteKeyFiles({{Path("a.key"), "secret", true}, {Path("a.pem"), "public"}}, {}).ok());
  EXPECT_EQ(Mode(Path("a.key")), 0600u);
  EXPECT_EQ(Mode(Path("a.pem")), 0644u);
}

TEST_F(KeyFilesTest, NothingIsReplacedUnlessAsked) {
  ASSERT_TRUE(WriteKeyFiles({{Path("a.pem"), "old"}}, {}).ok());
  const absl::Status status =
      WriteKeyFiles({{Path("a.key"), "new", true}, {Path("a.pem"), "new"}}, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(Message(status)), HasSubstr(Path("a.pem")));
  EXPECT_THAT(std::string(Message(status)), HasSubstr("--force"));
  EXPECT_EQ(*ReadKeyFile(Path("a.pem")), "old");
  EXPECT_THAT(Names(), UnorderedElementsAre("a.pem"));  // not half of them

  KeyFileOptions options;
  options.overwrite = true;
  ASSERT_TRUE(WriteKeyFiles({{Path("a.key"), "new", true}, {Path("a.pem"), "new"}}, options).ok());
  EXPECT_EQ(*ReadKeyFile(Path("a.pem")), "new");
  EXPECT_THAT(Names(), UnorderedElementsAre("a.key", "a.pem"));
}

TEST_F(KeyFilesTest, ALinkIsReplacedAndNotFollowed) {
  ASSERT_TRUE(WriteKeyFiles({{Path("elsewhere"), "theirs"}}, {}).ok());
  fs::create_symlink(Path("elsewhere"), Path("a.key"));
  fs::create_symlink(Path("nowhere"), Path("b.key"));
  EXPECT_FALSE(WriteKeyFiles({{Path("a.key"), "x", true}}, {}).ok());
  EXPECT_FALSE(WriteKeyFiles({{Path("b.key"), "x", true}}, {}).ok());
  KeyFileOptions options;
  options.overwrite = true;
  ASSERT_TRUE(WriteKeyFiles({{Path("a.key"), "ours", true}}, options).ok());
  EXPECT_EQ(*ReadKeyFile(Path("elsewhere")), "theirs");
  EXPECT_EQ(*ReadKeyFile(Path("a.key")), "ours");
  EXPECT_FALSE(fs::is_symlink(Path("a.key")));
}

TEST_F(KeyFilesTest, AnOpenKeyOfOldIsClosedByItsSuccessor) {
  std::ofstream(Path("a.key")) << "old";
  ::chmod(Path("a.key").c_str(), 0666);
  KeyFileOptions options;
  options.overwrite = true;
  ASSERT_TRUE(WriteKeyFiles({{Path("a.key"), "new", true}}, options).ok());
  EXPECT_EQ(Mode(Path("a.key")), 0600u);
}

TEST_F(KeyFilesTest, FailuresNameTheFileAndLeaveNothing) {
  const absl::Status status =
      WriteKeyFiles({{Path("a.key"), "x", true}, {Path("none/a.pem"), "x"}}, {});
  EXPECT_THAT(std::string(Message(status)), HasSubstr("none/a.pem"));
  EXPECT_THAT(Names(), testing::IsEmpty());
  EXPECT_EQ(ReadKeyFile(Path("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(KeyFilesTest, DirectoriesAreMadeForTheirOwnerOnly) {
  ASSERT_TRUE(MakeKeyDirectory(Path("a/b/c"), {}).ok());
  EXPECT_EQ(Mode(Path("a")), 0700u);
  EXPECT_EQ(Mode(Path("a/b/c")), 0700u);
  ::chmod(Path("a").c_str(), 0755);
  ASSERT_TRUE(MakeKeyDirectory(Path("a"), {}).ok());  // somebody chose that
  EXPECT_EQ(Mode(Path("a")), 0755u);
  ASSERT_TRUE(MakeKeyDirectory(Path("a/b/"), {}).ok());
  ASSERT_TRUE(MakeKeyDirectory(".", {}).ok());
  std::ofstream(Path("file")) << "x";
  EXPECT_FALSE(MakeKeyDirectory(Path("file"), {}).ok());
  EXPECT_FALSE(MakeKeyDirectory("", {}).ok());
}

TEST_F(KeyFilesTest, OwnersAreNamesOrNumbers) {
  EXPECT_EQ(ParseOwner("root")->first, 0u);
  EXPECT_EQ(ParseOwner("0")->second, 0u);
  EXPECT_EQ(ParseOwner("654321")->first, 654321u);
  EXPECT_FALSE(ParseOwner("no such user").ok());
  EXPECT_FALSE(ParseOwner("").ok());
  KeyFileOptions options;
  options.owner = std::pair<uid_t, gid_t>(654321, 654321);
  const absl::Status status = WriteKeyFiles({{Path("a.key"), "x", true}}, options);
  if (::geteuid() != 0) {
    EXPECT_THAT(std::string(Message(status)), HasSubstr("--owner"));
    return;
  }
  ASSERT_TRUE(status.ok()) << status;
  struct stat s {};
  ASSERT_EQ(::stat(Path("a.key").c_str(), &s), 0);
  EXPECT_EQ(s.st_uid, 654321u);
  EXPECT_EQ(s.st_mode & 07777, 0600u);
  ASSERT_TRUE(MakeKeyDirectory(Path("theirs/too"), options).ok());
  for (const char* name : {"theirs", "theirs/too"}) {
    ASSERT_EQ(::stat(Path(name).c_str(), &s), 0);
    EXPECT_EQ(s.st_uid, 654321u);
    EXPECT_EQ(s.st_mode & 07777, 0700u);
  }
  ASSERT_TRUE(MakeKeyDirectory(Path("."), options).ok());
  ASSERT_EQ(::stat(Path(".").c_str(), &s), 0);
  EXPECT_EQ(s.st_uid, 0u);  // was there
}

}  // namespace
}  // namespace portolan
