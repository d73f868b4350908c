#include "tests/simnet/network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <set>
#include <vector>

#include "tests/simnet/params.h"

namespace portolan::simnet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Address kScanner = kMappedPrefix | 0xc6120001;
constexpr Address kScanner6 = static_cast<Address>(0x20010db8u) << 96 | 1;
Address V4(uint32_t n) { return kMappedPrefix | (0xc6130000 + n); }
Address V6(uint64_t n) { return static_cast<Address>(0x20010db800ff0000u) << 64 | n; }

WorldOptions With(std::string_view parameters) {
  WorldOptions options;
  const absl::Status status = SetParameters(parameters, options);
  EXPECT_TRUE(status.ok()) << status;
  return options;
}

// A scanner's kernel, as far as it takes part: sends segments, keeps what comes back.
class Scanner : public PacketSink {
 public:
  explicit Scanner(const WorldOptions& options)
      : world(options), network(world, NetworkOptions(), start) {}

  struct Received {
    Time when;
    bool tcp = false;
    Segment segment;  // of TCP
    std::vector<uint8_t> bytes;
  };
  bool Send(std::span<const uint8_t> packet) override {
    Received r;
    r.when = now;
    r.bytes.assign(packet.begin(), packet.end());
    const Parsed parsed = Parse(packet, r.segment);
    EXPECT_TRUE(parsed == Parsed::kTcp || parsed == Parsed::kOther);
    r.tcp = parsed == Parsed::kTcp;
    received.push_back(r);
    return true;
  }
  void Transmit(const Segment& s) {
    uint8_t bytes[kMaxPacket];
    network.OnPacket(now, {bytes, BuildTcp(s, {}, bytes)}, *this);
  }
  Segment Syn(Address to, uint16_t port, uint16_t from_port = 40'000) const {
    return {IsV4(to) ? kScanner : kScanner6, to, from_port, port, 1000, 0, kSyn, 64'240, 0};
  }
  // The next segment of a connection, which acknowledges `answer`.
  static Segment Next(const Segment& answer, uint8_t flags, uint32_t more = 1) {
    return {answer.to,  answer.from,       answer.to_port, answer.from_port,
            answer.ack, answer.seq + more, flags,          64'240,
            0};
  }
  void Wait(Duration time) {
    const Time until = now + time;
    while (network.Next() <= until) {
      now = std::max(now, network.Next());
      network.RunDue(now, *this);
    }
    now = until;
    network.RunDue(now, *this);
  }
  // What comes back for this within two seconds.
  std::vector<Received> Answers(const Segment& s) {
    received.clear();
    Transmit(s);
    Wait(seconds(2));
    return received;
  }
  // The state that a scanner concludes from one SYN.
  Symbol Probe(Address to, uint16_t port) {
    const auto answers = Answers(Syn(to, port));
    if (answers.empty()) return {State::kFiltered, Reason::kNoResponse};
    EXPECT_EQ(answers.size(), 1u);
    const Received& r = answers[0];
    if (r.tcp) {
      EXPECT_TRUE(r.segment.from == to && r.segment.from_port == port &&
                  r.segment.to_port == 40'000);
      EXPECT_EQ(r.segment.ack, 1001u);
      return r.segment.flags == (kSyn | kAck) ? Symbol{State::kOpen, Reason::kSynAck}
                                              : Symbol{State::kClosed, Reason::kConnRefused};
    }
    const bool v4 = IsV4(to);
    const int code = r.bytes[v4 ? 21 : 41];
    if (v4) {
      if (code == 10 || code == 13) return {State::kFiltered, Reason::kAdminProhibited};
      if (code == 3) return {State::kFiltered, Reason::kPortUnreachable};
      return {State::kUnreachable, code == 1 ? Reason::kHostUnreachable : Reason::kNetUnreachable};
    }
    if (code == 1) return {State::kFiltered, Reason::kAdminProhibited};
    if (code == 4) return {State::kFiltered, Reason::kPortUnreachable};
    return {State::kUnreachable, code == 3 ? Reason::kHostUnreachable : Reason::kNetUnreachable};
  }

  const Time start{seconds(100)};
  Time now = start;
  const World world;
  Network network;
  std::vector<Received> received;
};

TEST(Network, AnswersEachSynAsTheTruthSays) {
  Scanner scanner(With(std::string(FindPreset("zoo")->parameters) + " second-syn=0"));
  for (uint32_t n = 0; n < 200; ++n) {
    for (const Address to : {V4(n), V6(n)}) {
      for (uint16_t port = 1; port <= 8; ++port) {
        Symbol truth = World::TruthOf(scanner.world.PortAt(scanner.world.HostAt(to), port));
        if (truth.state == State::kOpen)
          truth.reason = Reason::kSynAck;  // the SYN alone tells no more
        EXPECT_EQ(scanner.Probe(to, port), truth);
      }
    }
  }
  const Counters& c = scanner.network.counters();
  EXPECT_EQ(c.syns, 3200u);
  EXPECT_EQ(c.distinct, 3200u);
  EXPECT_EQ(c.repeats + c.retransmits + c.lost_in + c.lost_out + c.queue_full, 0u);
}

TEST(Network, AnswersTakeTheRoundTripTime) {
  Scanner scanner(With("open=0.5 rtt=10..100 slow-accept=0.5 slow-ms=300"));
  for (uint32_t n = 0; n < 300; ++n) {
    const Host host = scanner.world.HostAt(V4(n));
    const Duration expected =
        host.rtt + (scanner.world.PortAt(host, 80).slow ? milliseconds(300) : milliseconds(0));
    const Time sent = scanner.now;
    const auto answers = scanner.Answers(scanner.Syn(V4(n), 80));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_GE(answers[0].when - sent, expected);
    EXPECT_LE(answers[0].when - sent, expected + milliseconds(1));
  }
}

TEST(Network, OpenPortsServeGreetResetOrHoldAfterTheHandshake) {
  Scanner plain(With("open=1 rtt=0"));
  auto r = plain.Answers(plain.Syn(V4(1), 80));
  ASSERT_EQ(r.size(), 1u);
  EXPECT_TRUE(plain.Answers(Scanner::Next(r[0].segment, kAck)).empty());
  EXPECT_EQ(plain.network.counters().connections.now, 1u);
  const auto fin = plain.Answers(Scanner::Next(r[0].segment, kFin | kAck));
  ASSERT_EQ(fin.size(), 1u);
  EXPECT_EQ(fin[0].segment.flags, kFin | kAck);
  EXPECT_EQ(fin[0].segment.ack, 1002u);
  EXPECT_EQ(plain.network.counters().connections.now, 0u);
  EXPECT_TRUE(plain.Answers(Scanner::Next(fin[0].segment, kAck)).empty());
  EXPECT_EQ(plain.network.counters().handshakes, 1u);

  Scanner greeting(With("open=1 banner=1 rtt=0"));
  r = greeting.Answers(greeting.Syn(V6(1), 25));
  ASSERT_EQ(r.size(), 1u);
  const auto text = greeting.Answers(Scanner::Next(r[0].segment, kAck));
  ASSERT_EQ(text.size(), 1u);
  EXPECT_GT(text[0].segment.payload, 0);
  EXPECT_EQ(text[0].segment.seq, r[0].segment.seq + 1);
  const auto end =
      greeting.Answers(Scanner::Next(text[0].segment, kFin | kAck, text[0].segment.payload));
  ASSERT_EQ(end.size(), 1u);
  EXPECT_EQ(end[0].segment.seq, text[0].segment.seq + text[0].segment.payload);

  for (const char* parameters : {"open=1 accept-reset=1 rtt=0", "syn-proxy=1 rtt=0"}) {
    Scanner resetting(With(parameters));
    r = resetting.Answers(resetting.Syn(V4(9), 22));
    ASSERT_EQ(r.size(), 1u);
    const auto reset = resetting.Answers(Scanner::Next(r[0].segment, kAck));
    ASSERT_EQ(reset.size(), 1u);
    EXPECT_NE(reset[0].segment.flags & kRst, 0);
    EXPECT_EQ(reset[0].segment.seq, r[0].segment.seq + 1);
    EXPECT_EQ(resetting.network.counters().connections.now, 0u);
    EXPECT_EQ(resetting.network.counters().connections.max, 1u);
  }

  Scanner held(With("tarpit=1 rtt=0"));
  r = held.Answers(held.Syn(V4(3), 1));
  ASSERT_EQ(r.size(), 1u);
  EXPECT_EQ(r[0].segment.window, 0);
  EXPECT_TRUE(held.Answers(Scanner::Next(r[0].segment, kAck)).empty());
  EXPECT_TRUE(held.Answers(Scanner::Next(r[0].segment, kFin | kAck)).empty());
}

TEST(Network, AConnectionThatWasNeverOpenedIsReset) {
  Scanner scanner(With("open=1 rtt=0"));
  const Segment stray = {kScanner, V4(1), 1, 2, 3, 4, kAck, 1, 0};
  const auto answers = scanner.Answers(stray);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].segment.flags, kRst);
  EXPECT_EQ(answers[0].segment.seq, 4u);
  EXPECT_TRUE(scanner.Answers({kScanner, V4(1), 1, 2, 3, 4, kRst, 1, 0}).empty());
  EXPECT_EQ(scanner.network.counters().stray, 1u);
}

