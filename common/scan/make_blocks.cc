#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/scan/scan_space.h"

namespace portolan {
namespace {

using Endpoints = std::vector<TargetList::Endpoint>;

// Ascending, each once.
Endpoints Sorted(Endpoints endpoints) {
  const auto key = [](const TargetList::Endpoint& e) { return std::tie(e.address, e.port); };
  std::sort(endpoints.begin(), endpoints.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end(),
                              [&](const auto& a, const auto& b) { return key(a) == key(b); }),
                  endpoints.end());
  return endpoints;
}

// The ports of the endpoints of `address`, from `it` on, which is moved behind them. `out` is
// reused, because there may be a million.
void TakePorts(Endpoints::const_iterator& it, Endpoints::const_iterator end,
               const IpAddress& address, std::vector<PortRange>& out) {
  out.clear();
  for (; it != end && it->address == address; ++it) {
    if (!out.empty() && out.back().last + 1 == it->port) {
      out.back().last = it->port;
    } else {
      out.push_back({it->port, it->port});
    }
  }
}

// Addresses by their ports.
class Blocks {
 public:
  void Add(const std::vector<PortRange>& ports, const IpRange& addresses) {
    // Neighbours in a list often have the same ports.
    if (last_ == by_ports_.end() || last_->first != ports)
      last_ = by_ports_.try_emplace(ports).first;
    last_->second.push_back(addresses);
  }
  std::vector<Block> Take() {
    std::vector<Block> blocks;
    blocks.reserve(by_ports_.size());
    for (auto& [ports, addresses] : by_ports_)
      blocks.push_back({IpSet::Of(std::move(addresses)), PortSet::Of(ports)});
    return blocks;
  }

 private:
  using Map = std::map<std::vector<PortRange>, std::vector<IpRange>>;
  Map by_ports_;
  Map::iterator last_ = by_ports_.end();
};

absl::Status NothingLeft(const TargetList& targets, const PortSet& ports, const Exclusions& ex) {
  std::string planned;
  if (!targets.addresses.empty()) {
    const auto addresses = static_cast<double>(targets.addresses.size());
    planned = fmt::format("{:.3g} {} on {}", addresses, addresses == 1 ? "address" : "addresses",
                          Counted(ports.size(), "port", "ports"));
  }
  if (!targets.endpoints.empty()) {
    planned += (planned.empty() ? "" : " and ") + Counted(targets.endpoints.size(),
                                                          "single address:port target",
                                                          "single address:port targets");
  }
  return InvalidArgument(
      "nothing left to probe: of {}, all are excluded (by {}, {}, {}): "
      "exclude less, or give other targets",
      planned, Counted(ex.addresses.ranges().size(), "address range", "address ranges"),
      Counted(ex.ports.size(), "port", "ports"),
      Counted(ex.endpoints.size(), "single address:port exclusion",
              "single address:port exclusions"));
}

}  // namespace

absl::StatusOr<std::vector<Block>> MakeBlocks(const TargetList& targets, const PortSet& ports,
                                              const Exclusions& exclusions) {
  if (targets.addresses.empty() && targets.endpoints.empty())
    return InvalidArgument("no targets: give at least one address, network or host name");
  if (!targets.addresses.empty() && ports.empty()) {
    return InvalidArgument(
        "targets such as {} have no ports: say which, for example -p 22,443 or --top-ports 100",
        targets.addresses.ranges().front().ToString());
  }
  const PortSet plain_ports = ports.Minus(exclusions.ports);
  const Endpoints own = Sorted(targets.endpoints);
  const Endpoints excluded = Sorted(exclusions.endpoints);

  // Addresses with ports, or exclusions, of their own, one by one.
  Blocks blocks;
  std::vector<IpRange> special;  // plain targets among them
  std::vector<PortRange> own_ports, excluded_ports;
  auto o = own.begin();
  auto e = excluded.begin();
  while (o != own.end() || e != excluded.end()) {
    const IpAddress address = o == own.end()        ? e->address
                              : e == excluded.end() ? o->address
                                                    : std::min(o->address, e->address);
    TakePorts(o, own.end(), address, own_ports);
    TakePorts(e, excluded.end(), address, excluded_ports);
    const bool plain = targets.addresses.Contains(address);
    if (plain) special.push_back({address, address});
    if (exclusions.addresses.Contains(address) || (own_ports.empty() && !plain)) continue;
    if (plain || !excluded_ports.empty() || !exclusions.ports.empty()) {
      PortSet left = PortSet::Of(own_ports).Minus(exclusions.ports);
      if (plain) left = left.Union(plain_ports);
      own_ports = left.Minus(PortSet::Of(excluded_ports)).ranges();
    }
    if (!own_ports.empty()) blocks.Add(own_ports, {address, address});
  }

  if (!plain_ports.empty()) {
    const IpSet plain =
        targets.addresses.Minus(exclusions.addresses).Minus(IpSet::Of(std::move(special)));
    for (const IpRange& r : plain.ranges()) blocks.Add(plain_ports.ranges(), r);
  }
  std::vector<Block> made = blocks.Take();
  if (made.empty()) return NothingLeft(targets, ports, exclusions);
  return made;
}

}  // namespace portolan
