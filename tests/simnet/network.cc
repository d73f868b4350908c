#include "tests/simnet/network.h"

#include <string_view>

namespace portolan::simnet {
namespace {

constexpr std::string_view kBanner = "220 simnet ready\r\n";
constexpr uint16_t kWindow = 65'000;
constexpr double kRouterBurst = 0.1, kHostBurst = 1;  // seconds of the rate

uint64_t PairKey(Address address, uint16_t port) { return HashOf(address, 0x10000u + port); }
uint64_t TupleKey(const Segment& s) {
  return Mix(HashOf(s.from, HashOf(s.to, 7)), static_cast<uint64_t>(s.from_port) << 16 | s.to_port);
}
uint32_t Cookie(uint64_t seed, uint64_t tuple) { return static_cast<uint32_t>(Mix(seed, tuple)); }

// Which ICMP (ICMPv6) error says so. Of two that mean the same a host always sends one.
IcmpCode CodeOf(Answer answer, bool v4, bool odd) {
  switch (answer) {
    case Answer::kAdminProhibited:
      return v4 ? IcmpCode{3, static_cast<uint8_t>(odd ? 10 : 13)} : IcmpCode{1, 1};
    case Answer::kPortUnreachable:
      return v4 ? IcmpCode{3, 3} : IcmpCode{1, 4};
    case Answer::kNetUnreachable:
      return v4 ? IcmpCode{3, 0} : IcmpCode{1, 0};
    default:
      return v4 ? IcmpCode{3, 1} : IcmpCode{1, 3};
  }
}

// The router of an address's /24 or /64.
Address RouterOf(Address a) {
  const Address router = PrefixOf(a) | (IsV4(a) ? 254 : 0xfffe);
  return router == a ? router - 1 : router;
}

// The answer to a segment, with the sides exchanged.
Reply ReplyTo(const Segment& s, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t host) {
  Reply r{};
  r.from = s.to;
  r.to = s.from;
  r.from_port = s.to_port;
  r.to_port = s.from_port;
  r.flags = flags;
  r.seq = seq;
  r.ack = ack;
  r.host = host;
  return r;
}

Segment SegmentOf(const Reply& r) {
  return {r.from, r.to, r.from_port, r.to_port, r.seq, r.ack, r.flags, kWindow, 0};
}

// As the scanner sent it, from the answer to it.
Segment Offending(const Reply& r) {
  return {r.to, r.from, r.to_port, r.from_port, r.ack - 1, 0, kSyn, 64'240, 0};
}

}  // namespace

Network::Network(const World& world, const NetworkOptions& options, Time start)
    : world_(world),
      options_(options),
      queue_(options.queue, start),
      counters_(start),
      burst_out_(Mix(world.options().seed, 101), world.options().burst_share,
                 world.options().burst_ms, start),
      burst_in_(Mix(world.options().seed, 102), world.options().burst_share,
                world.options().burst_ms, start) {}

bool Network::Contains(Address a) {
  if (IsV4(a)) return (static_cast<uint32_t>(a) & 0xfffe0000u) == 0xc6120000u;
  return a >> 96 == 0x20010db8u;
}

void Network::OnPacket(Time now, std::span<const uint8_t> packet, PacketSink& sink) {
  ++counters_.packets_in;
  Segment s;
  switch (Parse(packet, s)) {
    case Parsed::kTcp:
      break;
    case Parsed::kOther:
      ++counters_.not_tcp;
      return;
    case Parsed::kMalformed:
      ++counters_.malformed;
      return;
    case Parsed::kBadChecksum:
      ++counters_.bad_checksum;
      return;
  }
  if (!Contains(s.to)) {
    ++counters_.outside;
    return;
  }
  ++packet_;
  if ((s.flags & (kSyn | kAck | kRst | kFin)) == kSyn) return OnSyn(now, s, sink);
  OnLater(now, s, sink);
}

uint32_t Network::CountSyn(Time now, const Segment& s) {
  Counters& c = counters_;
  const uint64_t ns = static_cast<uint64_t>((now - c.start).count());
  if (c.syns++ == 0) c.first_syn = now;
  c.last_syn = now;
  c.per_10ms.Add(ns / 1'000'000);
  const uint64_t tick = ns / 100'000'000;
  c.per_second.Add(tick);
  const uint64_t second = static_cast<uint64_t>((now - c.first_syn).count()) / 1'000'000'000;
  if (second < 3600) {
    if (c.second_counts.size() <= second) c.second_counts.resize(second + 1);
    ++c.second_counts[second];
  }
  const FingerprintSet::Inserted seen = seen_.Insert(PairKey(s.to, s.to_port), s.from_port);
  switch (seen.result) {
    case FingerprintSet::Result::kNew:
      ++c.distinct;
      break;
    case FingerprintSet::Result::kKnown:
      ++(seen.previous == s.from_port ? c.retransmits : c.repeats);
      break;
    case FingerprintSet::Result::kFull:
      ++c.untracked;
      break;
  }
  const auto count = [tick](auto& table, Address address) {
    const uint32_t index = table.IndexOf(address);
    if (index == AddressTable<HostEntry>::kNone) return index;
    ++table[index].syns;
    table[index].rate.Add(tick);
    return index;
  };
  count(c.prefixes, PrefixOf(s.to));
  count(c.sources, s.from);
  const uint32_t host = count(c.hosts, s.to);
  if (host == AddressTable<HostEntry>::kNone) ++c.untracked_hosts;
  return host;
}

bool Network::PassesLimits(Time now, const Segment& s) {
  const WorldOptions& o = world_.options();
  if (!link_.Take(now, o.link_syn_rate, o.link_syn_rate * kRouterBurst)) {
    ++counters_.link_limited;
    return false;
  }
  if (o.prefix_syn_rate <= 0) return true;
  const uint32_t prefix = counters_.prefixes.IndexOf(PrefixOf(s.to));
  if (prefix == AddressTable<PrefixEntry>::kNone) return true;
  if (counters_.prefixes[prefix].syn.Take(now, o.prefix_syn_rate, o.prefix_syn_rate * kRouterBurst))
    return true;
  ++counters_.prefix_limited;
  return false;
}

bool Network::Lost(Time now, double chance, BurstLoss& burst, uint64_t& counter) {
  const WorldOptions& o = world_.options();
  const bool bad = burst.Bad(now);
  if (chance <= 0 && !bad) return false;
  const uint64_t hash = Mix(o.seed ^ 0x10c5, ++chance_);
  const bool lost = Unit(hash) < chance || (bad && Unit(Mix(hash)) < o.burst_loss);
  counter += lost;
  return lost;
}

bool Network::MaySendReset(Time now, uint32_t host) {
  const double rate = world_.options().host_rst_rate;
  if (rate <= 0 || host == AddressTable<HostEntry>::kNone ||
      counters_.hosts[host].rst.Take(now, rate, rate * kHostBurst))
    return true;
  ++counters_.rst_limited;
  return false;
}

bool Network::MaySendIcmp(Time now, const Segment& s, const Host& host, uint32_t index) {
  const WorldOptions& o = world_.options();
  bool may = true;
  if (host.kind != HostKind::kDead) {
    may = index == AddressTable<HostEntry>::kNone ||
          counters_.hosts[index].icmp.Take(now, o.host_icmp_rate, o.host_icmp_rate * kHostBurst);
  } else if (o.router_icmp_rate > 0) {
    const uint32_t prefix = counters_.prefixes.IndexOf(PrefixOf(s.to));
    may = prefix == AddressTable<PrefixEntry>::kNone ||
          counters_.prefixes[prefix].icmp.Take(now, o.router_icmp_rate,
                                               o.router_icmp_rate * kHostBurst);
  }
  counters_.icmp_limited += !may;
  return may;
}

void Network::Unanswered(Time now, uint32_t host) {
  if (host == AddressTable<HostEntry>::kNone) return;
  Reply forget{};
  forget.kind = Reply::Kind::kForgetSyn;
  forget.host = host;
  if (!queue_.Add(now + options_.half_open_time, forget)) {
    ++counters_.queue_full;
    return;
  }
  counters_.hosts[host].half_open.Up();
}

void Network::Schedule(Time now, Duration delay, const Reply& reply, PacketSink& sink) {
  if (reply.answers_syn) {
    counters_.in_flight.Up();
    if (reply.host != AddressTable<HostEntry>::kNone) {
      counters_.hosts[reply.host].in_flight.Up();
      counters_.hosts[reply.host].half_open.Up();
    }
  }
  if (delay <= Duration::zero()) return Emit(reply, sink);
  if (queue_.Add(now + delay, reply)) return;
  ++counters_.queue_full;
  if (reply.answers_syn) {
    counters_.in_flight.Down();
    if (reply.host == AddressTable<HostEntry>::kNone) return;
    counters_.hosts[reply.host].in_flight.Down();
    counters_.hosts[reply.host].half_open.Down();
  }
}

void Network::OnSyn(Time now, const Segment& s, PacketSink& sink) {
  const WorldOptions& o = world_.options();
  const uint32_t index = CountSyn(now, s);
  if (!PassesLimits(now, s) || Lost(now, o.loss_out, burst_out_, counters_.lost_out))
    return Unanswered(now, index);
  const Host host = world_.HostAt(s.to);
  const PortBehaviour port = world_.PortAt(host, s.to_port);
  bool silent = port.answer == Answer::kSilence;
  if (port.second_syn &&
      arrived_.Insert(PairKey(s.to, s.to_port), 0).result != FingerprintSet::Result::kKnown)
    silent = true;
  if (silent) {
    ++counters_.silences;
    return Unanswered(now, index);
  }
  Duration delay = world_.DelayOf(host, packet_);
  Reply reply = ReplyTo(s, kRst | kAck, 0, s.seq + 1 + s.payload, index);
  if (port.answer == Answer::kSynAck) {
    reply.flags = kSyn | kAck;
    reply.seq = Cookie(o.seed, TupleKey(s));
    reply.ack = s.seq + 1;
    if (port.slow) delay += Duration(static_cast<int64_t>(o.slow_ms * 1e6));
  } else if (IsIcmp(port.answer)) {
    if (!MaySendIcmp(now, s, host, index)) return Unanswered(now, index);
    const IcmpCode code = port.answer == Answer::kIcmp
                              ? port.icmp
                              : CodeOf(port.answer, IsV4(s.to), (host.key >> 32 & 1) != 0);
    reply.kind = Reply::Kind::kIcmp;
    reply.seq = static_cast<uint32_t>(code.type) << 8 | code.code;
    reply.ack = s.seq + 1;
  } else if (!MaySendReset(now, index)) {
    return Unanswered(now, index);
  }
  if (Lost(now, o.loss_in, burst_in_, counters_.lost_in)) return Unanswered(now, index);
  reply.answers_syn = true;
  Schedule(now, delay, reply, sink);
}

// All but the first SYN: the scanner's side of a connection, or what is left of one.
void Network::OnLater(Time now, const Segment& s, PacketSink& sink) {
  const WorldOptions& o = world_.options();
  Counters& c = counters_;
  c.fins += (s.flags & kFin) != 0;
  c.rsts += (s.flags & kRst) != 0;
  c.acks += (s.flags & (kAck | kRst | kFin)) == kAck;
  c.data += s.payload > 0;
  const uint64_t tuple = TupleKey(s);
  const uint32_t index = c.hosts.IndexOf(s.to);
  if ((s.flags & kRst) != 0) return End(tuple, index);
  if ((s.flags & kAck) == 0 || Lost(now, o.loss_out, burst_out_, c.lost_out)) return;

  const Host host = world_.HostAt(s.to);
  const PortBehaviour port = world_.PortAt(host, s.to_port);
  const Duration delay = world_.DelayOf(host, packet_) + std::chrono::milliseconds(port.after_ms);
  const uint32_t first = Cookie(o.seed, tuple) + 1;  // of the host's bytes
  const uint32_t text = port.after == After::kBanner ? static_cast<uint32_t>(kBanner.size()) : 0;
  const uint32_t acked = s.ack - first;
  const uint32_t next = s.seq + s.payload + ((s.flags & kFin) != 0 ? 1 : 0);
  if (port.answer != Answer::kSynAck || acked > text + 1) {
    ++c.stray;
    if (port.answer != Answer::kSynAck && port.answer != Answer::kReset) return;
    if (Lost(now, o.loss_in, burst_in_, c.lost_in) || !MaySendReset(now, index)) return;
    return Schedule(now, delay, ReplyTo(s, kRst, s.ack, 0, index), sink);
  }
  const bool fin = (s.flags & kFin) != 0;
  if (acked == text + 1 && !fin) return;  // acknowledges the host's FIN: nothing is left
  const bool fresh =
      acked == 0 && !fin && connections_.Insert(tuple, 0).result == FingerprintSet::Result::kNew;
  if (fresh) Begin(now, s, index, sink);
  if (fin) End(tuple, index);
  if (port.after == After::kTarpit) return;
  Reply reply = ReplyTo(s, kAck, s.ack, next, index);
  if (port.after == After::kReset) {
    reply.flags = kRst | kAck;
    reply.ends_connection = true;
  } else if (port.after == After::kClose && fresh) {
    reply.flags = kFin | kAck;
  } else if (fin) {
    reply.flags = kFin | kAck;
    reply.seq = first + text;
  } else if (fresh && text > 0) {
    reply.kind = Reply::Kind::kBanner;
    reply.flags = kPsh | kAck;
    ++c.banners;
  } else if (s.payload == 0) {
    return;
  }
  if (Lost(now, o.loss_in, burst_in_, c.lost_in)) return;
  Schedule(now, delay, reply, sink);
}

// A handshake is complete.
void Network::Begin(Time now, const Segment& s, uint32_t host, PacketSink& sink) {
  ++counters_.handshakes;
  counters_.connections.Up();
  if (host != AddressTable<HostEntry>::kNone) counters_.hosts[host].connections.Up();
  Reply forget = ReplyTo(s, 0, 0, 0, host);
  forget.kind = Reply::Kind::kForgetConnection;
  Schedule(now, options_.connection_time, forget, sink);
}

void Network::End(uint64_t connection, uint32_t host) {
  if (!connections_.Erase(connection)) return;
  counters_.connections.Down();
  if (host != AddressTable<HostEntry>::kNone) counters_.hosts[host].connections.Down();
}

void Network::RunDue(Time now, PacketSink& sink) {
  queue_.Run(now, [&](const Reply& reply) {
    const Time due = counters_.start + reply.due;
    if (now > due)
      counters_.late_max_ns =
          std::max(counters_.late_max_ns, static_cast<uint64_t>((now - due).count()));
    Emit(reply, sink);
  });
}

void Network::Emit(const Reply& r, PacketSink& sink) {
  Counters& c = counters_;
  const bool known = r.host != AddressTable<HostEntry>::kNone;
  if (r.kind == Reply::Kind::kForgetSyn) return c.hosts[r.host].half_open.Down();
  if (r.ends_connection || r.kind == Reply::Kind::kForgetConnection)
    End(TupleKey(Offending(r)), r.host);
  if (r.kind == Reply::Kind::kForgetConnection) return;
  if (r.answers_syn) {
    c.in_flight.Down();
    if (known) {
      c.hosts[r.host].in_flight.Down();
      c.hosts[r.host].half_open.Down();
    }
  }
  uint8_t packet[kMaxPacket];
  size_t size = 0;
  if (r.kind == Reply::Kind::kIcmp) {
    const Host host = world_.HostAt(r.from);
    const Address source = host.kind == HostKind::kDead ? RouterOf(r.from) : r.from;
    const IcmpCode code{static_cast<uint8_t>(r.seq >> 8), static_cast<uint8_t>(r.seq)};
    size = BuildIcmpError(source, code, Offending(r), packet);
    ++c.icmp_errors;
  } else {
    Segment out = SegmentOf(r);
    if ((r.flags & kRst) == 0 && world_.TakesNothing(r.from, r.from_port)) out.window = 0;
    const std::string_view text = r.kind == Reply::Kind::kBanner ? kBanner : std::string_view();
    size = BuildTcp(out, text, packet);
    c.syn_acks += r.flags == (kSyn | kAck);
    c.resets += (r.flags & kRst) != 0;
  }
  ++(sink.Send({packet, size}) ? c.packets_out : c.send_failed);
}

}  // namespace portolan::simnet