TEST(Network, SecondSynIsAnsweredFromAnyPort) {
  Scanner scanner(With("open=1 second-syn=1 rtt=5"));
  EXPECT_TRUE(scanner.Answers(scanner.Syn(V4(1), 80, 1111)).empty());
  EXPECT_EQ(scanner.Answers(scanner.Syn(V4(1), 80, 2222)).size(), 1u);
  EXPECT_TRUE(scanner.Answers(scanner.Syn(V4(1), 81, 3333)).empty());
  EXPECT_EQ(scanner.Answers(scanner.Syn(V4(1), 81, 3333)).size(), 1u);
  EXPECT_EQ(scanner.network.counters().repeats, 1u);
  EXPECT_EQ(scanner.network.counters().retransmits, 1u);
}

TEST(Network, LosesTheFractionsAskedForEachWay) {
  Scanner scanner(With("open=0 rtt=0 loss-out=0.1 loss-in=0.2"));
  constexpr int kProbes = 50'000;
  for (int i = 0; i < kProbes; ++i) scanner.Transmit(scanner.Syn(V4(static_cast<uint32_t>(i)), 80));
  EXPECT_NEAR(static_cast<double>(scanner.received.size()), kProbes * 0.9 * 0.8, 600);
  const Counters& c = scanner.network.counters();
  EXPECT_NEAR(static_cast<double>(c.lost_out), kProbes * 0.1, 350);
  EXPECT_EQ(c.lost_out + c.lost_in + scanner.received.size(), static_cast<uint64_t>(kProbes));
}

