#include "tests/simnet/packet.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string_view>
#include <vector>

namespace portolan::simnet {
namespace {

// A SYN of 198.18.0.1:40000 to 198.19.0.7:80 with an MSS of 1,460, and five bytes of 2001:db8::1
// port 40001 to 2001:db8:ff::7 port 443; put together by hand.
const std::vector<uint8_t> kSynPacket = {
    0x45, 0x00, 0x00, 0x2c, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0x9c, 0x6a, 0xc6, 0x12, 0x00,
    0x01, 0xc6, 0x13, 0x00, 0x07, 0x9c, 0x40, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00,
    0x00, 0x00, 0x60, 0x02, 0xfa, 0xf0, 0x70, 0x71, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4};
const std::vector<uint8_t> kDataPacket = {
    0x60, 0x00, 0x00, 0x00, 0x00, 0x19, 0x06, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01,
    0x0d, 0xb8, 0x00, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x07, 0x9c, 0x41, 0x01, 0xbb, 0xff, 0xff, 0xff, 0xfe, 0xca, 0xfe, 0xba, 0xbe,
    0x50, 0x18, 0x02, 0x00, 0xe9, 0xc3, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c, 0x6f};

Address At(const char* text) { return ToAddress(*IpAddress::Parse(text)); }

// RFC 1071 as it is told there: ones' complement addition, a word at a time.
uint16_t NaiveChecksum(std::vector<uint8_t> bytes) {
  if (bytes.size() % 2 == 1) bytes.push_back(0);
  uint16_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint32_t next = sum + static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    sum = static_cast<uint16_t>(next > 0xffff ? next - 0xffff : next);
  }
  return static_cast<uint16_t>(~sum);
}

// Zero when the checksums of an IP packet's header and body are right.
int ChecksumErrors(const std::vector<uint8_t>& p) {
  std::vector<uint8_t> pseudo;
  size_t header = 20;
  uint8_t protocol = p[9];
  int errors = 0;
  if (p[0] >> 4 == 4) {
    errors += NaiveChecksum({p.begin(), p.begin() + 20}) != 0;
    pseudo.assign(p.begin() + 12, p.begin() + 20);
  } else {
    header = 40;
    protocol = p[6];
    pseudo.assign(p.begin() + 8, p.begin() + 40);
  }
  const size_t length = p.size() - header;
  pseudo.insert(pseudo.end(),
                {0, protocol, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)});
  if (protocol == 1) pseudo.clear();
  pseudo.insert(pseudo.end(), p.begin() + static_cast<ptrdiff_t>(header), p.end());
  return errors + (NaiveChecksum(pseudo) != 0);
}

TEST(Packet, ReadsPacketsMadeByHand) {
  ASSERT_EQ(ChecksumErrors(kSynPacket), 0);
  ASSERT_EQ(ChecksumErrors(kDataPacket), 0);
  Segment s;
  ASSERT_EQ(Parse(kSynPacket, s), Parsed::kTcp);
  EXPECT_TRUE(s.from == At("198.18.0.1") && s.to == At("198.19.0.7"));
  EXPECT_EQ(s.from_port, 40000);
  EXPECT_EQ(s.to_port, 80);
  EXPECT_EQ(s.seq, 0x01020304u);
  EXPECT_EQ(s.flags, kSyn);
  EXPECT_EQ(s.payload, 0);
  ASSERT_EQ(Parse(kDataPacket, s), Parsed::kTcp);
  EXPECT_TRUE(s.from == At("2001:db8::1") && s.to == At("2001:db8:ff::7"));
  EXPECT_EQ(s.to_port, 443);
  EXPECT_EQ(s.seq, 0xfffffffeu);
  EXPECT_EQ(s.ack, 0xcafebabeu);
  EXPECT_EQ(s.flags, kPsh | kAck);
  EXPECT_EQ(s.payload, 5);
}

