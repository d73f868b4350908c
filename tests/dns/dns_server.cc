#include "tests/dns/dns_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr size_t kBatch = 64, kMaxQuestion = 1024, kMaxConnections = 256, kMaxNames = 100'000;
constexpr int kBuffer = 4 << 20;
constexpr Duration kSilenceCounts = std::chrono::seconds(5);
constexpr Duration kLongestWait = std::chrono::seconds(30);

sockaddr_storage SocketAddress(const NameServer& server, socklen_t* size) {
  sockaddr_storage out{};
  const std::string bytes = server.address.ToBytes();
  if (server.address.is_v6()) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(server.port);
    std::memcpy(&v6->sin6_addr, bytes.data(), bytes.size());
    *size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(server.port);
    std::memcpy(&v4->sin_addr, bytes.data(), bytes.size());
    *size = sizeof *v4;
  }
  return out;
}

}  // namespace

struct DnsServer::Sockets {
  ~Sockets() {
    CloseAll();
    if (wake >= 0) close(wake);
  }
  void CloseAll() {
    for (int* fd : {&udp, &tcp}) {
      if (*fd >= 0) close(*fd);
      *fd = -1;
    }
    for (const auto& [fd, buffer] : connections) close(fd);
    connections.clear();
  }

  int wake = -1, udp = -1, tcp = -1;
  std::map<int, std::string> connections;  // what was read of the next question
};

absl::StatusOr<std::unique_ptr<DnsServer>> DnsServer::Start(Options options) {
  std::unique_ptr<DnsServer> server(new DnsServer(std::move(options)));
  PORTOLAN_ASSIGN_OR_RETURN(server->server_.address, IpAddress::Parse(server->options_.address));
  server->server_.port = server->options_.port;
  server->sockets_->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (server->sockets_->wake < 0) return Unavailable("eventfd: {}", std::strerror(errno));
  // A free port of both protocols: the one of TCP that UDP got may be taken.
  absl::Status opened;
  for (int attempt = 0; attempt < 20; ++attempt) {
    opened = server->Open();
    if (opened.ok() || server->options_.port != 0) break;
    server->server_.port = 0;
  }
  PORTOLAN_RETURN_IF_ERROR(opened);
  server->thread_ = std::thread([raw = server.get()] { raw->Run(); });
  return server;
}

DnsServer::DnsServer(Options options)
    : options_(std::move(options)), sockets_(std::make_unique<Sockets>()), zone_(options_.zone) {}

DnsServer::~DnsServer() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  const uint64_t one = 1;
  PORTOLAN_CHECK(write(sockets_->wake, &one, sizeof one) == sizeof one);
  thread_.join();
}

