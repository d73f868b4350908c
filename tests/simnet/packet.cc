#include "tests/simnet/packet.h"

#include <cstring>

namespace portolan::simnet {
namespace {

constexpr uint8_t kTcpProtocol = 6, kIcmp = 1, kIcmp6 = 58;
constexpr size_t kV4Header = 20, kV6Header = 40, kTcpHeader = 20;
constexpr uint8_t kTtl = 57;
constexpr uint16_t kMss = 1400;

uint16_t Get16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
uint32_t Get32(const uint8_t* p) { return static_cast<uint32_t>(Get16(p)) << 16 | Get16(p + 2); }
uint64_t Get64(const uint8_t* p) { return static_cast<uint64_t>(Get32(p)) << 32 | Get32(p + 4); }
void Put16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}
void Put32(uint8_t* p, uint32_t v) {
  Put16(p, static_cast<uint16_t>(v >> 16));
  Put16(p + 2, static_cast<uint16_t>(v));
}
void PutAddress(uint8_t* p, Address a) {
  if (IsV4(a)) return Put32(p, static_cast<uint32_t>(a));
  for (size_t i = 0; i < 4; ++i) Put32(p + 4 * i, static_cast<uint32_t>(a >> (96 - 32 * i)));
}

// The checksum of a pseudo header (RFC 9293 3.1, RFC 8200 8.1).
uint32_t PseudoSum(const uint8_t* addresses, size_t size, uint8_t protocol, size_t length) {
  return PartialSum({addresses, size}) + protocol + static_cast<uint32_t>(length);
}

// Writes the IP header and gives its length. `length`: of what follows it.
size_t PutIpHeader(Address from, Address to, uint8_t protocol, size_t length, uint8_t* out) {
  if (IsV4(to)) {
    std::memset(out, 0, kV4Header);
    out[0] = 0x45;
    Put16(out + 2, static_cast<uint16_t>(kV4Header + length));
    out[6] = 0x40;  // don't fragment
    out[8] = kTtl;
    out[9] = protocol;
    PutAddress(out + 12, from);
    PutAddress(out + 16, to);
    Put16(out + 10, FinishSum(PartialSum({out, kV4Header})));
    return kV4Header;
  }
  std::memset(out, 0, 4);
  out[0] = 0x60;
  Put16(out + 4, static_cast<uint16_t>(length));
  out[6] = protocol;
  out[7] = kTtl;
  PutAddress(out + 8, from);
  PutAddress(out + 24, to);
  return kV6Header;
}

// Completes the checksum at `at` of what follows an IP header that PutIpHeader wrote.
void PutChecksum(const uint8_t* ip, bool v4, uint8_t protocol, uint8_t* body, size_t length,
                 size_t at) {
  const uint32_t pseudo =
      v4 ? PseudoSum(ip + 12, 8, protocol, length) : PseudoSum(ip + 8, 32, protocol, length);
  Put16(body + at, FinishSum(PartialSum({body, length}, pseudo)));
}

void PutTcpHeader(const Segment& s, size_t header, uint8_t* out) {
  Put16(out, s.from_port);
  Put16(out + 2, s.to_port);
  Put32(out + 4, s.seq);
  Put32(out + 8, s.ack);
  out[12] = static_cast<uint8_t>(header / 4 << 4);
  out[13] = s.flags;
  Put16(out + 14, s.window);
  Put32(out + 16, 0);  // checksum, urgent
}

// The segment behind an IP header, whose pseudo header sums up to `pseudo`.
Parsed ParseTcp(std::span<const uint8_t> tcp, uint32_t pseudo, Segment& out) {
  if (tcp.size() < kTcpHeader) return Parsed::kMalformed;
  const size_t header = static_cast<size_t>(tcp[12] >> 4) * 4;
  if (header < kTcpHeader || header > tcp.size()) return Parsed::kMalformed;
  if (FinishSum(PartialSum(tcp, pseudo)) != 0) return Parsed::kBadChecksum;
  out.from_port = Get16(tcp.data());
  out.to_port = Get16(tcp.data() + 2);
  out.seq = Get32(tcp.data() + 4);
  out.ack = Get32(tcp.data() + 8);
  out.flags = tcp[13];
  out.window = Get16(tcp.data() + 14);
  out.payload = static_cast<uint16_t>(tcp.size() - header);
  return Parsed::kTcp;
}

Parsed ParseV4(std::span<const uint8_t> packet, Segment& out) {
  if (packet.size() < kV4Header) return Parsed::kMalformed;
  const uint8_t* p = packet.data();
  const size_t header = static_cast<size_t>(p[0] & 15) * 4, total = Get16(p + 2);
  if (header < kV4Header || total < header || total > packet.size()) return Parsed::kMalformed;
  if (FinishSum(PartialSum({p, header})) != 0) return Parsed::kBadChecksum;
  if ((Get16(p + 6) & 0x3fff) != 0) return Parsed::kMalformed;  // a fragment
  if (p[9] != kTcpProtocol) return Parsed::kOther;
  out.from = kMappedPrefix | Get32(p + 12);
  out.to = kMappedPrefix | Get32(p + 16);
  return ParseTcp(packet.subspan(header, total - header),
                  PseudoSum(p + 12, 8, kTcpProtocol, total - header), out);
}

Parsed ParseV6(std::span<const uint8_t> packet, Segment& out) {
  if (packet.size() < kV6Header) return Parsed::kMalformed;
  const uint8_t* p = packet.data();
  const size_t length = Get16(p + 4);
  if (kV6Header + length > packet.size()) return Parsed::kMalformed;
  if (p[6] != kTcpProtocol) return Parsed::kOther;
  out.from = static_cast<Address>(Get64(p + 8)) << 64 | Get64(p + 16);
  out.to = static_cast<Address>(Get64(p + 24)) << 64 | Get64(p + 32);
  if (IsV4(out.from) || IsV4(out.to))
    return Parsed::kMalformed;  // never on the wire (RFC 4038 4.2)
  return ParseTcp(packet.subspan(kV6Header, length), PseudoSum(p + 8, 32, kTcpProtocol, length),
                  out);
}

}  // namespace

