#include "tests/simnet/world.h"

#include <cmath>

#include "tests/simnet/answers.h"

namespace portolan::simnet {
namespace {

// Names of the independent draws; never reused for two properties.
enum Draw : uint64_t {
  kAliveDraw = 1,
  kDeadDraw,
  kKindDraw,
  kFirewallDraw,
  kRttDraw,
  kJitterDraw,
  kOpenDraw,
  kCoveredDraw,
  kServiceDraw,
  kSlowDraw,
  kSecondDraw,
};

double DrawOf(uint64_t key, Draw draw) { return Unit(Mix(key, draw)); }

uint64_t PortKey(const Host& host, uint16_t port) { return Mix(host.key, 0x10000u + port); }

Duration Millis(double ms) { return Duration(static_cast<int64_t>(ms * 1e6)); }

HostKind KindOf(const WorldOptions& o, uint64_t key) {
  double u = DrawOf(key, kKindDraw);
  if (u < o.all_open) return HostKind::kAllOpen;
  u -= o.all_open;
  if (u < o.syn_proxy) return HostKind::kSynProxy;
  u -= o.syn_proxy;
  return u < o.tarpit ? HostKind::kTarpit : HostKind::kPlain;
}

Answer FirewallOf(const WorldOptions& o, uint64_t key) {
  double u = DrawOf(key, kFirewallDraw);
  if (u < o.fw_drop) return Answer::kSilence;
  u -= o.fw_drop;
  if (u < o.fw_admin) return Answer::kAdminProhibited;
  u -= o.fw_admin;
  if (u < o.fw_host_unreach) return Answer::kHostUnreachable;
  u -= o.fw_host_unreach;
  return u < o.fw_port_unreach ? Answer::kPortUnreachable : Answer::kReset;
}

Answer DeadAnswer(const WorldOptions& o, uint64_t key) {
  const double u = DrawOf(key, kDeadDraw);
  if (u < o.dead_host_unreach) return Answer::kHostUnreachable;
  return u - o.dead_host_unreach < o.dead_net_unreach ? Answer::kNetUnreachable : Answer::kSilence;
}

}  // namespace

Host World::HostAt(Address address) const {
  const WorldOptions& o = options_;
  Host host;
  host.key = HashOf(address, o.seed);
  const double u = DrawOf(host.key, kRttDraw);
  host.rtt = o.rtt_log > 0 && o.rtt_min_ms > 0
                 ? Millis(o.rtt_min_ms * std::pow(o.rtt_max_ms / o.rtt_min_ms, u))
                 : Millis(o.rtt_min_ms + (o.rtt_max_ms - o.rtt_min_ms) * u);
  if (DrawOf(host.key, kAliveDraw) >= o.alive) {
    host.blocked = DeadAnswer(o, host.key);
    return host;
  }
  host.kind = KindOf(o, host.key);
  host.blocked = host.kind == HostKind::kPlain ? FirewallOf(o, host.key) : Answer::kReset;
  return host;
}

PortBehaviour World::PortAt(const Host& host, uint16_t port) const {
  const WorldOptions& o = options_;
  PortBehaviour out;
  if (o.answers > 0 && host.kind != HostKind::kDead) return ScriptedPort(port);
  switch (host.kind) {
    case HostKind::kDead:
      out.answer = host.blocked;
      return out;
    case HostKind::kAllOpen:
      out.answer = Answer::kSynAck;
      return out;
    case HostKind::kSynProxy:
      out.answer = Answer::kSynAck;
      out.after = After::kReset;
      return out;
    case HostKind::kTarpit:
      out.answer = Answer::kSynAck;
      out.after = After::kTarpit;
      return out;
    case HostKind::kPlain:
      break;
  }
  const uint64_t key = PortKey(host, port);
  const bool open = DrawOf(key, kOpenDraw) < o.open;
  if (host.blocked != Answer::kReset &&
      DrawOf(key, kCoveredDraw) < (open ? o.fw_open : o.fw_ports)) {
    out.answer = host.blocked;
    return out;
  }
  if (!open) {
    out.answer = Answer::kReset;
    return out;
  }
  out.answer = Answer::kSynAck;
  const double service = DrawOf(key, kServiceDraw);
  if (service < o.accept_reset) {
    out.after = After::kReset;
  } else if (service - o.accept_reset < o.banner) {
    out.after = After::kBanner;
  }
  out.slow = DrawOf(key, kSlowDraw) < o.slow_accept;
  out.second_syn = DrawOf(key, kSecondDraw) < o.second_syn;
  return out;
}

Symbol World::TruthOf(const PortBehaviour& port) {
  switch (port.answer) {
    case Answer::kSilence:
      return {State::kFiltered, Reason::kNoResponse};
    case Answer::kSynAck:
      return {State::kOpen,
              port.after == After::kReset ? Reason::kResetAfterAccept : Reason::kSynAck};
    case Answer::kReset:
      return {State::kClosed, Reason::kConnRefused};
    case Answer::kAdminProhibited:
      return {State::kFiltered, Reason::kAdminProhibited};
    case Answer::kPortUnreachable:
      return {State::kFiltered, Reason::kPortUnreachable};
    case Answer::kHostUnreachable:
      return {State::kUnreachable, Reason::kHostUnreachable};
    case Answer::kNetUnreachable:
      return {State::kUnreachable, Reason::kNetUnreachable};
    case Answer::kIcmp:
      return port.icmp_meaning;
  }
  return {};
}

std::string_view World::NameOf(const Host& host, const PortBehaviour& port) {
  switch (host.kind) {
    case HostKind::kDead:
      return "dead";
    case HostKind::kAllOpen:
      return "all-open";
    case HostKind::kSynProxy:
      return "syn-proxy";
    case HostKind::kTarpit:
      return "tarpit";
    case HostKind::kPlain:
      break;
  }
  if (port.answer == Answer::kReset) return "plain";
  if (port.answer != Answer::kSynAck) return "firewall";
  if (port.second_syn) return "second-syn";
  if (port.slow) return "slow-accept";
  if (port.after == After::kReset) return "accept-reset";
  return port.after == After::kBanner ? "banner" : "plain";
}

bool World::TakesNothing(Address address, uint16_t port) const {
  if (options_.tarpit <= 0 && options_.answers <= 0) return false;
  return PortAt(HostAt(address), port).after == After::kTarpit;
}

Duration World::DelayOf(const Host& host, uint64_t packet) const {
  if (options_.jitter <= 0) return host.rtt;
  const double u = DrawOf(Mix(host.key, packet), kJitterDraw);
  return host.rtt + Duration(static_cast<int64_t>(static_cast<double>(host.rtt.count()) *
                                                  options_.jitter * u));
}

}  // namespace portolan::simnet
