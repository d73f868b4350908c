// What the programs tell systemd, as real processes: over a socket of this test's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "tests/integration/process.h"

namespace portolan::integration {
namespace {

class ToldTest : public testing::Test {
 protected:
  ToldTest() {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, dir_.path("notify").c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~ToldTest() override { ::close(fd_); }

  Process& Start(const std::string& program, std::vector<std::string> flags,
                 const std::string& watchdog_us = "2000000") {
    flags.insert(flags.begin(), std::string(PORTOLAN_BIN_DIR) + "/" + program);
    Process::Options options;
    options.env["NOTIFY_SOCKET"] = dir_.path("notify");
    options.env["WATCHDOG_USEC"] = watchdog_us;
    process_ = std::make_unique<Process>(flags, dir_.path(program), options);
    return *process_;
  }
  // True once what was told has `text` in it, `count` times.
  bool Told(const std::string& text, int count = 1) {
    return Eventually(seconds(20), [&] {
      char buffer[4096];
      ssize_t n = 0;
      while ((n = ::recv(fd_, buffer, sizeof(buffer), 0)) >= 0)
        told_ += std::string(buffer, static_cast<size_t>(n)) + "\n";
      int found = 0;
      for (size_t at = 0; (at = told_.find(text, at)) != std::string::npos; at += text.size())
        ++found;
      return found >= count;
    });
  }

  TempDir dir_;
  int fd_ = -1;
  std::string told_;
  std::unique_ptr<Process> process_;
};

TEST_F(ToldTest, TheLifeOfACoordinator) {
  Process& p = Start("portolan-coordinator", {"--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
                                              "--data", dir_.path("data")});
  ASSERT_TRUE(Told("READY=1\nSTATUS=listening for agents and operators, port "))
      << told_ << p.Err();
  EXPECT_TRUE(Told("WATCHDOG=1\n", 3)) << told_;
  p.Signal(SIGTERM);
  EXPECT_EQ(p.Wait(seconds(20)), 0);
  EXPECT_TRUE(Told("STOPPING=1\n")) << told_;
  EXPECT_EQ(told_.find("READY=1"), 0u) << told_;  // nothing is said before
}

TEST_F(ToldTest, ACoordinatorThatCannotStartIsNeverReady) {
  Process& p = Start("portolan-coordinator", {"--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
                                              "--data", "/dev/null/data"});
  EXPECT_NE(p.Wait(seconds(20)), 0);
  EXPECT_EQ(told_, "");
}

TEST_F(ToldTest, TheLifeOfAnAgentThatNobodyAnswers) {
  // Port 9 of loopback: nobody.
  Process& p = Start("portolan-agent", {"--coordinator", "127.0.0.1:9", "--vantage", "lab",
                                        "--name", "a1", "--threads", "1", "--grace", "1s"});
  ASSERT_TRUE(Told("READY=1\n")) << p.Err();
  EXPECT_TRUE(Told("STATUS=no answer from 127.0.0.1:9\n")) << told_ << p.Err();
  EXPECT_TRUE(Told("WATCHDOG=1\n", 3)) << told_;
  p.Signal(SIGTERM);
  EXPECT_EQ(p.Wait(seconds(20)), 0);
  EXPECT_TRUE(Told("STOPPING=1\nSTATUS=draining")) << told_;
}

TEST_F(ToldTest, NobodyIsToldWhereNobodyAsks) {
  // The variables name a socket that is gone, as after a restart of systemd: the program works on.
  ::unlink(dir_.path("notify").c_str());
  Process& p = Start("portolan-coordinator", {"--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
                                              "--data", dir_.path("data")});
  EXPECT_NE(p.WaitForErr("listening grpc=", seconds(20)), "");
  p.Signal(SIGTERM);
  EXPECT_EQ(p.Wait(seconds(20)), 0);
}

}  // namespace
}  // namespace portolan::integration
