#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "agent/engine/probe_engine.h"
#include "tests/fakes/fake_clock.h"

namespace portolan {

// What the network answers to one SYN.
struct FakeAnswer {
  Symbol symbol{State::kFiltered, Reason::kNoResponse};
  Duration after{};                    // of silence: ignored, it ends with the timeout
  int local_errno = 0;                 // with kLocalFailure
  AfterOpen then = AfterOpen::kQuiet;  // what an open one does when it is held,
  Duration then_after{};               // so long after its answer
  static FakeAnswer Open(Duration after = {}) {
    return {{State::kOpen, Reason::kSynAck}, after, 0, AfterOpen::kQuiet, {}};
  }
  static FakeAnswer Closed(Duration after = {}) {
    return {{State::kClosed, Reason::kConnRefused}, after, 0, AfterOpen::kQuiet, {}};
  }
  static FakeAnswer Silence() { return {}; }
  static FakeAnswer Failure(int error) {
    return {{State::kOwed, Reason::kLocalFailure}, {}, error, AfterOpen::kQuiet, {}};
  }
  FakeAnswer Then(AfterOpen what, Duration later = {}) const {
    FakeAnswer out = *this;
    out.then = what;
    out.then_after = later;
    return out;
  }
};

// An engine without sockets over a clock that stands still: Poll moves the clock to the next
// answer, or by `wait` when there is none before. With nothing in flight and a wait of a minute or
// more it blocks until Wake instead, so that a probe thread can be tested with it.
class FakeEngine final : public ProbeEngine {
 public:
  using Network = std::function<FakeAnswer(const IpAddress&, uint16_t port)>;
  struct Started {
    Time at;
    IpAddress address;
    uint16_t port;
    Duration hold;
    Duration timeout;
    bool silent;  // nobody answers within the timeout
  };

  FakeEngine(FakeClock& clock, uint32_t window, Network network)
      : clock_(clock), window_(window), network_(std::move(network)) {}

  std::string_view name() const override { return "fake"; }
  uint32_t window() const override { return window_; }
  uint32_t in_flight() const override { return static_cast<uint32_t>(pending_.size()); }

  bool StartHolding(const IpAddress& address, uint16_t port, Duration timeout, Duration hold,
                    uint64_t cookie, Time not_after) override {
    if (in_flight() >= window_) return false;
    ++counters_.started;
    const Time now = clock_.Now();
    ProbeOutcome outcome;
    outcome.cookie = cookie;
    if (now >= not_after) {
      outcome.reason = Reason::kChunkClosed;
      pending_.emplace(now, outcome);
      return true;
    }
    FakeAnswer answer = network_(address, port);
    const bool silent = answer.symbol.reason == Reason::kNoResponse || answer.after > timeout;
    started_.push_back({now, address, port, hold, timeout, silent});
    if (silent) answer.symbol = {State::kFiltered, Reason::kNoResponse};
    outcome.state = answer.symbol.state;
    outcome.reason = answer.symbol.reason;
    outcome.local_errno = answer.local_errno;
    if (!silent && answer.symbol.state != State::kOwed) outcome.rtt = answer.after;
    if (outcome.state == State::kOpen) outcome.source = IpAddress::V4(0x7f000001);
    if (outcome.state == State::kOwed) ++counters_.local.back();
    Duration took = silent ? timeout : answer.after;
    if (hold > Duration::zero() && outcome.state == State::kOpen) {
      // kQuiet and kNoWindow show only when the time is over.
      const bool acts = answer.then != AfterOpen::kQuiet && answer.then != AfterOpen::kNoWindow;
      const bool in_time = !acts || answer.then_after <= hold;
      outcome.after = in_time ? answer.then : AfterOpen::kQuiet;
      if (outcome.after == AfterOpen::kReset) outcome.reason = Reason::kResetAfterAccept;
      took += acts && in_time ? answer.then_after : hold;
    }
    pending_.emplace(now + took, outcome);
    return true;
  }

  Time Poll(Duration wait, std::vector<ProbeOutcome>& out) override {
    if (pending_.empty() && wait >= std::chrono::minutes(1)) {
      std::unique_lock lock(mu_);
      cv_.wait(lock, [this] { return woken_; });
      woken_ = false;
      return clock_.Now();
    }
    Time now = clock_.Now();
    {
      std::unique_lock lock(mu_);
      if (std::exchange(woken_, false)) wait = Duration::zero();
    }
    const Time next = pending_.empty() ? kNever : pending_.begin()->first;
    if (next > now && wait > Duration::zero()) {
      clock_.Advance(std::min(wait, next - now));
      now = clock_.Now();
    }
    while (!pending_.empty() && pending_.begin()->first <= now) {
      out.push_back(pending_.begin()->second);
      pending_.erase(pending_.begin());
    }
    return now;
  }

  void Cancel() override { pending_.clear(); }
  void Wake() override {
    std::unique_lock lock(mu_);
    woken_ = true;
    cv_.notify_all();
  }
  std::string limited_by() const override { return ""; }
  const Counters& counters() const override { return counters_; }

  bool LacksRoute(const IpAddress& address, Time) override {
    return lacks_route && lacks_route(address);
  }

  // Addresses that this machine cannot ask; empty: none.
  std::function<bool(const IpAddress&)> lacks_route;

  // Every attempt that left, in order.
  const std::vector<Started>& started() const { return started_; }

 private:
  FakeClock& clock_;
  const uint32_t window_;
  const Network network_;
  // by when they end; those of the same time in the order they were started
  std::multimap<Time, ProbeOutcome> pending_;
  std::vector<Started> started_;
  Counters counters_;
  std::mutex mu_;
  std::condition_variable cv_;
  bool woken_ = false;
};

}  // namespace portolan