absl::Status DnsServer::Open() {
  Sockets& s = *sockets_;
  const int family = server_.address.is_v6() ? AF_INET6 : AF_INET;
  s.udp = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  s.tcp = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(s.tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  for (const int option : {SO_RCVBUFFORCE, SO_RCVBUF, SO_SNDBUFFORCE, SO_SNDBUF}) {
    setsockopt(s.udp, SOL_SOCKET, option, &kBuffer, sizeof kBuffer);
    // FORCE is root's; without it as much as the kernel gives.
  }
  socklen_t size = 0;
  sockaddr_storage at = SocketAddress(server_, &size);
  bool ok = bind(s.udp, reinterpret_cast<sockaddr*>(&at), size) == 0 &&
            getsockname(s.udp, reinterpret_cast<sockaddr*>(&at), &size) == 0;
  if (ok) {
    // The same place in sockaddr_in and sockaddr_in6.
    server_.port = ntohs(reinterpret_cast<sockaddr_in*>(&at)->sin_port);
    ok = bind(s.tcp, reinterpret_cast<sockaddr*>(&at), size) == 0 && listen(s.tcp, 64) == 0;
  }
  if (ok) return absl::OkStatus();
  const int error = errno;
  s.CloseAll();
  return Unavailable("{}: cannot listen: {}", server_.ToString(), std::strerror(error));
}

void DnsServer::SetMode(Mode mode) {
  MutexLock lock(mu_);
  wanted_mode_ = mode;
  const uint64_t one = 1;
  PORTOLAN_CHECK(write(sockets_->wake, &one, sizeof one) == sizeof one);
  while (mode_ != mode) changed_.Wait(mu_);
}

void DnsServer::Set(const std::string& name, std::vector<IpAddress> addresses) {
  MutexLock lock(mu_);
  zone_.Set(name, std::move(addresses));
}

size_t DnsServer::AskedFor(const std::string& name) const {
  MutexLock lock(mu_);
  const auto found = asked_.find(name);
  return found == asked_.end() ? 0 : found->second;
}

void DnsServer::WaitForQuestions(uint64_t count) const {
  const Time end = SystemClock().Now() + kLongestWait;
  MutexLock lock(mu_);
  while (questions_ < count) {
    PORTOLAN_CHECK(SystemClock().Now() < end);  // a test that waits in vain ends and says where
    changed_.WaitFor(mu_, kLongestWait);
  }
}

void DnsServer::ApplyMode() {
  Mode from = Mode::kAnswers, to = from;
  {
    MutexLock lock(mu_);
    from = mode_;
    to = wanted_mode_;
  }
  if (from == to) return;
  if (to == Mode::kClosed) sockets_->CloseAll();
  // The port may have gone to somebody else meanwhile; a test cannot go on without it.
  if (from == Mode::kClosed) PORTOLAN_CHECK(Open().ok());
  MutexLock lock(mu_);
  mode_ = to;
  changed_.NotifyAll();
}

void DnsServer::Run() {
  std::vector<pollfd> polled;
  while (!stopping_) {
    ApplyMode();
    const Time now = SystemClock().Now();
    SendDue(now);
    polled.clear();
    for (const int fd : {sockets_->wake, sockets_->udp, sockets_->tcp}) {
      polled.push_back({fd, POLLIN, 0});
    }
    for (const auto& [fd, buffer] : sockets_->connections) polled.push_back({fd, POLLIN, 0});
    const Duration wait = WaitTime(now);
    const timespec timeout{wait / std::chrono::seconds(1),
                           (wait % std::chrono::seconds(1)).count()};
    ppoll(polled.data(), polled.size(), wait < Duration::zero() ? nullptr : &timeout, nullptr);
    uint64_t ignored = 0;
    if (polled[0].revents != 0 && read(sockets_->wake, &ignored, sizeof ignored) < 0) continue;
    if (polled[1].revents != 0) ReadUdp();
    for (size_t i = 3; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const auto connection = sockets_->connections.find(polled[i].fd);
      if (ReadTcp(connection->first, &connection->second)) continue;
      close(connection->first);
      sockets_->connections.erase(connection);
    }
    if (polled[2].revents != 0) Accept();
  }
}

void DnsServer::Accept() {
  const int fd = accept4(sockets_->tcp, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (sockets_->connections.size() < kMaxConnections) {
    sockets_->connections[fd];
  } else {
    close(fd);
  }
}

bool DnsServer::ReadTcp(int fd, std::string* buffer) {
  std::array<char, kMaxQuestion> bytes;
  const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
  if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
  buffer->append(bytes.data(), static_cast<size_t>(got));
  while (buffer->size() >= 2) {
    const size_t size = static_cast<size_t>(static_cast<uint8_t>((*buffer)[0])) << 8 |
                        static_cast<uint8_t>((*buffer)[1]);
    if (size > kMaxQuestion) return false;
    if (buffer->size() < 2 + size) break;
    const std::string answer = OnQuestion(std::string_view(*buffer).substr(2, size), "");
    buffer->erase(0, 2 + size);
    if (answer.empty()) continue;
    const std::array<char, 2> length{static_cast<char>(answer.size() >> 8),
                                     static_cast<char>(answer.size() & 0xff)};
    const std::string framed = std::string(length.data(), 2) + answer;
    // At most 64 KiB, which a fresh socket takes in one piece.
    if (send(fd, framed.data(), framed.size(), MSG_NOSIGNAL) < 0) return false;
  }
  return true;
}

void DnsServer::ReadUdp() {
  struct Slot {
    std::array<char, kMaxQuestion> bytes;
    sockaddr_storage from;
    iovec part;
  };
  static thread_local std::array<Slot, kBatch> slots;
  std::array<mmsghdr, kBatch> in{}, out{};
  for (size_t i = 0; i < kBatch; ++i) {
    slots[i].part = {slots[i].bytes.data(), slots[i].bytes.size()};
    in[i].msg_hdr.msg_iov = &slots[i].part;
    in[i].msg_hdr.msg_iovlen = 1;
    in[i].msg_hdr.msg_name = &slots[i].from;
    in[i].msg_hdr.msg_namelen = sizeof slots[i].from;
  }
  const int count = recvmmsg(sockets_->udp, in.data(), kBatch, 0, nullptr);
  std::array<std::string, kBatch> answers;
  unsigned to_send = 0;
  for (int i = 0; i < count; ++i) {
    Slot& slot = slots[static_cast<size_t>(i)];
    const mmsghdr& read = in[static_cast<size_t>(i)];
    const std::string_view peer(reinterpret_cast<const char*>(&slot.from),
                                read.msg_hdr.msg_namelen);
    std::string answer = OnQuestion({slot.bytes.data(), read.msg_len}, peer);
    if (answer.empty()) continue;
    answers[to_send] = std::move(answer);
    slot.part = {answers[to_send].data(), answers[to_send].size()};
    out[to_send].msg_hdr = read.msg_hdr;
    ++to_send;
  }
  // What the socket does not take is lost, as in a network.
  if (to_send > 0) sendmmsg(sockets_->udp, out.data(), to_send, 0);
}

std::string DnsServer::OnQuestion(std::string_view message, std::string_view peer) {
  const bool udp = !peer.empty();
  DnsQuestion asked;
  if (!ReadDnsQuestion(message, &asked)) return {};
  DnsAction action;
  {
    MutexLock lock(mu_);
    ++questions_;
    changed_.NotifyAll();
    if (options_.count_names && (asked_.size() < kMaxNames || asked_.count(asked.name) > 0)) {
      ++asked_[asked.name];
    }
    if (mode_ != Mode::kAnswers) return {};
    action = zone_.Find(asked.name, static_cast<DnsType>(asked.type));
  }
  const bool silent = action.kind == DnsAction::Kind::kSilence;
  if (!udp) return silent ? std::string() : WriteDnsAnswer(message, asked, action, false);
  if (silent) action.delay = kSilenceCounts;
  if (action.delay > Duration::zero() && options_.max_waiting > 0 &&
      waiting_ >= options_.max_waiting) {
    action = DnsAction{};
    action.code = kDnsRefused;
    return WriteDnsAnswer(message, asked, action, true);
  }
  std::string answer = silent ? std::string() : WriteDnsAnswer(message, asked, action, true);
  if (action.delay == Duration::zero()) return answer;
  late_[action.delay].push_back(
      {SystemClock().Now() + action.delay, std::move(answer), std::string(peer)});
  max_waiting_ = std::max<size_t>(max_waiting_, ++waiting_);
  return {};
}

void DnsServer::SendDue(Time now) {
  for (auto& [delay, queue] : late_) {
    while (!queue.empty() && queue.front().due <= now) {
      std::array<mmsghdr, kBatch> out{};
      std::array<iovec, kBatch> parts{};
      size_t count = 0, taken = 0;
      for (; taken < queue.size() && count < kBatch && queue[taken].due <= now; ++taken) {
        Late& late = queue[taken];
        if (late.message.empty()) continue;
        parts[count] = {late.message.data(), late.message.size()};
        out[count].msg_hdr.msg_iov = &parts[count];
        out[count].msg_hdr.msg_iovlen = 1;
        out[count].msg_hdr.msg_name = late.peer.data();
        out[count].msg_hdr.msg_namelen = static_cast<socklen_t>(late.peer.size());
        ++count;
      }
      if (sockets_->udp >= 0 && count > 0) {
        sendmmsg(sockets_->udp, out.data(), static_cast<unsigned>(count), 0);
      }
      queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(taken));
      waiting_ -= taken;
    }
  }
}

Duration DnsServer::WaitTime(Time now) const {
  Time first = kNever;
  for (const auto& [delay, queue] : late_) {
    if (!queue.empty()) first = std::min(first, queue.front().due);
  }
  return first == kNever ? Duration(-1) : std::max(Duration::zero(), first - now);
}

}  // namespace portolan
