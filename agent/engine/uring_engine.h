#pragma once

#include <netinet/in.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/engine/ended.h"
#include "agent/engine/judgement.h"
#include "agent/engine/local_routes.h"
#include "agent/engine/probe_engine.h"
#include "agent/engine/ring.h"
#include "agent/engine/socket_pool.h"
#include "agent/engine/timer_wheel.h"

namespace portolan {

// The engine over io_uring: attempts are submitted in batches, and refusals, which most answers
// are, cost no look at the socket of their own.
//
// Sockets are ordinary descriptors that are also registered with the ring: requests use the table,
// and what the ring cannot tell (getpeername, TCP_INFO, the error queue) is asked of the
// descriptor. A completion is only a hint, as an event of epoll is. In particular result 0 of a
// CONNECT does not mean open: io_uring takes SO_ERROR for the result once poll reports an error,
// and an ICMP error that is in the error queue alone reports one without an SO_ERROR. And
// -ECONNREFUSED may be an ICMP port-unreachable. So one poll() over a batch of refusals asks
// whether their error queues are empty, and everything else is judged as the epoll engine does
// (judgement.h).
//
// A slot is not used again before its request has completed; an attempt that times out is cancelled
// first, unless a trial has shown that its request completes when its socket is disconnected: some
// kernels would try it again, and send a SYN.
//
// Start only queues; the packets leave with the 32nd one or in Poll, after a last look at the
// clock. A batch takes about 0.2 ms to send, so an attempt is too late already 5 ms before its
// `not_after`.
//
// Destroyed by its owner thread, or after Cancel.
class UringEngine final : public ProbeEngine {
 public:
  // Takes over `wake_fd`, a non-blocking eventfd; `window` >= 1, and the ring has as many slots.
  UringEngine(uint32_t window, const std::vector<IpAddress>& sources, std::string limited_by,
              std::unique_ptr<Ring> ring, int wake_fd, const Clock& clock);
  ~UringEngine() override;

  std::string_view name() const override { return "io_uring"; }
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
  static constexpr uint32_t kBatch = 32;
  enum class Use : uint8_t {
    kIdle,
    kQueued,       // waits for Flush
    kTrying,       // a request is in the kernel
    kHeld,         // connected; a request waits for what the peer does
    kTimedOut,     // and being cancelled; silence (or quiet), unless an answer is faster
    kDisconnected  // timed out: silence; the request is about to complete
  };
  struct Slot {
    Use use = Use::kIdle;
    bool dropped = false;  // by Cancel: ends without an outcome
    bool polled = false;   // the request is a POLL_ADD, not the CONNECT
    bool registered = false;
    uint8_t looks = 0;
    uint32_t attempt = 0;  // tells the attempts of this slot apart
    SocketName target;
    union {
      sockaddr_in v4;
      sockaddr_in6 v6;
    } to = {};
    Time started{};
    Time answered{};  // of those held; before that kNever
    Duration hold{};
    Time not_after{};
    Duration timeout{};
    uint64_t cookie = 0;
  };

  // Sends what is queued.
  void Flush();
  // Runs the ring and takes every completion that is there.
  void Harvest(Duration wait);
  void OnCompletion(uint64_t data, int result, Time now);
  void OnAttempt(uint32_t index, int result, Time now);
  // Tells resets from ICMP among refused_.
  void SettleRefused(Time now);
  // Gives the sockets of disconnected_ back.
  void SettleDisconnected();
  // f(slot, whether its socket may have an error or something in its error queue), then none.
  template <typename F>
  void AskForErrors(std::vector<uint32_t>& slots, F f);
  void End(uint32_t index, const Judgement& judgement, Time now);
  void EndInSilence(uint32_t index);
  void TimeOut(uint32_t index, Time now);
  void Hold(uint32_t index, const Judgement& opened, Time now);
  void OnHeld(uint32_t index, int result);
  void EndHeld(uint32_t index, AfterOpen after);
  // Waits for the socket by POLL_ADD: the CONNECT has completed and told nothing, or the connection
  // is held. False: no more.
  bool WaitOn(uint32_t index, uint32_t events);
  // Asks the kernel to end the request of a slot, and again after a second.
  void Abort(uint32_t index, Time now);
  void ArmWake();
  uint64_t DataOf(uint32_t index) const;
  void Address(io_uring_sqe& sqe, uint32_t index) const;

  const uint32_t window_;
  const std::string limited_by_;
  const OwnedFd wake_;
  const Clock& clock_;

  SocketPool sockets_;
  LocalRoutes routes_;
  std::unique_ptr<Ring> ring_;  // after sockets_: goes first
  std::vector<Slot> slots_;
  std::vector<uint32_t> queued_;
  uint32_t busy_ = 0;  // slots that are not idle
  TimerWheel timers_;
  std::vector<uint32_t> due_;
  std::vector<uint32_t> refused_;       // completed with ECONNREFUSED in this round
  std::vector<uint32_t> disconnected_;  // completed after they had timed out, in this round
  Ended ended_;
  bool wake_armed_ = false;
  bool woken_ = false;
};

}  // namespace portolan
