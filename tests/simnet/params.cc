#include "tests/simnet/params.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "common/base/status.h"

namespace portolan::simnet {
namespace {

enum class Kind { kFraction, kMillis, kRate };

struct Parameter {
  std::string_view name;
  double WorldOptions::*value;
  Kind kind;
  std::string_view meaning;
};

using W = WorldOptions;
constexpr Parameter kParameters[] = {
    {"alive", &W::alive, Kind::kFraction, "of the addresses that have a host"},
    {"dead-host-unreach", &W::dead_host_unreach, Kind::kFraction,
     "of the dead addresses for which a router answers host-unreachable; the others are silent"},
    {"dead-net-unreach", &W::dead_net_unreach, Kind::kFraction,
     "of the dead addresses for which a router answers net-unreachable"},
    {"open", &W::open, Kind::kFraction, "of a host's ports that are open"},
    {"answers", &W::answers, Kind::kFraction,
     "1: every host has one port for each answer that there is, from port 1000 on (answers.cc)"},
    {"fw-drop", &W::fw_drop, Kind::kFraction, "of the hosts behind a firewall that drops"},
    {"fw-admin", &W::fw_admin, Kind::kFraction,
     "of the hosts behind one that answers ICMP admin-prohibited (3/10 or 3/13; ICMPv6 1/1)"},
    {"fw-host-unreach", &W::fw_host_unreach, Kind::kFraction,
     "of the hosts behind one that answers ICMP host-unreachable (3/1; 1/3)"},
    {"fw-port-unreach", &W::fw_port_unreach, Kind::kFraction,
     "of the hosts behind one that answers ICMP port-unreachable (3/3; 1/4)"},
    {"fw-ports", &W::fw_ports, Kind::kFraction,
     "of the ports not open that a firewall covers; the others answer RST"},
    {"fw-open", &W::fw_open, Kind::kFraction, "of the open ports that a firewall hides"},
    {"all-open", &W::all_open, Kind::kFraction, "of the hosts that answer SYN-ACK on every port"},
    {"syn-proxy", &W::syn_proxy, Kind::kFraction,
     "of the hosts whose every port answers SYN-ACK, then RST once the handshake is complete"},
    {"tarpit", &W::tarpit, Kind::kFraction,
     "of the hosts whose every port answers SYN-ACK with window 0, then nothing, not even a FIN"},
    {"accept-reset", &W::accept_reset, Kind::kFraction,
     "of the open ports that answer RST once the handshake is complete"},
    {"banner", &W::banner, Kind::kFraction, "of the open ports that greet with a line of text"},
    {"slow-accept", &W::slow_accept, Kind::kFraction,
     "of the open ports whose SYN-ACK takes slow-ms longer"},
    {"slow-ms", &W::slow_ms, Kind::kMillis, "see slow-accept"},
    {"second-syn", &W::second_syn, Kind::kFraction,
     "of the open ports that leave the first SYN unanswered"},
    {"rtt-min", &W::rtt_min_ms, Kind::kMillis,
     "round-trip time, drawn for each address; rtt=MIN..MAX or rtt=BOTH sets both ends"},
    {"rtt-max", &W::rtt_max_ms, Kind::kMillis, "the upper end"},
    {"rtt-log", &W::rtt_log, Kind::kFraction,
     "1: drawn evenly by its logarithm (most hosts are near)"},
    {"jitter", &W::jitter, Kind::kFraction,
     "each packet takes up to this fraction of the round-trip time longer"},
    {"loss-out", &W::loss_out, Kind::kFraction, "of the packets to the hosts that are lost"},
    {"loss-in", &W::loss_in, Kind::kFraction, "of the packets from the hosts that are lost"},
    {"burst-share", &W::burst_share, Kind::kFraction,
     "of the time that the link is in a bad state (Gilbert-Elliott, each way on its own)"},
    {"burst-loss", &W::burst_loss, Kind::kFraction, "of the packets lost in the bad state"},
    {"burst-ms", &W::burst_ms, Kind::kMillis, "mean length of a bad state"},
    {"link-syn-rate", &W::link_syn_rate, Kind::kRate,
     "SYNs that pass altogether; this and the limits below: a token bucket of 0.1 s"},
    {"prefix-syn-rate", &W::prefix_syn_rate, Kind::kRate, "SYNs that pass to each /24 or /64"},
    {"host-rst-rate", &W::host_rst_rate, Kind::kRate,
     "RSTs that a host sends to refuse; bucket of 1 s, as FreeBSD counts"},
    {"host-icmp-rate", &W::host_icmp_rate, Kind::kRate,
     "ICMP errors that a host's firewall sends; bucket of 1 s"},
    {"router-icmp-rate", &W::router_icmp_rate, Kind::kRate,
     "ICMP errors that the router of a /24 or /64 sends for dead addresses; bucket of 1 s"},
};

constexpr std::string_view UnitOf(Kind kind) {
  return kind == Kind::kFraction ? "0..1" : kind == Kind::kMillis ? "ms" : "per s";
}

// Strict: the whole text is a number in the parameter's range.
absl::Status Assign(const Parameter& p, std::string_view text, WorldOptions& options) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const double most = p.kind == Kind::kFraction ? 1 : p.kind == Kind::kMillis ? 60'000 : 1e9;
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= most))
    return InvalidArgument("{}={}: not a number of 0..{}", p.name, text, most);
  options.*p.value = value;
  return absl::OkStatus();
}

