#include "cli/render/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace portolan {
namespace {

class OutputTest : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as the program does
    std::string directory = testing::TempDir() + "outputXXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    directory_ = directory;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string Read(const std::string& name) const {
    std::ifstream in(directory_ + "/" + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  size_t Files() const {
    size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory_)) ++n;
    return n;
  }
  std::string directory_;
};

TEST_F(OutputTest, AFileAppearsWholeOrNotAtAll) {
  std::ofstream(directory_ + "/r") << "old";
  {
    auto file = FileOutput::Create(directory_ + "/r");
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Write(std::string(200'000, 'x')).ok());
    EXPECT_EQ(Read("r"), "old");
  }
  EXPECT_EQ(Read("r"), "old");  // dropped without Close
  EXPECT_EQ(Files(), 1u);
  auto file = FileOutput::Create(directory_ + "/r");
  ASSERT_TRUE((*file)->Write("new").ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(Read("r"), "new");
  file->reset();
  EXPECT_EQ(Files(), 1u);
}

TEST_F(OutputTest, ADroppedFileWritesNothingIntoALaterDescriptor) {
  auto dropped = FileOutput::Create(directory_ + "/a");
  ASSERT_TRUE((*dropped)->Write("secret").ok());
  dropped->reset();
  EXPECT_EQ(Files(), 0u);
}

TEST_F(OutputTest, RefusesADirectoryAndAMissingParent) {
  EXPECT_EQ(FileOutput::Create(directory_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FileOutput::Create(directory_ + "/no/file").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(OutputTest, ADeviceIsWrittenInPlace) {
  auto file = FileOutput::Create("/dev/null");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Write("x").ok());
  ASSERT_TRUE((*file)->Close().ok());
  struct stat info;
  ASSERT_EQ(stat("/dev/null", &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
}

TEST_F(OutputTest, AReaderThatHasGoneIsCancelled) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  FdOutput out(ends[1], "standard output");
  close(ends[0]);
  EXPECT_TRUE(out.Write("x").ok());  // buffered
  EXPECT_EQ(out.Close().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(out.Write("y").code(), absl::StatusCode::kCancelled);
  close(ends[1]);
}

TEST_F(OutputTest, AFullDiskIsSaid) {
  const int fd = open("/dev/full", O_WRONLY);
  if (fd < 0) GTEST_SKIP() << "no /dev/full here";
  FdOutput out(fd, "standard output");
  ASSERT_TRUE(out.Write("x").ok());
  const absl::Status status = out.Close();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(status.message()).find("No space left"), std::string::npos);
  close(fd);
}

TEST_F(OutputTest, ANonBlockingPipeLosesNothing) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const std::string text(300'000, 'x');  // more than a pipe holds
  size_t got = 0;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    FdOutput out(ends[1], "pipe");
    const bool ok = out.Write(text).ok() && out.Close().ok();
    _exit(ok ? 0 : 1);
  }
  close(ends[1]);
  fcntl(ends[0], F_SETFL, 0);
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) got += static_cast<size_t>(n);
  EXPECT_EQ(got, text.size());
  close(ends[0]);
}

}  // namespace
}  // namespace portolan
