#pragma once

#include <sys/epoll.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "agent/engine/ended.h"
#include "agent/engine/judgement.h"
#include "agent/engine/local_routes.h"
#include "agent/engine/probe_engine.h"
#include "agent/engine/socket_pool.h"
#include "agent/engine/timer_wheel.h"

namespace portolan {

// The engine that runs everywhere. Sockets are used again (SocketPool); those that saw anything but
// a plain answer are closed.
//
// An event is only a hint that a socket should be looked at: what is true is what SO_ERROR, the
// error queue and getpeername say then. So an event of an earlier use of the socket does no harm;
// one of an earlier socket in the same slot is told by its generation.
class EpollEngine final : public ProbeEngine {
 public:
  // Takes over both descriptors' owners; `window` >= 1.
  EpollEngine(uint32_t window, const std::vector<IpAddress>& sources, std::string limited_by,
              int epoll_fd, int wake_fd, const Clock& clock);

  std::string_view name() const override { return "epoll"; }
  uint32_t window() const override { return window_; }
  uint32_t in_flight() const override { return busy_ + ended_.size(); }
  bool StartHolding(const IpAddress& address, uint16_t port, Duration timeout, Duration hold,
                    uint64_t cookie, Time not_after) override;
  Time Poll(Duration wait, std::vector<ProbeOutcome>& out) override;
  void Cancel() override;
  void Wake() override;
  std::string limited_by() const override { return limited_by_; }
  const Counters& counters() const override { return ended_.counters(); }
  bool LacksRoute(const IpAddress& address, Time now) override {
    return routes_.Lacks(address, now);
  }

 private:
  struct Slot {
    uint32_t generation = 0;  // of the socket in this slot
    bool busy = false;
    bool watched = false;  // in the epoll set
    bool held = false;     // connected
    SocketName target;
    Time started{};
    Time answered{};  // of those held
    Duration hold{};
    uint64_t cookie = 0;
  };

  void TimeOut(uint32_t index);
  // Something may have happened: `events` are epoll's.
  void Look(uint32_t index, uint32_t events, Time now);
  void Hold(uint32_t index, const Judgement& opened, Time now);
  void EndHeld(uint32_t index, AfterOpen after);
  void End(uint32_t index, const Judgement& judgement, Time now);
  // One epoll_wait and what it brings. Returns whether there may be more at once.
  bool Harvest(Duration wait, bool& woken);
  int Wait(Duration wait);

  const uint32_t window_;
  const std::string limited_by_;
  const OwnedFd epoll_;
  const OwnedFd wake_;
  const Clock& clock_;

  SocketPool sockets_;
  LocalRoutes routes_;
  std::vector<Slot> slots_;
  uint32_t busy_ = 0;
  TimerWheel timers_;
  std::vector<uint32_t> due_;
  Ended ended_;
  std::array<epoll_event, 512> events_;
  bool have_pwait2_ = true;
};

}  // namespace portolan
