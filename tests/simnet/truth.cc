#include "tests/simnet/truth.h"

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <set>

#include "common/base/status.h"

namespace portolan::simnet {
namespace {

absl::StatusOr<std::set<State>> ParseStates(std::string_view text) {
  std::set<State> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::optional<State> state = StateFromName(text.substr(0, comma));
    if (!state)
      return InvalidArgument("state \"{}\": one of open, closed, filtered, unreachable",
                             text.substr(0, comma));
    out.insert(*state);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

}  // namespace

absl::Status WriteTruth(const World& world, const IpSet& addresses, const PortSet& ports,
                        const TruthFormat& format, void (*write)(std::string_view)) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::set<State> wanted, ParseStates(format.only_states));
  if (addresses.size() > kMostTruths || addresses.size() * ports.size() > kMostTruths)
    return InvalidArgument("more than {} pairs of address and port: name fewer targets or ports",
                           kMostTruths);
  const std::string_view line =
      format.csv ? "{},{},{},{},{}\n"
                 : R"({{"ip":"{}","port":{},"state":"{}","reason":"{}","behaviour":"{}"}})"
                   "\n";
  std::map<std::string, uint64_t> counts;
  std::string out = format.csv && !format.count ? "ip,port,state,reason,behaviour\n" : "";
  for (uint128 i = 0; i < addresses.size(); ++i) {
    const IpAddress ip = addresses.Select(i);
    const std::string text = ip.ToString();
    const Host host = world.HostAt(ToAddress(ip));
    for (const PortRange& range : ports.ranges()) {
      for (uint32_t port = range.first; port <= range.last; ++port) {
        const PortBehaviour behaviour = world.PortAt(host, static_cast<uint16_t>(port));
        const Symbol truth = World::TruthOf(behaviour);
        if (!wanted.empty() && !wanted.contains(truth.state)) continue;
        if (format.count) {
          ++counts[std::string(StateName(truth.state))];
          continue;
        }
        fmt::format_to(std::back_inserter(out), fmt::runtime(line), text, port,
                       StateName(truth.state), ReasonName(truth.reason),
                       World::NameOf(host, behaviour));
      }
      if (out.size() < 1u << 16) continue;
      write(out);
      out.clear();
    }
  }
  if (format.count) {
    std::string list;
    for (const auto& [state, n] : counts)
      list += fmt::format("{}\"{}\":{}", list.empty() ? "" : ",", state, n);
    out = fmt::format("{{{}}}\n", list);
  }
  write(out);
  return absl::OkStatus();
}

}  // namespace portolan::simnet
