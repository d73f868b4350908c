#include "tests/simnet/counters.h"

#include <fmt/format.h>

#include <iterator>

namespace portolan::simnet {
namespace {

struct Most {
  uint64_t value = 0;
  Address address = 0;
};

template <typename Entry, typename Value>
Most MostOf(const AddressTable<Entry>& table, Value value) {
  Most most;
  for (const Entry& e : table.entries()) {
    if (const uint64_t v = value(e); v > most.value) most = {v, e.address};
  }
  return most;
}

// {"value":3,"address":"198.19.0.1"}
std::string Json(const Most& most) {
  if (most.value == 0) return "{\"value\":0,\"address\":null}";
  return fmt::format("{{\"value\":{},\"address\":\"{}\"}}", most.value,
                     ToIpAddress(most.address).ToString());
}

void Append(std::string& out, std::string_view name, uint64_t value) {
  fmt::format_to(std::back_inserter(out), "\"{}\":{},", name, value);
}

}  // namespace

std::string Counters::ToJson() const {
  std::string out = "{";
  const std::pair<std::string_view, uint64_t> plain[] = {
      {"packets_in", packets_in},
      {"packets_out", packets_out},
      {"malformed", malformed},
      {"bad_checksum", bad_checksum},
      {"not_tcp", not_tcp},
      {"outside", outside},
      {"send_failed", send_failed},
      {"queue_full", queue_full},
      {"device_drops", device_drops},
      {"late_max_us", late_max_ns / 1000},
      {"syns", syns},
      {"fins", fins},
      {"rsts", rsts},
      {"acks", acks},
      {"data_segments", data},
      {"stray", stray},
      {"distinct", distinct},
      {"repeats", repeats},
      {"retransmits", retransmits},
      {"untracked", untracked},
      {"untracked_hosts", untracked_hosts},
      {"lost_out", lost_out},
      {"lost_in", lost_in},
      {"link_limited", link_limited},
      {"prefix_limited", prefix_limited},
      {"rst_limited", rst_limited},
      {"blocked", blocked},
      {"icmp_limited", icmp_limited},
      {"syn_acks", syn_acks},
      {"resets", resets},
      {"icmp_errors", icmp_errors},
      {"silences", silences},
      {"banners", banners},
      {"handshakes", handshakes},
      {"max_in_flight", in_flight.max},
      {"connections", connections.now},
      {"max_connections", connections.max},
      {"addresses", hosts.entries().size()},
      {"max_syn_10ms", per_10ms.max()},
      {"max_syn_second", per_second.max()},
  };
  for (const auto& [name, value] : plain) Append(out, name, value);
  const double seconds = syns > 1 ? ToSeconds(last_syn - first_syn) : 0;
  out += fmt::format("\"syn_seconds\":{:.6f},\"syn_rate\":{:.1f},", seconds,
                     seconds > 0 ? static_cast<double>(syns - 1) / seconds : 0.0);
  const auto rate = [](const auto& e) { return uint64_t{e.rate.max()}; };
  out += "\"max_syn_second_address\":" + Json(MostOf(hosts, rate));
  out += ",\"max_syn_second_prefix\":" + Json(MostOf(prefixes, rate));
  out += ",\"max_in_flight_address\":" +
         Json(MostOf(hosts, [](const HostEntry& e) { return uint64_t{e.in_flight.max}; }));
  out += ",\"max_half_open_address\":" +
         Json(MostOf(hosts, [](const HostEntry& e) { return uint64_t{e.half_open.max}; }));
  out += ",\"max_connections_address\":" +
         Json(MostOf(hosts, [](const HostEntry& e) { return uint64_t{e.connections.max}; }));
  out += ",\"max_syns_address\":" + Json(MostOf(hosts, [](const HostEntry& e) { return e.syns; }));
  out += ",\"sources\":[";
  for (const SourceEntry& e : sources.entries())
    out += fmt::format("{}{{\"address\":\"{}\",\"syns\":{},\"max_syn_second\":{}}}",
                       out.back() == '[' ? "" : ",", ToIpAddress(e.address).ToString(), e.syns,
                       e.rate.max());
  out += "],\"syns_by_second\":[";
  for (uint32_t n : second_counts) out += fmt::format("{}{}", out.back() == '[' ? "" : ",", n);
  return out + "]}\n";
}

std::string Counters::HostsCsv() const {
  std::string out = "address,syns,max_per_second,max_in_flight,max_half_open,max_connections\n";
  for (const HostEntry& e : hosts.entries())
    fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{}\n",
                   ToIpAddress(e.address).ToString(), e.syns, e.rate.max(), e.in_flight.max,
                   e.half_open.max, e.connections.max);
  return out;
}

}  // namespace portolan::simnet
