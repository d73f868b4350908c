#pragma once

#include <cstdint>
#include <span>

#include "tests/simnet/hash.h"

// IP packets as a TUN device without headers of its own carries them: parsed strictly, built with
// their checksums.
namespace portolan::simnet {

inline constexpr size_t kMaxPacket = 2048;  // more than the device's MTU

enum TcpFlag : uint8_t { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16 };

struct Segment {
  Address from = 0, to = 0;  // both of one family
  uint16_t from_port = 0, to_port = 0;
  uint32_t seq = 0, ack = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  uint16_t payload = 0;  // bytes
};

enum class Parsed : uint8_t {
  kTcp,
  kOther,        // well-formed as far as looked at, but no TCP (router solicitations, ICMP)
  kMalformed,    // truncated, inconsistent lengths, a fragment, an address of the wrong kind
  kBadChecksum,  // of the IPv4 header, or of the segment
};
// `out` is set for kTcp only. Reads nothing outside of `packet`, whatever it holds.
Parsed Parse(std::span<const uint8_t> packet, Segment& out);

// The Internet checksum (RFC 1071), to be continued with `sum`; folded and complemented by
// Finish().
uint32_t PartialSum(std::span<const uint8_t> bytes, uint32_t sum = 0);
uint16_t FinishSum(uint32_t sum);

// The builders write one packet into `out` (of kMaxPacket bytes) and give its length.

// A SYN carries an MSS option. `text`: at most 1,000 bytes.
size_t BuildTcp(const Segment& segment, std::span<const char> text, uint8_t* out);

struct IcmpCode {
  uint8_t type = 0;
  uint8_t code = 0;
};
// An ICMP (or ICMPv6) error of `source` about `offending`, a segment that never arrived: quotes its
// IP header and its TCP header, so that the sender's kernel finds the socket.
size_t BuildIcmpError(Address source, IcmpCode code, const Segment& offending, uint8_t* out);

}  // namespace portolan::simnet