const Parameter* Find(std::string_view name) {
  for (const Parameter& p : kParameters) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

}  // namespace

const std::vector<Preset>& Presets() {
  static const std::vector<Preset> presets = {
      {"plain", "the defaults", "198.19.0.0/24", "1-100", ""},
      {"standard", "a company's network: few hosts, some firewalls, some loss", "198.19.0.0/22",
       "1-100", "alive=0.3 open=0.02 fw-drop=0.3 rtt=10..120 loss-out=0.01 loss-in=0.01"},
      {"fast256", "all alive, nearly everything refused", "198.19.0.0/24", "1-1000",
       "open=0.01 rtt=20"},
      {"onehost", "one host, all ports, closed by RST", "198.19.0.1", "1-65535",
       "open=0.001 rtt=50"},
      {"onehost-drop", "one host, all ports, the others dropped", "198.19.0.1", "1-65535",
       "open=0.001 rtt=50 fw-drop=1"},
      {"dark", "nobody answers", "198.19.0.0/16", "22,80,443,3389,8080", "alive=0"},
      {"lossy", "5 % lost each way, and bursts", "198.19.0.0/22", "1-100",
       "alive=0.3 open=0.02 fw-drop=0.3 rtt=10..120 jitter=0.1 loss-out=0.05 loss-in=0.05 "
       "burst-share=0.02 burst-loss=0.8 burst-ms=50"},
      {"ratelimited", "each /24 passes 200 SYN/s and drops the rest", "198.19.0.0/22", "1-20",
       "alive=0.5 open=0.1 rtt=10..60 prefix-syn-rate=200"},
      {"rejects", "30 % of the hosts answer closed ports by ICMP", "198.19.0.0/23", "1-100",
       "open=0.05 rtt=20 fw-admin=0.1 fw-host-unreach=0.1 fw-port-unreach=0.1"},
      {"rstlimited", "hosts that send 200 RST/s and 1 ICMP error/s", "198.19.0.0/28", "1-1000",
       "open=0.02 rtt=20 fw-port-unreach=0.25 fw-admin=0.25 host-rst-rate=200 host-icmp-rate=1"},
      {"accept-reset", "open ports and proxies that reset the connection", "198.19.0.0/24", "1-200",
       "open=0.1 rtt=10..40 accept-reset=0.8 syn-proxy=0.05"},
      {"link", "one link that passes 20,000 SYN/s", "198.19.0.0/20", "1-100",
       "alive=0.5 open=0.02 rtt=10..120 link-syn-rate=20000"},
      {"answers", "one port for each answer of docs/observations.md", "198.19.0.1", "1000-1050",
       "answers=1 rtt=10 slow-ms=200"},
      {"zoo", "every behaviour, no loss and no limit", "198.19.0.0/24", "1-64",
       "alive=0.9 open=0.1 dead-host-unreach=0.3 dead-net-unreach=0.3 fw-drop=0.15 fw-admin=0.15 "
       "fw-host-unreach=0.15 fw-port-unreach=0.15 fw-ports=0.8 fw-open=0.2 all-open=0.02 "
       "syn-proxy=0.02 tarpit=0.02 accept-reset=0.2 banner=0.2 second-syn=0.1 slow-accept=0.1 "
       "slow-ms=200 "
       "rtt=1..30 jitter=0.2"},
  };
  return presets;
}

