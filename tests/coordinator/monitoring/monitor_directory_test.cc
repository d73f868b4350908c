#include "coordinator/monitoring/monitor_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/status.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

using testing::HasSubstr;

class ReadMonitorFilesTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
  }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string ListOf(const std::string& file) {
    Write("web.yaml", "spec: {targetsFrom: {file: \"" + file + "\"}}\n");
    const auto documents = ReadMonitorFiles(directory_.path());
    if (!documents.ok()) return std::string(Message(documents.status()));
    return documents->at(0).target_files.at(file);
  }
  TempDirectory directory_;
};

TEST_F(ReadMonitorFilesTest, ReadsTheListsBesideTheDocuments) {
  std::filesystem::create_directory(Path("lists"));
  Write("lists/hosts.txt", "10.0.0.1\n");
  EXPECT_EQ(ListOf("lists/hosts.txt"), "10.0.0.1\n");
  // As a ConfigMap is mounted.
  std::filesystem::create_symlink("lists/hosts.txt", Path("link.txt"));
  EXPECT_EQ(ListOf("link.txt"), "10.0.0.1\n");
  // Another list is another document.
  const auto before = ReadMonitorFiles(directory_.path());
  Write("lists/hosts.txt", "10.0.0.2\n");
  EXPECT_FALSE(*before == *ReadMonitorFiles(directory_.path()));
}

TEST_F(ReadMonitorFilesTest, ReadsNoListElsewhere) {
  TempDirectory elsewhere;
  std::ofstream(elsewhere.path() + "/secret") << "root:x:0\n";
  std::filesystem::create_symlink(elsewhere.path() + "/secret", Path("link.txt"));
  const std::string up = "../" + std::filesystem::path(elsewhere.path()).filename().string();
  for (const std::string& file :
       {elsewhere.path() + "/secret", up + "/secret", std::string("link.txt")}) {
    EXPECT_THAT(ListOf(file), HasSubstr("lists are read from")) << file;
  }
  EXPECT_THAT(ListOf("missing.txt"), HasSubstr("missing.txt"));
}

}  // namespace
}  // namespace portolan
