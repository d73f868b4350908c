#include "agent/engine/socket_pool.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "agent/engine/answer.h"
#include "agent/engine/judgement.h"
#include "agent/engine/local_routes.h"

namespace portolan {
namespace {

bool SetInt(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

bool DisconnectSocket(int fd) {
  sockaddr unspec{};
  unspec.sa_family = AF_UNSPEC;
  return connect(fd, &unspec, sizeof unspec) == 0;
}

// The smallest TCP_SYNCNT with which the kernel does not give up before `timeout` (n
// retransmissions wait 2^(n+1) - 1 s in all). It cannot be 0, so an attempt that waits over 1 s is
// retransmitted by the kernel; the bound is for an engine that was frozen and cannot stop its
// attempts.
uint8_t SynCountFor(Duration timeout) {
  uint8_t count = 1;
  while (count < 6 && std::chrono::seconds((1 << (count + 1)) - 1) <= timeout) ++count;
  return count;
}

std::vector<IpAddress> OfFamily(const std::vector<IpAddress>& all, bool v6) {
  std::vector<IpAddress> out;
  std::copy_if(all.begin(), all.end(), std::back_inserter(out),
               [v6](const IpAddress& a) { return a.is_v6() == v6; });
  return out;
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

SocketPool::SocketPool(uint32_t slots, const std::vector<IpAddress>& sources)
    : sources_{OfFamily(sources, false), OfFamily(sources, true)},
      sockets_(slots),
      idle_(std::max<size_t>(1, sources_[0].size()) + std::max<size_t>(1, sources_[1].size())) {
  empty_.reserve(slots);
  for (uint32_t i = slots; i > 0; --i) empty_.push_back(i - 1);
}

SocketPool::~SocketPool() {
  for (uint32_t i = 0; i < sockets_.size(); ++i) {
    if (sockets_[i].fd >= 0) Close(i);
  }
}

std::optional<SocketPool::Taken> SocketPool::Take(bool v6) {
  const std::vector<IpAddress>& sources = sources_[v6];
  size_t pool = v6 ? std::max<size_t>(1, sources_[0].size()) : 0;
  const IpAddress* source = nullptr;
  if (!sources.empty()) {
    const size_t turn = next_source_[v6]++ % sources.size();
    source = &sources[turn];
    pool += turn;
  }
  if (!idle_[pool].empty()) {
    const uint32_t slot = idle_[pool].back();
    idle_[pool].pop_back();
    return Taken{slot, false};
  }
  if (empty_.empty()) {
    // Every slot has a socket, so an idle one of another family or source makes room.
    for (std::vector<uint32_t>& other : idle_) {
      if (other.empty()) continue;
      const uint32_t slot = other.back();
      other.pop_back();
      Close(slot);
      break;
    }
  }
  const uint32_t slot = empty_.back();
  if (!Open(sockets_[slot], v6, source)) return std::nullopt;
  empty_.pop_back();
  sockets_[slot].pool = static_cast<uint16_t>(pool);
  return Taken{slot, true};
}

bool SocketPool::Open(Socket& socket, bool v6, const IpAddress* source) {
  const int fd =
      ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return false;
  bool ok = v6 ? SetInt(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) : SetInt(fd, IPPROTO_IP, IP_RECVERR, 1);
  if (ok && source != nullptr) {
    // The port is chosen at connect(), where it need only differ for one target.
    const SocketAddress from = ToSocketAddress(*source, 0);
    ok = SetInt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) &&
         bind(fd, from.get(), from.length) == 0;
    // No port was asked for, so it is the address: taken away since the start.
    if (!ok && errno == EADDRNOTAVAIL) errno = kSourceGoneErrno;
  }
  if (!ok) {
    const int error = errno;
    close(fd);
    errno = error;
    return false;
  }
  socket.fd = fd;
  socket.syn_count = 0;
  return true;
}

void SocketPool::BoundSyns(uint32_t slot, Duration timeout) {
  Socket& socket = sockets_[slot];
  const uint8_t count = SynCountFor(timeout);
  if (count == socket.syn_count) return;
  // Refused: the system's default then, which only a frozen engine notices.
  SetInt(socket.fd, IPPROTO_TCP, TCP_SYNCNT, count);
  socket.syn_count = count;
}

bool SocketPool::Disconnect(uint32_t slot) { return DisconnectSocket(sockets_[slot].fd); }

void SocketPool::DrainAndGiveBack(uint32_t slot) {
  // Disconnecting an attempt or a connection leaves ECONNRESET behind (today's kernels clear it in
  // the next connect(), but promise nothing), and an ICMP error may have come in the last moment.
  TakeSocketError(fd(slot));
  ReadErrorQueue(fd(slot), {});
  GiveBack(slot);
}

void SocketPool::Reuse(uint32_t slot, bool drain) {
  if (!Disconnect(slot)) return Close(slot);
  // After a refusal there is nothing: error and queue have been read.
  drain ? DrainAndGiveBack(slot) : GiveBack(slot);
}

void SocketPool::Close(uint32_t slot) {
  Socket& socket = sockets_[slot];
  // Disconnected first: somebody else may hold the socket too (the file table of an io_uring), and
  // then closing the descriptor alone would not end the attempt.
  if (!Disconnect(slot)) {
    const linger reset{1, 0};
    setsockopt(socket.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  close(socket.fd);
  socket.fd = -1;
  empty_.push_back(slot);
}

}  // namespace portolan
