#include "common/ops/service_manager.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/base/status.h"

namespace portolan {
namespace {

std::string TakeVariable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);
  return text;
}

// 0 for what is no number.
int64_t NumberOf(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

// Fields of a message end with the line.
std::string OneLine(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, ' ');
  return line;
}

}  // namespace

ServiceManager::Options ServiceManager::FromEnvironment() {
  Options options;
  options.socket = TakeVariable("NOTIFY_SOCKET");
  const int64_t us = NumberOf(TakeVariable("WATCHDOG_USEC"));
  const std::string pid = TakeVariable("WATCHDOG_PID");
  const bool ours = pid.empty() || NumberOf(pid) == ::getpid();
  constexpr int64_t kDay = 86'400'000'000;
  if (us > 0 && ours) options.watchdog = std::chrono::microseconds(std::min(us, kDay));
  return options;
}

ServiceManager::ServiceManager(Options options) : options_(std::move(options)) {
  sockaddr_un address{};
  const std::string& path = options_.socket;
  if (path.size() < 2 || path.size() >= sizeof(address.sun_path)) return;
  if (path[0] != '/' && path[0] != '@') return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() +
                                           (path[0] == '/' ? 1 : 0));
  fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  // A receiver that does not read must not hold up the program for long.
  const timeval patience{1, 0};
  if (fd_ >= 0 && (::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
                   ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), size) != 0)) {
    ::close(fd_);
    fd_ = -1;
  }
}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) ::close(fd_);
}

void ServiceManager::Send(std::string_view message) {
  if (fd_ >= 0) (void)::send(fd_, message.data(), message.size(), MSG_NOSIGNAL);
}

void ServiceManager::Ready(std::string_view status) {
  status_ = ready_ = OneLine(status);
  Send("READY=1\nSTATUS=" + status_);
}

void ServiceManager::Stopping(std::string_view status) {
  status_ = OneLine(status);
  Send("STOPPING=1\nSTATUS=" + status_);
}

void ServiceManager::Status(std::string_view text) {
  std::string line = OneLine(text);
  if (line == status_) return;
  status_ = std::move(line);
  Send("STATUS=" + status_);
}

void ServiceManager::Beat(Time now, const absl::Status& live) {
  if (!live.ok()) {
    well_ = false;
    return Status(Message(live));
  }
  if (!std::exchange(well_, true)) Status(ready_);
  if (options_.watchdog == Duration::zero() || now < next_beat_) return;
  // Early enough even when a call or two come late.
  next_beat_ = now + options_.watchdog / 4;
  Send("WATCHDOG=1");
}

Duration ServiceManager::beat_every() const {
  if (fd_ < 0 || options_.watchdog == Duration::zero()) return std::chrono::hours(1);
  return std::max<Duration>(options_.watchdog / 4, std::chrono::milliseconds(1));
}

}  // namespace portolan
