#include "agent/engine/local_limits.h"

#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <utility>

#include "agent/engine/conntrack.h"
#include "common/base/counted.h"

namespace portolan {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(5);
constexpr Duration kTellFor = std::chrono::seconds(60);
// Probes in flight to one target port come from retries and from scans of the same targets: fewer
// ports than this may be too few for them.
constexpr uint64_t kFewPorts = 1024;
// How long conntrack keeps a SYN that nobody answers (nf_conntrack_tcp_timeout_syn_sent).
constexpr double kConntrackSynSeconds = 120;
constexpr double kNearlyFull = 0.9;

void Append(std::string& list, const std::string& text) {
  if (!text.empty()) list += (list.empty() ? "" : "; ") + text;
}

std::string PortRangeLimit(const LocalLimits::Options& options) {
  std::ifstream file(options.proc + "/sys/net/ipv4/ip_local_port_range");
  uint64_t first = 0, last = 0;
  if (!(file >> first >> last) || last < first) return "";
  const uint64_t ports = last - first + 1;
  if (ports >= kFewPorts || ports * options.sources >= options.window) return "";
  return fmt::format(
      "port range {} (net.ipv4.ip_local_port_range) caps probes in flight to one target port at "
      "{}: widen it, or give the agent more addresses (--source)",
      ports, ports * options.sources);
}

// Of a table that is in use: a machine without rules that need it has the module at most. `waits`:
// it was full, and the agent's own probes wait for room in it.
std::string ConntrackLimit(const LocalLimits::Options& options, bool waits) {
  const std::optional<ConntrackTable> table = ReadConntrack(options.proc);
  if (!table.has_value() || table->entries == 0) return "";
  constexpr std::string_view kRemedy =
      "raise net.netfilter.nf_conntrack_max, or exempt the agent (nft: notrack)";
  const auto max = static_cast<double>(table->max);
  const double carries = max / kConntrackSynSeconds;
  if (waits) {
    return fmt::format(
        "probes wait for room in the conntrack table: its {} full and some probes "
        "dropped (each unanswered one holds an entry for {:.0f} s, so it carries {:.0f}/s): {}",
        Counted(table->max, "entry was", "entries were"), kConntrackSynSeconds, carries, kRemedy);
  }
  if (static_cast<double>(table->entries) >= kNearlyFull * max) {
    return fmt::format(
        "conntrack table holds {} of {}: when it is full, {}: {}, or lower --max-rate",
        table->entries, table->max,
        table->dropped.has_value() ? "probes are dropped, and the next ones wait for room"
                                   : "probes are lost in silence and open ports missed",
        kRemedy);
  }
  if (table->max < options.window || options.max_rate > carries) {
    return fmt::format("conntrack table of {} carries {:.0f} unanswered probes/s: {}", table->max,
                       carries, kRemedy);
  }
  return "";
}

}  // namespace

LocalLimits::LocalLimits(Options options) : options_(std::move(options)) {
  constant_ = options_.window_limited_by;
  Append(constant_, PortRangeLimit(options_));
}

std::string LocalLimits::Describe(Time now, const Signs& signs) {
  const bool scans =
      signs.in_flight > 0 || signs.out_of_ports > out_of_ports_ || signs.table_waits > table_waits_;
  if (options_.window > 0 && now >= next_look_ && scans) Look(now, signs);
  if (now >= seen_until_) seen_.clear();
  std::string out = constant_;
  Append(out, seen_);
  for (const int v6 : {0, 1}) {
    if (!without_route_[v6].Shown(signs.without_route[v6], now)) continue;
    const char* const family = v6 != 0 ? "IPv6" : "IPv4";
    Append(out, fmt::format("this machine has no {0} address to probe from, or no route from it: "
                            "{0} targets are left to other agents of the vantage and, where none "
                            "can reach them, not probed (agent-scope): give it an {0} address and "
                            "route, or leave {0} targets out",
                            family));
  }
  if (source_gone_.Shown(signs.source_gone, now)) {
    Append(out,
           "probes wait because a source address (--source) is not of this machine any more: give "
           "it back, or start the agent without it");
  }
  return out;
}

bool LocalLimits::Sign::Shown(uint64_t now_count, Time now) {
  if (now_count > count) until = now + kTellFor;
  count = now_count;
  return now < until;
}

void LocalLimits::Look(Time now, const Signs& signs) {
  next_look_ = now + kLookEvery;
  std::string seen = ConntrackLimit(options_, signs.table_waits > table_waits_);
  table_waits_ = signs.table_waits;
  if (signs.out_of_ports > out_of_ports_) {
    Append(seen,
           Counted(signs.out_of_ports - out_of_ports_, "probe found no free local port and waits",
                   "probes found no free local port and wait") +
               ": widen net.ipv4.ip_local_port_range, or give the agent more addresses (--source)");
    out_of_ports_ = signs.out_of_ports;
  }
  if (seen.empty()) return;
  seen_ = std::move(seen);
  seen_until_ = now + kTellFor;
}

}  // namespace portolan
