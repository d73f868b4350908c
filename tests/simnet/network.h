#pragma once

#include <cstdint>
#include <span>

#include "common/base/time.h"
#include "tests/simnet/counters.h"
#include "tests/simnet/packet.h"
#include "tests/simnet/reply_queue.h"
#include "tests/simnet/world.h"

namespace portolan::simnet {

// Where the network's packets to the scanner go.
class PacketSink {
 public:
  virtual ~PacketSink() = default;
  virtual bool Send(std::span<const uint8_t> packet) = 0;  // false: not taken
};

struct NetworkOptions {
  uint32_t queue = 1u << 20;  // replies that wait, at most
  // how long an unanswered SYN counts as half-open
  Duration half_open_time = std::chrono::milliseconds(1000);
  // how long a connection whose end is not seen counts
  Duration connection_time = std::chrono::seconds(10);
};

// The network itself: takes the scanner's packets, sends answers when they are due. Hosts keep no
// connection: the initial sequence number is a cookie (RFC 4987 3.6), so each segment is answered
// by itself, and nothing is sent again. No I/O, thread or clock: callers pass `now`, which must not
// go backwards. Not thread-safe.
class Network {
 public:
  Network(const World& world, const NetworkOptions& options, Time start);

  void OnPacket(Time now, std::span<const uint8_t> packet, PacketSink& sink);
  // Sends what is due.
  void RunDue(Time now, PacketSink& sink);
  // When RunDue has something to do next, or earlier; kNever: not before another packet.
  Time Next() const { return queue_.Next(); }

  Counters& counters() { return counters_; }
  // Whether the address belongs to the simulation: 198.18.0.0/15 or 2001:db8::/32.
  static bool Contains(Address a);

 private:
  void OnSyn(Time now, const Segment& s, PacketSink& sink);
  void OnLater(Time now, const Segment& s, PacketSink& sink);
  uint32_t CountSyn(Time now, const Segment& s);
  bool PassesLimits(Time now, const Segment& s);
  // Whether the packet is lost on this way, by chance or in a burst.
  bool Lost(Time now, double chance, BurstLoss& burst, uint64_t& counter);
  // Whether the host has stopped answering. Counts the SYN.
  bool IsBlocked(Time now, const Host& host, uint32_t index);
  bool MaySendReset(Time now, uint32_t host);
  bool MaySendIcmp(Time now, const Segment& s, const Host& host, uint32_t index);
  void Unanswered(Time now, uint32_t host);
  void Schedule(Time now, Duration delay, const Reply& reply, PacketSink& sink);
  void Emit(const Reply& reply, PacketSink& sink);
  void Begin(Time now, const Segment& s, uint32_t host, PacketSink& sink);
  void End(uint64_t connection, uint32_t host);

  const World& world_;
  const NetworkOptions options_;
  ReplyQueue queue_;
  Counters counters_;
  BurstLoss burst_out_, burst_in_;
  Bucket link_;
  FingerprintSet seen_{1u << 24};  // (address, port) that had a SYN -> its source port
  FingerprintSet arrived_{
      1u << 22};  // of ports that answer the second SYN only: those that had one
  FingerprintSet connections_{1u << 20};  // 4-tuples
  uint64_t chance_ = 0;                   // counts random decisions
  uint64_t packet_ = 0;                   // counts segments, for jitter
};

}  // namespace portolan::simnet
