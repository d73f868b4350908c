#include "agent/engine/epoll_engine.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace portolan {
namespace {

constexpr uint64_t kWakeData = UINT64_MAX;
constexpr Duration kLongestWait = std::chrono::hours(1);

int TakeSocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

bool SetInt(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
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

// Whether the handshake of a socket that was reset has been completed: our SYN was acknowledged by
// a connection, not refused.
bool WasEstablished(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_bytes_acked > 0;
}

bool IsClosed(int fd) {
  constexpr uint8_t kTcpClose = 7;
  tcp_info info{};
  socklen_t length = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == kTcpClose;
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

EpollEngine::EpollEngine(uint32_t window, std::vector<IpAddress> sources, std::string limited_by,
                         int epoll_fd, int wake_fd, const Clock& clock)
    : window_(window),
      sources_{OfFamily(sources, false), OfFamily(sources, true)},
      limited_by_(std::move(limited_by)),
      epoll_(epoll_fd),
      wake_(wake_fd),
      clock_(clock),
      slots_(window),
      idle_(std::max<size_t>(1, sources_[0].size()) + std::max<size_t>(1, sources_[1].size())),
      timers_(window, clock.Now()) {
  empty_.reserve(window);
  for (uint32_t i = window; i > 0; --i) empty_.push_back(i - 1);
}

EpollEngine::~EpollEngine() {
  for (uint32_t i = 0; i < window_; ++i) {
    if (slots_[i].fd >= 0) Close(i);
  }
}

bool EpollEngine::Start(const IpAddress& address, uint16_t port, Duration timeout, uint64_t cookie,
                        Time not_after) {
  if (in_flight() >= window_) return false;
  ++counters_.started;
  const std::optional<uint32_t> taken = TakeSocket(address.is_v6());
  if (!taken) {
    EndUnstarted(cookie, Reason::kLocalFailure, errno);
    return true;
  }
  const uint32_t index = *taken;
  Slot& slot = slots_[index];
  if (const uint8_t count = SynCountFor(timeout); count != slot.syn_count) {
    SetInt(slot.fd, IPPROTO_TCP, TCP_SYNCNT,
           count);  // refused: the system's default then, which only a frozen engine notices
    slot.syn_count = count;
  }
  const SocketAddress to = ToSocketAddress(address, port);
  // The last look at the clock before the packet: a process that was stopped anywhere before this
  // sends nothing when it is woken.
  slot.started = clock_.Now();
  if (slot.started >= not_after) {
    idle_[slot.pool].push_back(index);
    EndUnstarted(cookie, Reason::kChunkClosed, 0);
    return true;
  }
  slot.busy = true;
  slot.target = {address, port};
  slot.cookie = cookie;
  ++busy_;
  if (connect(slot.fd, to.get(), to.length) != 0 && errno != EINPROGRESS && errno != EINTR) {
    LookAtError(index, errno, /*at_once=*/true, clock_.Now());
    return true;
  }
  timers_.Add(index, slot.started + timeout);
  if (!slot.watched) {
    // Added after connect(): before it the socket would count as hung up. A state that is already
    // there is reported all the same.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = uint64_t{slot.generation} << 32 | index;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.fd, &event) != 0) {
      const int error = errno;
      ProbeOutcome outcome = OutcomeOf(slot, {State::kOwed, Reason::kLocalFailure}, slot.started);
      outcome.local_errno = error;
      End(index, std::move(outcome), After::kClose);
      return true;
    }
    slot.watched = true;
  }
  return true;
}

std::optional<uint32_t> EpollEngine::TakeSocket(bool v6) {
  const std::vector<IpAddress>& sources = sources_[v6];
  size_t pool = v6 ? std::max<size_t>(1, sources_[0].size()) : 0;
  const IpAddress* source = nullptr;
  if (!sources.empty()) {
    const size_t turn = next_source_[v6]++ % sources.size();
    source = &sources[turn];
    pool += turn;
  }
  if (!idle_[pool].empty()) {
    const uint32_t index = idle_[pool].back();
    idle_[pool].pop_back();
    return index;
  }
  if (empty_.empty()) {
    // Every slot has a socket, so an idle one of another family or source makes room.
    for (std::vector<uint32_t>& other : idle_) {
      if (other.empty()) continue;
      const uint32_t index = other.back();
      other.pop_back();
      Close(index);
      break;
    }
  }
  const uint32_t index = empty_.back();
  Slot& slot = slots_[index];
  if (!OpenSocket(slot, v6, source)) return std::nullopt;
  empty_.pop_back();
  slot.pool = static_cast<uint16_t>(pool);
  return index;
}

bool EpollEngine::OpenSocket(Slot& slot, bool v6, const IpAddress* source) {
  const int fd =
      socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return false;
  bool ok = v6 ? SetInt(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) : SetInt(fd, IPPROTO_IP, IP_RECVERR, 1);
  if (ok && source != nullptr) {
    // The port is chosen at connect(), where it need only differ for one target.
    const SocketAddress from = ToSocketAddress(*source, 0);
    ok = SetInt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) &&
         bind(fd, from.get(), from.length) == 0;
  }
  if (!ok) {
    const int error = errno;
    close(fd);
    errno = error;
    return false;
  }
  slot.fd = fd;
  ++slot.generation;
  slot.watched = false;
  slot.syn_count = 0;
  return true;
}

void EpollEngine::Look(uint32_t index, uint32_t events, Time now) {
  Slot& slot = slots_[index];
  if (const int error = TakeSocketError(slot.fd); error != 0) {
    LookAtError(index, error, /*at_once=*/false, now);
    return;
  }
  if (const std::optional<SocketName> peer = PeerOf(slot.fd)) {
    LookAtConnected(index, *peer, now);
    return;
  }
  // Not connected and no error. An ICMP error that arrived while the kernel held the socket (a
  // reject without any round trip) is in the queue only.
  if ((events & EPOLLERR) != 0) {
    if (const std::optional<IcmpError> icmp = ReadErrorQueue(slot.fd, slot.target)) {
      End(index, OutcomeOf(slot, MeaningOf(*icmp), now), After::kClose);
      return;
    }
  }
  if ((events & EPOLLHUP) != 0 && IsClosed(slot.fd)) {
    // Taken away from us (ss --kill, an address removed): nothing was learned.
    ProbeOutcome outcome = OutcomeOf(slot, {State::kOwed, Reason::kLocalFailure}, now);
    outcome.local_errno = ECONNABORTED;
    End(index, std::move(outcome), After::kClose);
  }
}

void EpollEngine::LookAtError(uint32_t index, int error, bool at_once, Time now) {
  Slot& slot = slots_[index];
  if (const std::optional<IcmpError> icmp = ReadErrorQueue(slot.fd, slot.target)) {
    End(index, OutcomeOf(slot, MeaningOf(*icmp), now), After::kClose);
    return;
  }
  Symbol symbol = MeaningOfErrno(error, at_once);
  if (symbol.state == State::kOpen && !WasEstablished(slot.fd))
    symbol = {State::kOwed, Reason::kLocalFailure};
  ProbeOutcome outcome = OutcomeOf(slot, symbol, now);
  if (symbol.state == State::kOpen) {
    if (const std::optional<SocketName> local = LocalNameOf(slot.fd))
      outcome.source = local->address;
  }
  if (symbol.reason == Reason::kLocalFailure) outcome.local_errno = error;
  if (symbol.reason == Reason::kNoResponse) outcome.rtt = Duration::zero();
  End(index, std::move(outcome),
      symbol.reason == Reason::kConnRefused ? After::kReuse : After::kClose);
}

void EpollEngine::LookAtConnected(uint32_t index, const SocketName& peer, Time now) {
  Slot& slot = slots_[index];
  const std::optional<SocketName> local = LocalNameOf(slot.fd);
  if (local && *local == peer) {
    // The kernel chose the port that it was connecting to, and SYN met SYN: nobody listens there.
    ++counters_.self_connects;
    End(index, OutcomeOf(slot, {State::kClosed, Reason::kSelfConnect}, now), After::kClose);
    return;
  }
  ProbeOutcome outcome = OutcomeOf(slot, {State::kOpen, Reason::kSynAck}, now);
  if (local) outcome.source = local->address;
  End(index, std::move(outcome), After::kDrainAndReuse);
}

void EpollEngine::TimeOut(uint32_t index) {
  ProbeOutcome outcome =
      OutcomeOf(slots_[index], {State::kFiltered, Reason::kNoResponse}, slots_[index].started);
  End(index, std::move(outcome), After::kDrainAndReuse);
}

ProbeOutcome EpollEngine::OutcomeOf(const Slot& slot, Symbol symbol, Time now) const {
  ProbeOutcome outcome;
  outcome.cookie = slot.cookie;
  outcome.state = symbol.state;
  outcome.reason = symbol.reason;
  outcome.rtt = std::max(now - slot.started, Duration::zero());
  return outcome;
}

void EpollEngine::End(uint32_t index, ProbeOutcome outcome, After after) {
  timers_.Remove(index);
  slots_[index].busy = false;
  --busy_;
  if (outcome.reason == Reason::kLocalFailure) {
    outcome.rtt = Duration::zero();
    ++counters_.local[LocalFailureIndex(outcome.local_errno)];
  }
  ended_.push_back(std::move(outcome));
  if (after == After::kClose) {
    Close(index);
  } else {
    Reuse(index, after == After::kDrainAndReuse);
  }
}

void EpollEngine::EndUnstarted(uint64_t cookie, Reason reason, int error) {
  ProbeOutcome outcome;
  outcome.cookie = cookie;
  outcome.state = State::kOwed;
  outcome.reason = reason;
  outcome.local_errno = error;
  if (reason == Reason::kLocalFailure) ++counters_.local[LocalFailureIndex(error)];
  ended_.push_back(std::move(outcome));
}

void EpollEngine::Reuse(uint32_t index, bool drain) {
  Slot& slot = slots_[index];
  sockaddr unspec{};
  unspec.sa_family = AF_UNSPEC;
  if (connect(slot.fd, &unspec, sizeof unspec) != 0) {
    Close(index);
    return;
  }
  if (drain) {
    // Disconnecting an attempt or a connection leaves ECONNRESET behind (today's kernels clear it
    // in the next connect(), but promise nothing), and an ICMP error may have come in the last
    // moment. After a refusal there is nothing: error and queue have been read.
    TakeSocketError(slot.fd);
    ReadErrorQueue(slot.fd, {});
  }
  idle_[slot.pool].push_back(index);
}

void EpollEngine::Close(uint32_t index) {
  Slot& slot = slots_[index];
  const linger reset{1, 0};  // RST instead of FIN: neither side keeps state
  setsockopt(slot.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(slot.fd);
  slot.fd = -1;
  slot.watched = false;
  empty_.push_back(index);
}

Time EpollEngine::Poll(Duration wait, std::vector<ProbeOutcome>& out) {
  Time now = clock_.Now();
  const Time until = now + std::clamp(wait, Duration::zero(), kLongestWait);
  bool woken = false;
  for (;;) {
    Duration patience = std::min(until, timers_.Next()) - now;
    if (!ended_.empty()) patience = Duration::zero();
    // Every event that is there is looked at before any timeout: after a pause of this thread an
    // answer may have waited longer than its timeout.
    for (bool more = true; more; patience = Duration::zero()) more = Harvest(patience, woken);
    now = clock_.Now();
    due_.clear();
    timers_.Expire(now, due_);
    for (uint32_t index : due_) TimeOut(index);
    if (!ended_.empty() || woken || now >= until) break;
  }
  out.insert(out.end(), std::make_move_iterator(ended_.begin()),
             std::make_move_iterator(ended_.end()));
  ended_.clear();
  return now;
}

bool EpollEngine::Harvest(Duration wait, bool& woken) {
  const int count = Wait(wait);
  if (count <= 0) return false;
  const Time now = clock_.Now();
  for (int i = 0; i < count; ++i) {
    const uint64_t data = events_[i].data.u64;
    if (data == kWakeData) {
      uint64_t value;
      woken = read(wake_.get(), &value, sizeof value) == sizeof value || woken;
      continue;
    }
    const uint32_t index = static_cast<uint32_t>(data);
    const Slot& slot = slots_[index];
    if (slot.busy && slot.generation == static_cast<uint32_t>(data >> 32))
      Look(index, events_[i].events, now);
  }
  return count == static_cast<int>(events_.size());
}

int EpollEngine::Wait(Duration wait) {
  wait = std::max(wait, Duration::zero());
  if (have_pwait2_) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    timespec limit{};
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (wait - seconds).count();
    const int count = epoll_pwait2(epoll_.get(), events_.data(), events_.size(), &limit, nullptr);
    if (count >= 0 || errno == EINTR) return count;
    have_pwait2_ = false;  // before Linux 5.11, or refused by a sandbox: whole milliseconds then
  }
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait);
  return epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                    static_cast<int>(ms.count()));
}

void EpollEngine::Cancel() {
  for (uint32_t i = 0; i < window_; ++i) {
    if (!slots_[i].busy) continue;
    timers_.Remove(i);
    slots_[i].busy = false;
    Close(i);
  }
  busy_ = 0;
  ended_.clear();
}

void EpollEngine::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, that is, when it has been woken already.
  if (write(wake_.get(), &one, sizeof one) != sizeof one) return;
}

}  // namespace portolan
