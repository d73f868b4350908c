#include "tests/simnet/server.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "common/base/clock.h"
#include "common/base/status.h"

namespace portolan::simnet {
namespace {

constexpr int kBatch = 64;  // packets that are read before what is due is sent
// Above this many packets a second it looks for them each kNap instead of being woken by the first:
// a wake-up costs both sides about as much as a packet, and what a nap adds to a round-trip time is
// within the reply queue's tick.
constexpr double kBusyRate = 20'000;
constexpr Duration kNap = std::chrono::microseconds(60);
constexpr Duration kWindow = std::chrono::milliseconds(2);  // that the rate is measured over

class TunSink final : public PacketSink {
 public:
  explicit TunSink(int fd) : fd_(fd) {}
  bool Send(std::span<const uint8_t> packet) override {
    return write(fd_, packet.data(), packet.size()) == static_cast<ssize_t>(packet.size());
  }

 private:
  const int fd_;
};

absl::Status WriteFile(const std::string& path, const std::string& text) {
  if (path.empty()) return absl::OkStatus();
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    return absl::OkStatus();
  }
  // Renamed when complete, so that whoever waits for it never reads half of it.
  const std::string part = path + ".part";
  FILE* file = std::fopen(part.c_str(), "we");
  const bool written =
      file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file == nullptr || std::fclose(file) != 0 || !written ||
      std::rename(part.c_str(), path.c_str()) != 0)
    return FailedPrecondition("{}: {}", path, std::strerror(errno));
  return absl::OkStatus();
}

}  // namespace

Server::Server(const World& world, const NetworkOptions& options, TunDevice device,
               ReportFiles files)
    : device_(std::move(device)),
      files_(std::move(files)),
      sink_(std::make_unique<TunSink>(device_.fd())),
      network_(world, options, SystemClock().Now()) {}

absl::Status Server::Run(Time until, int signals) {
  while (true) {
    const bool more = ReadSome();
    const Time now = SystemClock().Now();
    network_.RunDue(now, *sink_);
    if (now >= until) return Report();
    const bool busy = Busy(now);
    Duration wait = std::max(std::min(network_.Next(), until) - now, Duration::zero());
    if (busy) wait = std::min(wait, kNap);
    if (more) wait = Duration::zero();
    pollfd fds[] = {{signals, POLLIN, 0}, {device_.fd(), POLLIN, 0}};
    const timespec timeout = {wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
    if (ppoll(fds, busy ? 1 : 2, &timeout, nullptr) < 0 && errno != EINTR)
      return Internal("ppoll: {}", std::strerror(errno));
    if ((fds[0].revents & POLLIN) == 0) continue;
    signalfd_siginfo signal{};
    if (read(signals, &signal, sizeof signal) != sizeof signal) continue;
    PORTOLAN_RETURN_IF_ERROR(Report());
    if (signal.ssi_signo != SIGUSR1) return absl::OkStatus();
  }
}

bool Server::ReadSome() {
  Time now{};
  for (int i = 0; i < kBatch; ++i) {
    const ssize_t size = read(device_.fd(), buffer_, sizeof buffer_);
    if (size <= 0) return false;
    if (i % 8 == 0) now = SystemClock().Now();
    network_.OnPacket(now, {buffer_, static_cast<size_t>(size)}, *sink_);
  }
  return true;
}

bool Server::Busy(Time now) {
  if (now - window_start_ >= kWindow) {
    const uint64_t packets = network_.counters().packets_in;
    busy_ =
        static_cast<double>(packets - window_packets_) > kBusyRate * ToSeconds(now - window_start_);
    window_packets_ = packets;
    window_start_ = now;
  }
  return busy_;
}

absl::Status Server::Report() {
  network_.counters().device_drops = device_.Drops();
  PORTOLAN_RETURN_IF_ERROR(WriteFile(files_.hosts, network_.counters().HostsCsv()));
  return WriteFile(files_.counters, network_.counters().ToJson());
}

}  // namespace portolan::simnet