absl::StatusOr<Preset> FindPreset(std::string_view name) {
  std::string known;
  for (const Preset& p : Presets()) {
    if (p.name == name) return p;
    known += (known.empty() ? "" : ", ") + std::string(p.name);
  }
  return NotFound("no world is called \"{}\": there are {}", name, known);
}

absl::Status SetParameter(std::string_view text, WorldOptions& options) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return InvalidArgument("parameter \"{}\": write NAME=VALUE; --help lists them", text);
  const std::string_view name = text.substr(0, equals), value = text.substr(equals + 1);
  if (name == "seed") {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), options.seed);
    if (error != std::errc() || end != value.data() + value.size())
      return InvalidArgument("seed={}: not a whole number", value);
    return absl::OkStatus();
  }
  if (name == "rtt") {
    const size_t dots = value.find("..");
    const bool both = dots == std::string_view::npos;
    PORTOLAN_RETURN_IF_ERROR(Assign(*Find("rtt-min"), value.substr(0, dots), options));
    return Assign(*Find("rtt-max"), both ? value : value.substr(dots + 2), options);
  }
  if (const Parameter* p = Find(name)) return Assign(*p, value, options);
  return InvalidArgument("no parameter is called \"{}\"; --help lists them", name);
}

absl::Status SetParameters(std::string_view list, WorldOptions& options) {
  while (!list.empty()) {
    const size_t space = std::min(list.find(' '), list.size());
    if (space > 0) PORTOLAN_RETURN_IF_ERROR(SetParameter(list.substr(0, space), options));
    list.remove_prefix(std::min(space + 1, list.size()));
  }
  return absl::OkStatus();
}

absl::Status Validate(const WorldOptions& o) {
  constexpr double kMost = 1 + 1e-9;  // 0.1 ten times
  if (o.fw_drop + o.fw_admin + o.fw_host_unreach + o.fw_port_unreach > kMost)
    return InvalidArgument(
        "fw-drop, fw-admin, fw-host-unreach, fw-port-unreach: more than 1 altogether");
  if (o.dead_host_unreach + o.dead_net_unreach > kMost)
    return InvalidArgument("dead-host-unreach, dead-net-unreach: more than 1 altogether");
  if (o.all_open + o.syn_proxy + o.tarpit > kMost)
    return InvalidArgument("all-open, syn-proxy, tarpit: more than 1 altogether");
  if (o.accept_reset + o.banner > kMost)
    return InvalidArgument("accept-reset, banner: more than 1 altogether");
  if (o.rtt_min_ms > o.rtt_max_ms)
    return InvalidArgument("rtt-min={} is above rtt-max={}", o.rtt_min_ms, o.rtt_max_ms);
  if (o.burst_share > 0 && (o.burst_share >= 1 || o.burst_ms <= 0))
    return InvalidArgument("burst-share={}, burst-ms={}: the share is below 1, the length above 0",
                           o.burst_share, o.burst_ms);
  return absl::OkStatus();
}

std::vector<std::string> ParametersOf(const WorldOptions& options) {
  std::vector<std::string> out = {fmt::format("seed={}", options.seed)};
  for (const Parameter& p : kParameters)
    out.push_back(fmt::format("{}={}", p.name, options.*p.value));
  return out;
}

std::string ParametersHelp() {
  const WorldOptions defaults;
  std::string out = fmt::format("  {:<18} {:>6} {:<6} {}\n", "seed", 1, "",
                                "another seed is another world of the same kind");
  for (const Parameter& p : kParameters)
    out += fmt::format("  {:<18} {:>6} {:<6} {}\n", p.name, defaults.*p.value, UnitOf(p.kind),
                       p.meaning);
  return out;
}

std::string PresetsHelp() {
  std::string out;
  for (const Preset& p : Presets())
    out += fmt::format("  {:<13} {}\n                {} -p {}\n                {}\n", p.name,
                       p.meaning, p.targets, p.ports, p.parameters);
  return out;
}

}  // namespace portolan::simnet
