#pragma once

#include <sys/epoll.h>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/engine/answer.h"
#include "agent/engine/probe_engine.h"
#include "agent/engine/timer_wheel.h"

namespace portolan {

// A descriptor that closes itself.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd();
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The engine that runs everywhere. Half of what a connection attempt costs is making and closing
// the socket, so sockets are used again: after an answer or a timeout connect(AF_UNSPEC) takes the
// socket back (and sends RST where there is a connection), then its pending error and its error
// queue are emptied, because a leftover would become the next port's state. Sockets that saw
// anything but a plain answer are closed.
//
// An event is only a hint that a socket should be looked at: what is true is what SO_ERROR, the
// error queue and getpeername say then. So an event of an earlier use of the socket does no harm;
// one of an earlier socket in the same slot is told by its generation.
class EpollEngine final : public ProbeEngine {
 public:
  // Takes over both descriptors' owners; `window` >= 1.
  EpollEngine(uint32_t window, std::vector<IpAddress> sources, std::string limited_by, int epoll_fd,
              int wake_fd, const Clock& clock);
  ~EpollEngine() override;

  std::string_view name() const override { return "epoll"; }
  uint32_t window() const override { return window_; }
  uint32_t in_flight() const override { return busy_ + static_cast<uint32_t>(ended_.size()); }
  bool Start(const IpAddress& address, uint16_t port, Duration timeout, uint64_t cookie,
             Time not_after) override;
  Time Poll(Duration wait, std::vector<ProbeOutcome>& out) override;
  void Cancel() override;
  void Wake() override;
  std::string limited_by() const override { return limited_by_; }
  const Counters& counters() const override { return counters_; }

 private:
  struct Slot {
    int fd = -1;
    uint32_t generation = 0;  // of the socket in this slot
    bool busy = false;
    bool watched = false;   // in the epoll set
    uint8_t syn_count = 0;  // TCP_SYNCNT in force; 0: the system's
    uint16_t pool = 0;
    SocketName target;
    Time started{};
    uint64_t cookie = 0;
  };
  enum class After { kReuse, kDrainAndReuse, kClose };  // what becomes of the socket

  // A slot with a socket for this family; nullopt: errno says why not.
  std::optional<uint32_t> TakeSocket(bool v6);
  bool OpenSocket(Slot& slot, bool v6, const IpAddress* source);
  // Looks at a busy socket; gives its outcome when it has one.
  void Look(uint32_t index, uint32_t events, Time now);
  void LookAtError(uint32_t index, int error, bool at_once, Time now);
  void LookAtConnected(uint32_t index, const SocketName& peer, Time now);
  void TimeOut(uint32_t index);
  void End(uint32_t index, ProbeOutcome outcome, After after);
  ProbeOutcome OutcomeOf(const Slot& slot, Symbol symbol, Time now) const;
  // Ends an attempt that got no socket.
  void EndUnstarted(uint64_t cookie, Reason reason, int error);
  void Reuse(uint32_t index, bool drain);
  void Close(uint32_t index);
  // One epoll_wait and what it brings. Returns whether there may be more at once.
  bool Harvest(Duration wait, bool& woken);
  int Wait(Duration wait);

  const uint32_t window_;
  const std::vector<IpAddress> sources_[2];  // IPv4, IPv6
  const std::string limited_by_;
  const OwnedFd epoll_;
  const OwnedFd wake_;
  const Clock& clock_;

  std::vector<Slot> slots_;
  std::vector<uint32_t> empty_;  // slots without a socket
  std::vector<std::vector<uint32_t>>
      idle_;  // sockets to use again, by pool: one for each family and source
  size_t next_source_[2] = {0, 0};
  uint32_t busy_ = 0;
  TimerWheel timers_;
  std::vector<uint32_t> due_;
  std::deque<ProbeOutcome> ended_;  // not yet given to the caller
  std::array<epoll_event, 512> events_;
  bool have_pwait2_ = true;
  Counters counters_;
};

}  // namespace portolan
