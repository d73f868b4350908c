#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/time.h"
#include "common/net/ip_address.h"

namespace portolan {

// What is known of a port. The numbers are stored and sent: never change one.
enum class State : uint8_t {
  kOpen = 1,         // the handshake completed
  kClosed = 2,       // the host itself answered with a RST
  kFiltered = 3,     // silence, or a firewall said so
  kUnreachable = 4,  // the network says that there is no way to the host
  kNotProbed = 5,    // will never be known in this scan; the reason is the cause
  kOwed = 6,  // on the wire only: probed without a verdict, or given back; to be probed again
};

// How it is known. The numbers are stored and sent: never change one.
enum class Reason : uint8_t {
  kNone = 0,  // with kOwed only: nothing is known here, or it was counted elsewhere
  // open
  kSynAck = 1,
  // handshake, then RST at once: a SYN proxy, or a server that refuses this client
  kResetAfterAccept = 2,
  // closed
  kConnRefused = 10,  // RST
  kSelfConnect = 11,  // the kernel connected the socket to itself: nobody listens
  // filtered
  kNoResponse = 20,
  kAdminProhibited = 21,   // ICMP 3/9, 3/10, 3/13; ICMPv6 1/1, 1/5, 1/6
  kPortUnreachable = 22,   // ICMP 3/3, ICMPv6 1/4: a firewall's reject
  kProtoUnreachable = 23,  // ICMP 3/2
  kThrottled = 24,  // silent, and the host had stopped answering ports that it answered before
  // unreachable
  kHostUnreachable = 30,
  kNetUnreachable = 31,
  kTtlExceeded = 32,
  // not probed: the cause
  kExcluded = 40,    // an exclusion added while the scan ran
  kAgentScope = 41,  // no agent of the lane may, or can, probe it
  kNoAgent = 42,     // the lane had no agent for the scan's limit of time
  kAttempts = 43,    // attempted as often as the scan allows
  kCancelled = 44,
  // owed: the cause
  kLocalFailure = 50,   // EMFILE, EADDRNOTAVAIL, ENOBUFS, ...: ours, never a port's state
  kChunkClosed = 51,    // still in flight, or due a retry, when its chunk had to close
  kHostThrottles = 52,  // the host stopped answering ports that it answered before: ask it later
  // this agent may not (its scope) or cannot (no route) probe it: another may
  kRefusedByScope = 53,
};

// Names as users see them. "unknown" for a number that is none of these.
std::string_view StateName(State s);    // "open", "not-probed"
std::string_view ReasonName(Reason r);  // "syn-ack", "conn-refused", "host-unreach"
// The inverse; nullopt for any other text ("unknown" too).
std::optional<State> StateFromName(std::string_view name);
std::optional<Reason> ReasonFromName(std::string_view name);
bool IsValid(State s, Reason r);  // true for the pairs of the table above

struct Symbol {
  State state = State::kOwed;
  Reason reason = Reason::kNone;
  friend bool operator==(const Symbol&, const Symbol&) = default;
};

// An open port, reported at once and kept as a row. `index` is its position in the scan space.
struct OpenRow {
  uint64_t index = 0;
  Reason reason = Reason::kSynAck;
  uint32_t rtt_us = 0;
  WallTime when;
  IpAddress source;  // the agent's address that the probe left from
};

// How many positions have each outcome. planned = the sum of all + owed/leased/pending elsewhere.
struct Ledger {
  uint64_t open = 0, closed = 0, filtered = 0, unreachable = 0;
  static constexpr int kCauses = 5;
  // kExcluded, kAgentScope, kNoAgent, kAttempts, kCancelled in this order
  uint64_t not_probed[kCauses] = {};
  uint64_t extra = 0;  // probes beyond the plan (confirmations); not part of the sum
  friend bool operator==(const Ledger&, const Ledger&) = default;
  uint64_t NotProbed() const;
  uint64_t Done() const { return open + closed + filtered + unreachable + NotProbed(); }
  void Count(Symbol s, uint64_t n);  // CHECKs that s is valid and not owed
  void Add(const Ledger& other);
};

}  // namespace portolan