TEST(Network, LimitsPrefixesAndHosts) {
  // 1,000 SYN/s to each of two /24s for 5 s, of which 200/s pass.
  Scanner prefixes(With("open=0 rtt=0 prefix-syn-rate=200"));
  for (int i = 0; i < 5000; ++i) {
    for (uint32_t network : {0u, 256u})
      prefixes.Transmit(
          prefixes.Syn(V4(network + static_cast<uint32_t>(i) % 256), static_cast<uint16_t>(i)));
    prefixes.Wait(milliseconds(1));
  }
  EXPECT_NEAR(static_cast<double>(prefixes.received.size()), 2 * (5 * 200 + 20), 10);

  Scanner resets(With("open=0 rtt=0 host-rst-rate=200"));
  for (int i = 0; i < 5000; ++i) {
    for (uint32_t n : {1u, 2u}) resets.Transmit(resets.Syn(V4(n), static_cast<uint16_t>(i)));
    resets.Wait(milliseconds(1));
  }
  EXPECT_NEAR(static_cast<double>(resets.received.size()), 2 * (5 * 200 + 200), 10);

  Scanner icmp(With("open=0 rtt=0 fw-admin=1 host-icmp-rate=1"));
  for (int i = 0; i < 5000; ++i) {
    icmp.Transmit(icmp.Syn(V6(7), static_cast<uint16_t>(i)));
    icmp.Wait(milliseconds(1));
  }
  EXPECT_EQ(icmp.received.size(), 5u);

  Scanner router(With("alive=0 dead-host-unreach=1 rtt=0 router-icmp-rate=10"));
  for (int i = 0; i < 1000; ++i) {
    router.Transmit(router.Syn(V4(static_cast<uint32_t>(i) % 256), 80));
    router.Wait(milliseconds(1));
  }
  EXPECT_NEAR(static_cast<double>(router.received.size()), 20, 1);
}

