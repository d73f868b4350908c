#pragma once

#include <map>
#include <queue>
#include <string>
#include <vector>

#include "agent/engine/probe_engine.h"
#include "agent/pacing/syn_schedule.h"
#include "common/base/check.h"
#include "tests/fakes/fake_clock.h"
#include "tests/simnet/network.h"

namespace portolan {

// An engine over a simulated network without a kernel between them: builds the SYNs, also those
// that a kernel would send again by itself, and reads the answers. Poll moves the clock. IPv4 only.
class SimnetEngine final : public ProbeEngine, public simnet::PacketSink {
 public:
  // `cost`: the clock moves by this much with each attempt.
  SimnetEngine(FakeClock& clock, const simnet::World& world, uint32_t window, Duration cost)
      : clock_(clock),
        network_(world, simnet::NetworkOptions(), clock.Now()),
        window_(window),
        cost_(cost),
        attempts_(kPorts) {
    PORTOLAN_CHECK(window <= kPorts / 2);
    for (uint32_t i = 0; i < kPorts; ++i) free_.push(static_cast<uint16_t>(i));
  }

  std::string_view name() const override { return "simnet"; }
  uint32_t window() const override { return window_; }
  uint32_t in_flight() const override { return in_flight_; }

  bool StartHolding(const IpAddress& address, uint16_t port, Duration timeout, Duration hold,
                    uint64_t cookie, Time not_after) override {
    if (in_flight_ >= window_) return false;
    clock_.Advance(cost_);
    const Time now = clock_.Now();
    ++counters_.started;
    ++in_flight_;
    const uint16_t slot = free_.front();
    free_.pop();
    Attempt& a = attempts_[slot];
    a = {cookie, ++generation_, now, timeout, hold, address, port, true, {}};
    if (now >= not_after) {
      a.outcome.reason = Reason::kChunkClosed;
      events_.push({now, a.generation, slot, Event::kEnd});
      return true;
    }
    a.outcome.state = State::kFiltered;
    a.outcome.reason = Reason::kNoResponse;
    events_.push({now + timeout, a.generation, slot, Event::kEnd});
    for (uint32_t n = 0; n < kKernelResends && KernelResendsAfter(n) < timeout; ++n)
      events_.push({now + KernelResendsAfter(n), a.generation, slot, Event::kResend});
    SendSyn(slot, now);
    return true;
  }

  Time Poll(Duration wait, std::vector<ProbeOutcome>& out) override {
    out_ = &out;
    const Time until = clock_.Now() + wait;
    RunDue();
    while (out.empty() && clock_.Now() < until) {
      const Time own = events_.empty() ? kNever : events_.top().at;
      const Time next = std::min({own, network_.Next(), until});
      if (next > clock_.Now()) clock_.Advance(next - clock_.Now());
      RunDue();
    }
    out_ = nullptr;
    return clock_.Now();
  }

  void Cancel() override {}
  void Wake() override {}
  std::string limited_by() const override { return ""; }
  const Counters& counters() const override { return counters_; }
  const simnet::Counters& network() { return network_.counters(); }

  // An answer of the network.
  bool Send(std::span<const uint8_t> packet) override {
    simnet::Segment s;
    uint16_t to_port = 0;
    Symbol symbol;
    if (simnet::Parse(packet, s) == simnet::Parsed::kTcp) {
      to_port = s.to_port;
      symbol = (s.flags & simnet::kRst) != 0 ? Symbol{State::kClosed, Reason::kConnRefused}
                                             : Symbol{State::kOpen, Reason::kSynAck};
    } else {
      PORTOLAN_CHECK(packet.size() >= 50 && packet[0] >> 4 == 4);
      to_port = static_cast<uint16_t>(packet[48] << 8 | packet[49]);  // of the quoted SYN
      symbol = OfIcmp(packet[21]);
    }
    const uint16_t slot = static_cast<uint16_t>(to_port - kFirstPort);
    Attempt& a = attempts_[slot];
    if (!a.used || a.outcome.state == State::kOpen) return true;  // too late, or served on
    const Time now = clock_.Now();
    a.outcome.state = symbol.state;
    a.outcome.reason = symbol.reason;
    a.outcome.rtt = now - a.started;
    if (symbol.state == State::kOpen) {
      a.outcome.source = IpAddress::V4(kScanner);
      // What the kernel's close would do.
      simnet::Segment reset = {s.to,         s.from, s.to_port, s.from_port, s.ack, s.seq + 1,
                               simnet::kRst, 0,      0};
      Transmit(reset, now);
    }
    a.generation = ++generation_;  // what was due of it is void
    const Duration hold = symbol.state == State::kOpen ? a.hold : Duration::zero();
    if (hold > Duration::zero()) a.outcome.after = AfterOpen::kQuiet;
    events_.push({now + hold, a.generation, slot, Event::kEnd});
    return true;
  }

 private:
  static constexpr uint32_t kScanner = 0xC6120001;  // 198.18.0.1
  static constexpr uint16_t kFirstPort = 1024;
  static constexpr uint32_t kPorts = 64'512;
  struct Attempt {
    uint64_t cookie = 0;
    uint64_t generation = 0;
    Time started{};
    Duration timeout{}, hold{};
    IpAddress address;
    uint16_t port = 0;
    bool used = false;
    ProbeOutcome outcome;
  };
  struct Event {
    enum Kind : uint8_t { kEnd, kResend };
    Time at;
    uint64_t generation;  // of the attempt; another one: void
    uint16_t slot;
    Kind kind;
    bool operator>(const Event& o) const {
      return at != o.at ? at > o.at : generation > o.generation;
    }
  };

  static Symbol OfIcmp(uint8_t code) {
    if (code == 10 || code == 13) return {State::kFiltered, Reason::kAdminProhibited};
    if (code == 3) return {State::kFiltered, Reason::kPortUnreachable};
    return {State::kUnreachable, code == 1 ? Reason::kHostUnreachable : Reason::kNetUnreachable};
  }
  void SendSyn(uint16_t slot, Time now) {
    const Attempt& a = attempts_[slot];
    Transmit({simnet::kMappedPrefix | kScanner, simnet::ToAddress(a.address),
              static_cast<uint16_t>(kFirstPort + slot), a.port, static_cast<uint32_t>(a.generation),
              0, simnet::kSyn, 64'240, 0},
             now);
  }
  void Transmit(const simnet::Segment& s, Time now) {
    uint8_t bytes[simnet::kMaxPacket];
    network_.OnPacket(now, {bytes, simnet::BuildTcp(s, {}, bytes)}, *this);
  }
  void RunDue() {
    const Time now = clock_.Now();
    network_.RunDue(now, *this);
    while (!events_.empty() && events_.top().at <= now) {
      const Event event = events_.top();
      events_.pop();
      Attempt& a = attempts_[event.slot];
      if (!a.used || a.generation != event.generation) continue;
      if (event.kind == Event::kResend) {
        SendSyn(event.slot, now);
        continue;
      }
      a.outcome.cookie = a.cookie;
      out_->push_back(a.outcome);
      a.used = false;
      --in_flight_;
      free_.push(event.slot);
    }
  }

  FakeClock& clock_;
  simnet::Network network_;
  const uint32_t window_;
  const Duration cost_;
  std::vector<Attempt> attempts_;  // by source port
  std::queue<uint16_t> free_;      // the one that is free for longest first
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t generation_ = 0;
  uint32_t in_flight_ = 0;
  std::vector<ProbeOutcome>* out_ = nullptr;
  Counters counters_;
};

}  // namespace portolan
