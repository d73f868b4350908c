#include "common/ops/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

using std::chrono::seconds;

// The receiving end, in a directory of its own.
class Receiver {
 public:
  Receiver() {
    std::string pattern = std::filesystem::temp_directory_path() / "portolan-notify-XXXXXX";
    PORTOLAN_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof(address.sun_path) - 1);
    PORTOLAN_CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  }
  ~Receiver() {
    ::close(fd_);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::string path() const { return directory_ / "notify"; }
  // "": nothing was sent.
  std::string Take() {
    char text[4096];
    const ssize_t n = ::recv(fd_, text, sizeof(text), 0);
    return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
  }

 private:
  std::filesystem::path directory_;
  int fd_ = -1;
};

Time At(int s) { return Time(seconds(s)); }

TEST(ServiceManager, TellsTheLifeOfAService) {
  Receiver receiver;
  ServiceManager manager({receiver.path(), {}});
  manager.Ready("listening");
  EXPECT_EQ(receiver.Take(), "READY=1\nSTATUS=listening");
  manager.Status("listening");
  EXPECT_EQ(receiver.Take(), "");  // nothing new
  manager.Status("a\nREADY=0");
  EXPECT_EQ(receiver.Take(), "STATUS=a READY=0");  // a name from elsewhere is no field
  manager.Stopping("draining");
  EXPECT_EQ(receiver.Take(), "STOPPING=1\nSTATUS=draining");
  manager.Beat(At(100), absl::OkStatus());
  EXPECT_EQ(receiver.Take(), "");  // no watchdog was asked for
  EXPECT_EQ(manager.beat_every(), std::chrono::hours(1));
}

TEST(ServiceManager, FeedsTheWatchdogWhileTheServiceLives) {
  Receiver receiver;
  ServiceManager manager({receiver.path(), seconds(60)});
  EXPECT_EQ(manager.beat_every(), seconds(15));
  manager.Ready("listening");
  EXPECT_EQ(receiver.Take(), "READY=1\nSTATUS=listening");
  manager.Beat(At(100), absl::OkStatus());
  EXPECT_EQ(receiver.Take(), "WATCHDOG=1");
  manager.Beat(At(110), absl::OkStatus());
  EXPECT_EQ(receiver.Take(), "");
  manager.Beat(At(115), absl::OkStatus());
  EXPECT_EQ(receiver.Take(), "WATCHDOG=1");
  manager.Beat(At(140), Internal("stuck"));
  EXPECT_EQ(receiver.Take(), "STATUS=stuck");
  manager.Beat(At(150), Internal("stuck"));
  EXPECT_EQ(receiver.Take(), "");
  manager.Beat(At(160), absl::OkStatus());
  EXPECT_EQ(receiver.Take(), "STATUS=listening");
  EXPECT_EQ(receiver.Take(), "WATCHDOG=1");
}

TEST(ServiceManager, SaysNothingWhereNobodyListens) {
  for (const char* socket : {"", "@", "/", "relative", "/nonexistent/notify"}) {
    ServiceManager manager({socket, seconds(60)});
    manager.Ready("x");
    manager.Beat(At(1), absl::OkStatus());
  }
  ServiceManager long_one({"/" + std::string(200, 'x'), {}});
  long_one.Ready("x");
  auto receiver = std::make_unique<Receiver>();
  ServiceManager orphan({receiver->path(), {}});
  receiver.reset();
  orphan.Ready("x");  // no signal, no error
}

TEST(ServiceManager, TakesItsVariablesOutOfTheEnvironment) {
  ::setenv("NOTIFY_SOCKET", "/run/x", 1);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  ServiceManager::Options options = ServiceManager::FromEnvironment();
  EXPECT_EQ(options.socket, "/run/x");
  EXPECT_EQ(options.watchdog, seconds(30));
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);  // another process is watched
  options = ServiceManager::FromEnvironment();
  EXPECT_EQ(options.socket, "");
  EXPECT_EQ(options.watchdog, Duration::zero());
  ::setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_EQ(ServiceManager::FromEnvironment().watchdog, Duration::zero());
}

}  // namespace
}  // namespace portolan