TEST(Network, AHostStopsAnsweringAndComesBack) {
  Scanner scanner(With("alive=1 open=1 rtt=1 block-after=5 block-ms=10000"));
  const auto answered = [&](Address to) { return scanner.Answers(scanner.Syn(to, 80)).size() > 0; };
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(answered(V4(1))) << i;
    EXPECT_FALSE(answered(V4(1)));
    EXPECT_TRUE(answered(V4(2 + static_cast<uint32_t>(round)))) << "the others go on";
    scanner.Wait(seconds(5));
    EXPECT_FALSE(answered(V4(1)));
    scanner.Wait(seconds(5));
  }
  EXPECT_EQ(scanner.network.counters().blocked, 4u);
}

TEST(Network, CountsWhatAPolitenessCapIsAbout) {
  Scanner scanner(With("open=0.5 rtt=100"));
  // 40 SYNs at once to one address, 3 to another, and 2 s later 10 more.
  for (uint16_t port = 1; port <= 40; ++port) scanner.Transmit(scanner.Syn(V4(1), port));
  for (uint16_t port = 1; port <= 3; ++port) scanner.Transmit(scanner.Syn(V4(2), port));
  scanner.Wait(seconds(2));
  for (uint16_t port = 41; port <= 50; ++port) scanner.Transmit(scanner.Syn(V4(1), port));
  scanner.Wait(seconds(2));
  Counters& c = scanner.network.counters();
  EXPECT_EQ(c.per_10ms.max(), 43u);
  EXPECT_EQ(c.per_second.max(), 43u);
  EXPECT_EQ(c.in_flight.max, 43u);
  EXPECT_EQ(c.in_flight.now, 0u);
  HostEntry& host = c.hosts[c.hosts.IndexOf(V4(1))];
  EXPECT_EQ(host.syns, 50u);
  EXPECT_EQ(host.rate.max(), 40u);
  EXPECT_EQ(host.in_flight.max, 40u);
  EXPECT_EQ(host.half_open.now, 0u);
  EXPECT_EQ(c.second_counts, (std::vector<uint32_t>{43, 0, 10}));
  EXPECT_NE(c.ToJson().find("\"max_syn_second_address\":{\"value\":40,\"address\":\"198.19.0.1\"}"),
            std::string::npos);
}

TEST(Network, UnansweredSynsAreHalfOpenForAWhile) {
  Scanner scanner(With("alive=0"));
  for (uint16_t port = 1; port <= 10; ++port) {
    scanner.Transmit(scanner.Syn(V4(1), port));
    scanner.Wait(milliseconds(300));
  }
  scanner.Wait(seconds(3));
  Counters& c = scanner.network.counters();
  const HostEntry& host = c.hosts[c.hosts.IndexOf(V4(1))];
  EXPECT_EQ(host.half_open.max, 4u);
  EXPECT_EQ(host.half_open.now, 0u);
  EXPECT_EQ(host.in_flight.max, 0u);
}

