#include "agent/engine/judgement.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

#include "agent/engine/socket_pool.h"

namespace portolan {
namespace {

std::optional<tcp_info> TcpInfo(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
  return info;
}

// Whether the handshake of a socket that was reset has been completed: our SYN was acknowledged by
// a connection, not refused.
bool WasEstablished(int fd) {
  const std::optional<tcp_info> info = TcpInfo(fd);
  return info && info->tcpi_bytes_acked > 0;
}

bool IsClosed(int fd) {
  constexpr uint8_t kTcpClose = 7;
  const std::optional<tcp_info> info = TcpInfo(fd);
  return info && info->tcpi_state == kTcpClose;
}

}  // namespace

AfterOpen LookAtHeld(int fd) {
  // An ICMP error about a connection is an error of one call (IP_RECVERR) and does not end it.
  for (int i = 0; i < 4; ++i) {
    char byte;
    const ssize_t size = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size > 0) return AfterOpen::kData;
    // Also after a reset, once somebody has taken its error.
    if (size == 0) return IsClosed(fd) ? AfterOpen::kReset : AfterOpen::kClosed;
    switch (errno) {
      case EAGAIN:
        return AfterOpen::kQuiet;
      case ECONNRESET:
      case EPIPE:
      case ENOTCONN:  // JudgeResetInConnect's
        return AfterOpen::kReset;
      case ECONNABORTED:  // ss --kill, an address removed
        return AfterOpen::kNotHeld;
      default:
        ReadErrorQueue(fd, {});
    }
  }
  return AfterOpen::kQuiet;
}

AfterOpen LastLookAtHeld(int fd) {
  const AfterOpen after = LookAtHeld(fd);
  if (after != AfterOpen::kQuiet) return after;
  tcp_info info{};
  socklen_t length = sizeof info;
  // Before Linux 5.4 the window is not told.
  const bool told = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
                    length >= offsetof(tcp_info, tcpi_snd_wnd) + sizeof info.tcpi_snd_wnd;
  return told && info.tcpi_snd_wnd == 0 ? AfterOpen::kNoWindow : AfterOpen::kQuiet;
}

Judgement JudgeHeld(const Judgement& opened, AfterOpen after) {
  Judgement judgement = opened;
  if (after == AfterOpen::kReset) judgement.symbol.reason = Reason::kResetAfterAccept;
  judgement.fate = Fate::kClose;
  judgement.after_open = after;
  return judgement;
}

int TakeSocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

bool HasSentSyn(int fd) {
  const std::optional<tcp_info> info = TcpInfo(fd);
  return info && info->tcpi_segs_out > 0;
}

Judgement JudgeError(int fd, const SocketName& target, int error, bool at_once) {
  Judgement judgement;
  if (const std::optional<IcmpError> icmp = ReadErrorQueue(fd, target)) {
    judgement.symbol = MeaningOf(*icmp);
    return judgement;
  }
  judgement.symbol = MeaningOfErrno(error, at_once);
  if (judgement.symbol.state == State::kOpen && !WasEstablished(fd))
    judgement.symbol = {State::kOwed, Reason::kLocalFailure};
  if (judgement.symbol.state == State::kOpen) {
    if (const std::optional<SocketName> local = LocalNameOf(fd)) judgement.source = local->address;
  }
  if (judgement.symbol.reason == Reason::kLocalFailure) judgement.local_errno = error;
  if (judgement.symbol.reason == Reason::kConnRefused) judgement.fate = Fate::kReuse;
  return judgement;
}

Judgement JudgeUnsent(int fd, const SocketName& target, int error, LocalRoutes& routes, Time now) {
  if (routes.Explain(target.address, error, now) != kNoRouteErrno)
    return JudgeError(fd, target, error, /*at_once=*/true);
  Judgement judgement;
  judgement.local_errno = kNoRouteErrno;
  return judgement;
}

Judgement JudgeResetInConnect(int fd, const SocketName& target) {
  Judgement judgement;
  judgement.symbol = {State::kOpen, Reason::kResetAfterAccept};
  std::optional<SocketName> local = LocalNameOf(fd);  // kept when the engine chose it
  if (!local || local->address.value() == 0) {
    // The address that the kernel takes towards this target. Nothing is sent.
    const OwnedFd asked(
        socket(target.address.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SocketAddress to = ToSocketAddress(target.address, target.port);
    if (connect(asked.get(), to.get(), to.length) == 0) local = LocalNameOf(asked.get());
  }
  if (local) judgement.source = local->address;
  return judgement;
}

Judgement JudgeConnected(int fd, const SocketName& peer) {
  Judgement judgement;
  const std::optional<SocketName> local = LocalNameOf(fd);
  if (local && *local == peer) {
    // The kernel chose the port that it was connecting to, and SYN met SYN: nobody listens there.
    judgement.symbol = {State::kClosed, Reason::kSelfConnect};
    return judgement;
  }
  judgement.symbol = {State::kOpen, Reason::kSynAck};
  judgement.fate = Fate::kDrainAndReuse;
  if (local) judgement.source = local->address;
  return judgement;
}

std::optional<Judgement> JudgeEvent(int fd, const SocketName& target, uint32_t events) {
  if (const int error = TakeSocketError(fd); error != 0)
    return JudgeError(fd, target, error, /*at_once=*/false);
  if (const std::optional<SocketName> peer = PeerOf(fd)) return JudgeConnected(fd, *peer);
  // Not connected and no error. An ICMP error that arrived while the kernel held the socket (a
  // reject without any round trip) is in the queue only.
  if ((events & POLLERR) != 0) {
    if (const std::optional<IcmpError> icmp = ReadErrorQueue(fd, target)) {
      Judgement judgement;
      judgement.symbol = MeaningOf(*icmp);
      return judgement;
    }
  }
  if ((events & POLLHUP) != 0 && IsClosed(fd)) {
    // A reset may have come between the two looks at the socket.
    if (const int error = TakeSocketError(fd); error != 0)
      return JudgeError(fd, target, error, /*at_once=*/false);
    // Taken away from us (ss --kill, an address removed): nothing was learned.
    Judgement judgement;
    judgement.local_errno = ECONNABORTED;
    return judgement;
  }
  return std::nullopt;
}

}  // namespace portolan