TEST(Packet, RefusesEveryTruncationAndEveryFlippedBit) {
  for (const auto& packet : {kSynPacket, kDataPacket}) {
    Segment s;
    for (size_t n = 0; n < packet.size(); ++n)
      EXPECT_NE(Parse({packet.data(), n}, s), Parsed::kTcp) << n;
    for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
      std::vector<uint8_t> flipped = packet;
      flipped[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
      // The traffic class, flow label and hop limit of IPv6 are in no checksum.
      const bool unchecked = packet[0] == 0x60 && (bit < 4 || bit / 8 == 1 || bit / 8 == 2 ||
                                                   bit / 8 == 3 || bit / 8 == 7);
      EXPECT_EQ(Parse(flipped, s) == Parsed::kTcp, unchecked) << "bit " << bit;
    }
  }
}

TEST(Packet, WhatIsBuiltReadsTheSameAndItsChecksumsVerify) {
  uint64_t chance = 1;
  const std::string_view text = "an odd number of bytes.";
  for (int i = 0; i < 20'000; ++i) {
    const auto random = [&chance] { return Mix(++chance); };
    const bool v6 = i % 2 == 1;
    Segment in;
    in.from = v6 ? static_cast<Address>(random()) << 64 | random()
                 : kMappedPrefix | static_cast<uint32_t>(random());
    in.to = v6 ? static_cast<Address>(random()) << 64 | random()
               : kMappedPrefix | static_cast<uint32_t>(random());
    in.from_port = static_cast<uint16_t>(random());
    in.to_port = static_cast<uint16_t>(random());
    in.seq = static_cast<uint32_t>(random());
    in.ack = static_cast<uint32_t>(random());
    in.flags = static_cast<uint8_t>(random() & 31);
    in.window = static_cast<uint16_t>(random());
    const std::string_view body = text.substr(0, random() % (text.size() + 1));
    uint8_t bytes[kMaxPacket];
    const size_t size = BuildTcp(in, body, bytes);
    ASSERT_EQ(ChecksumErrors({bytes, bytes + size}), 0);
    Segment out;
    ASSERT_EQ(Parse({bytes, size}, out), Parsed::kTcp);
    EXPECT_TRUE(in.from == out.from && in.to == out.to && in.from_port == out.from_port &&
                in.to_port == out.to_port && in.seq == out.seq && in.ack == out.ack &&
                in.flags == out.flags && in.window == out.window && out.payload == body.size());
  }
}

TEST(Packet, IcmpErrorsQuoteTheSegment) {
  for (const auto& packet : {kSynPacket, kDataPacket}) {
    const bool v4 = packet == kSynPacket;
    Segment s;
    ASSERT_EQ(Parse(packet, s), Parsed::kTcp);
    uint8_t bytes[kMaxPacket];
    const size_t size = BuildIcmpError(At(v4 ? "198.19.0.254" : "2001:db8:ff::fe"),
                                       v4 ? IcmpCode{3, 13} : IcmpCode{1, 1}, s, bytes);
    const std::vector<uint8_t> error(bytes, bytes + size);
    EXPECT_EQ(ChecksumErrors(error), 0);
    const size_t header = v4 ? 20 : 40;
    EXPECT_EQ(error[header], v4 ? 3 : 1);
    EXPECT_EQ(error[header + 1], v4 ? 13 : 1);
    // To the sender; the quoted addresses, ports and sequence number are as they were sent.
    const size_t addresses = v4 ? 12 : 8, each = v4 ? 4 : 16;
    EXPECT_EQ(std::memcmp(&error[addresses + each], &packet[addresses], each), 0);
    const uint8_t* quoted = &error[header + 8];
    EXPECT_EQ(std::memcmp(quoted + addresses, &packet[addresses], 2 * each), 0);
    EXPECT_EQ(std::memcmp(quoted + header, &packet[header], 8), 0);
    Segment again;
    EXPECT_EQ(Parse(error, again), Parsed::kOther);
    EXPECT_EQ(Parse({quoted, size - header - 8}, again), Parsed::kTcp);
  }
}

}  // namespace
}  // namespace portolan::simnet