TEST(Network, AFullQueueIsCountedAndNothingElseHappens) {
  const World world(With("open=0.5 rtt=1000"));
  NetworkOptions options;
  options.queue = 100;
  Scanner scanner(With("open=0.5"));  // only receives
  Network network(world, options, scanner.start);
  uint8_t bytes[kMaxPacket];
  for (uint16_t port = 1; port <= 300; ++port)
    network.OnPacket(scanner.now, {bytes, BuildTcp(scanner.Syn(V4(1), port), {}, bytes)}, scanner);
  EXPECT_EQ(network.counters().queue_full, 200u);
  EXPECT_EQ(network.counters().in_flight.now, 100u);
  network.RunDue(scanner.now + seconds(2), scanner);
  EXPECT_EQ(scanner.received.size(), 100u);
  EXPECT_EQ(network.counters().in_flight.now, 0u);
}

TEST(Network, SurvivesGarbage) {
  Scanner scanner(
      With(std::string(FindPreset("zoo")->parameters) +
           " loss-out=0.05 loss-in=0.05 burst-share=0.1 host-rst-rate=100 prefix-syn-rate=100000"));
  Segment syn_ack;
  for (uint64_t i = 0; i < 2'000'000; ++i) {
    const uint64_t h = Mix(99, i);
    Segment s =
        scanner.Syn(h % 2 == 0 ? V4(static_cast<uint32_t>(h >> 8) % 600) : V6((h >> 8) % 600),
                    static_cast<uint16_t>(h >> 20 & 63), static_cast<uint16_t>(h >> 40));
    if (h >> 62 != 0) s.flags = static_cast<uint8_t>(Mix(h, 1));
    s.ack = static_cast<uint32_t>(Mix(h, 2));
    // Some with a right cookie.
    for (const auto& r : scanner.received) {
      if (r.tcp && (r.segment.flags & kSyn) != 0) syn_ack = r.segment;
    }
    scanner.received.clear();
    if (h >> 61 != 0 && h % 16 < 8 && syn_ack.to != 0)
      s = Scanner::Next(syn_ack, h % 16 < 4 ? uint8_t{kAck} : s.flags,
                        h % 16 < 4 ? 1 : static_cast<uint32_t>(Mix(h, 3) % 40));
    uint8_t bytes[kMaxPacket];
    size_t size = BuildTcp(s, {}, bytes);
    switch (Mix(h, 4) % 4) {
      case 0:
        break;
      case 1:
        size = Mix(h, 5) % (size + 1);
        break;
      default:
        for (uint64_t n = Mix(h, 6) % 4 + 1; n > 0; --n)
          bytes[Mix(h, 7 + n) % size] = static_cast<uint8_t>(Mix(h, 20 + n));
    }
    // An allocation of its own, so that a sanitizer sees a read beyond it.
    const std::vector<uint8_t> packet(bytes, bytes + size);
    scanner.network.OnPacket(scanner.now, packet, scanner);
    if (i % 64 == 0) scanner.Wait(Duration(static_cast<int64_t>(Mix(h, 30) % 1'000'000)));
  }
  scanner.Wait(seconds(20));
  const Counters& c = scanner.network.counters();
  EXPECT_EQ(c.packets_in, 2'000'000u);
  EXPECT_EQ(c.in_flight.now, 0u);
  EXPECT_EQ(c.connections.now, 0u);
  EXPECT_GT(c.malformed, 1000u);
  EXPECT_GT(c.bad_checksum, 1000u);
  EXPECT_GT(c.handshakes, 100u);
  for (const HostEntry& host : c.hosts.entries()) {
    EXPECT_EQ(host.half_open.now, 0u);
    EXPECT_EQ(host.connections.now, 0u);
  }
}

}  // namespace
}  // namespace portolan::simnet
