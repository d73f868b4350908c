#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "common/net/ip_set.h"
#include "common/net/port_set.h"

namespace portolan {

// A set of (address, port) pairs: sorted disjoint address ranges, each with the ports that it has.
// Asked before every probe, so Contains is one binary search; nothing here counts addresses one by
// one. Immutable value type.
class EndpointSet {
 public:
  struct Item {
    IpSet addresses;
    PortSet ports;  // empty: all ports
  };
  struct Endpoint {
    IpAddress address;
    uint16_t port = 0;
  };

  EndpointSet() = default;
  // The union of the items.
  static EndpointSet Of(const std::vector<Item>& items);
  EndpointSet Minus(const EndpointSet& other) const;

  bool empty() const { return segments_.empty(); }
  bool Contains(const IpAddress& address, uint16_t port) const {
    const Segment* s = Find(address);
    return s != nullptr && (s->ports == kAll || port_sets_[s->ports].Contains(port));
  }
  // The ports of an address; empty when it has none.
  PortSet PortsOf(const IpAddress& address) const;
  // The lowest address of `addresses` that misses one of `ports`, and the lowest such port; nullopt
  // when all are here. Linear in the ranges of both.
  std::optional<Endpoint> FirstMissing(const IpSet& addresses, const PortSet& ports) const;
  // Addresses that have at least one port.
  IpSet Addresses() const;

 private:
  static constexpr uint32_t kAll = 0;  // index of the set of all ports
  struct Segment {
    IpAddress first, last;  // both included, of one family
    uint32_t ports;         // index into port_sets_; never the empty set
  };
  class Builder;

  const Segment* Find(const IpAddress& address) const;

  std::vector<Segment> segments_;
  // segments_[i].last of the IPv4 segments, which come first: with a hundred thousand rules the
  // search stays in the cache.
  std::vector<uint32_t> v4_lasts_;
  std::vector<PortSet> port_sets_;  // [kAll] is all ports; distinct
};

}  // namespace portolan