uint32_t PartialSum(std::span<const uint8_t> bytes, uint32_t sum) {
  // Up to 64 KiB in 32 bits: 32,768 words of 16 bits sum up to less than 2^31.
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left > 1; left -= 2, p += 2) sum += Get16(p);
  if (left == 1) sum += static_cast<uint32_t>(*p) << 8;
  return sum;
}

uint16_t FinishSum(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

Parsed Parse(std::span<const uint8_t> packet, Segment& out) {
  if (packet.empty()) return Parsed::kMalformed;
  switch (packet[0] >> 4) {
    case 4:
      return ParseV4(packet, out);
    case 6:
      return ParseV6(packet, out);
    default:
      return Parsed::kMalformed;
  }
}

size_t BuildTcp(const Segment& s, std::span<const char> text, uint8_t* out) {
  const bool v4 = IsV4(s.to);
  const size_t header = (s.flags & kSyn) != 0 ? kTcpHeader + 4 : kTcpHeader;
  const size_t length = header + text.size();
  uint8_t* tcp = out + PutIpHeader(s.from, s.to, kTcpProtocol, length, out);
  PutTcpHeader(s, header, tcp);
  if (header > kTcpHeader) {
    tcp[20] = 2;
    tcp[21] = 4;
    Put16(tcp + 22, kMss);
  }
  if (!text.empty()) std::memcpy(tcp + header, text.data(), text.size());
  PutChecksum(out, v4, kTcpProtocol, tcp, length, 16);
  return static_cast<size_t>(tcp - out) + length;
}

size_t BuildIcmpError(Address source, IcmpCode code, const Segment& offending, uint8_t* out) {
  const bool v4 = IsV4(offending.from);
  const size_t quoted = (v4 ? kV4Header : kV6Header) + kTcpHeader;
  const size_t length = 8 + quoted;
  const uint8_t protocol = v4 ? kIcmp : kIcmp6;
  uint8_t* icmp = out + PutIpHeader(source, offending.from, protocol, length, out);
  icmp[0] = code.type;
  icmp[1] = code.code;
  std::memset(icmp + 2, 0, 6);
  uint8_t* ip = icmp + 8;
  uint8_t* tcp = ip + PutIpHeader(offending.from, offending.to, kTcpProtocol, kTcpHeader, ip);
  PutTcpHeader(offending, kTcpHeader, tcp);
  PutChecksum(ip, v4, kTcpProtocol, tcp, kTcpHeader, 16);
  if (v4) {
    Put16(icmp + 2, FinishSum(PartialSum({icmp, length})));  // ICMP has no pseudo header
  } else {
    PutChecksum(out, v4, protocol, icmp, length, 2);
  }
  return static_cast<size_t>(icmp - out) + length;
}

}  // namespace portolan::simnet
