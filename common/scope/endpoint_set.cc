#include "common/scope/endpoint_set.h"

#include <algorithm>
#include <map>

namespace portolan {
namespace {

PortSet AllPorts() { return PortSet::Of({{0, 65535}}); }

IpAddress Make(bool v6, uint128 value) {
  return v6 ? IpAddress::V6(value) : IpAddress::V4(static_cast<uint32_t>(value));
}

IpAddress LastOfFamily(bool v6) {
  return v6 ? IpAddress::V6(~uint128{0}) : IpAddress::V4(0xffffffff);
}

// In the order of addresses, where all of IPv4 comes before IPv6. nullopt after the very last.
std::optional<IpAddress> After(const IpAddress& a) {
  if (a != LastOfFamily(a.is_v6())) return Make(a.is_v6(), a.value() + 1);
  if (a.is_v6()) return std::nullopt;
  return IpAddress::V6(0);
}

IpAddress Before(const IpAddress& a) {
  if (a.value() != 0) return Make(a.is_v6(), a.value() - 1);
  return LastOfFamily(false);  // of ::, the only one that is asked about
}

}  // namespace

// Appends segments in ascending order and names each distinct port set once.
class EndpointSet::Builder {
 public:
  Builder() { Name(AllPorts()); }

  uint32_t Name(const PortSet& ports) {
    const auto [it, is_new] =
        names_.try_emplace(ports, static_cast<uint32_t>(set_.port_sets_.size()));
    if (is_new) set_.port_sets_.push_back(ports);
    return it->second;
  }
  const PortSet& ports(uint32_t name) const { return set_.port_sets_[name]; }

  // May span both families; is cut at the border. first <= last.
  void Append(const IpAddress& first, const IpAddress& last, uint32_t ports) {
    if (first.is_v6() != last.is_v6()) {
      Append(first, LastOfFamily(false), ports);
      Append(IpAddress::V6(0), last, ports);
      return;
    }
    if (!set_.segments_.empty()) {
      Segment& before = set_.segments_.back();
      if (before.ports == ports && before.last.is_v6() == first.is_v6() &&
          After(before.last) == first) {
        before.last = last;
        return;
      }
    }
    set_.segments_.push_back({first, last, ports});
  }

  EndpointSet Take() {
    for (const Segment& s : set_.segments_) {
      if (s.last.is_v6()) break;
      set_.v4_lasts_.push_back(static_cast<uint32_t>(s.last.value()));
    }
    return std::move(set_);
  }

 private:
  EndpointSet set_;
  std::map<PortSet, uint32_t> names_;
};

EndpointSet EndpointSet::Of(const std::vector<Item>& items) {
  // A sweep over the addresses at which an item begins or has ended, with the port sets active
  // between two of them.
  struct Event {
    IpAddress at;
    uint32_t ports;
    int change;
  };
  Builder builder;
  std::vector<Event> events;
  for (const Item& item : items) {
    const uint32_t ports = item.ports.empty() ? kAll : builder.Name(item.ports);
    for (const IpRange& r : item.addresses.ranges()) {
      events.push_back({r.first, ports, +1});
      if (const auto end = After(r.last); end.has_value()) events.push_back({*end, ports, -1});
    }
  }
  std::sort(events.begin(), events.end(),
            [](const Event& a, const Event& b) { return a.at < b.at; });

  std::map<uint32_t, int> active;                    // port set -> number of items
  std::map<std::vector<uint32_t>, uint32_t> unions;  // of several active sets, made once
  const auto union_of_active = [&]() -> uint32_t {
    if (active.begin()->first == kAll || active.size() == 1) return active.begin()->first;
    std::vector<uint32_t> key;
    key.reserve(active.size());
    for (const auto& entry : active) key.push_back(entry.first);
    const auto found = unions.find(key);
    if (found != unions.end()) return found->second;
    std::vector<PortRange> all;
    for (const uint32_t name : key)
      all.insert(all.end(), builder.ports(name).ranges().begin(),
                 builder.ports(name).ranges().end());
    return unions[key] = builder.Name(PortSet::Of(std::move(all)));
  };
  for (size_t i = 0; i < events.size();) {
    const IpAddress at = events[i].at;
    for (; i < events.size() && events[i].at == at; ++i) {
      const auto it = active.try_emplace(events[i].ports, 0).first;
      it->second += events[i].change;
      if (it->second == 0) active.erase(it);
    }
    if (active.empty()) continue;
    const IpAddress last = i < events.size() ? Before(events[i].at) : LastOfFamily(true);
    builder.Append(at, last, union_of_active());
  }
  return builder.Take();
}

EndpointSet EndpointSet::Minus(const EndpointSet& other) const {
  Builder builder;
  // nullopt: nothing is left
  std::map<std::pair<uint32_t, uint32_t>, std::optional<uint32_t>> differences;
  const auto difference = [&](uint32_t mine, uint32_t theirs) {
    const auto [it, is_new] = differences.try_emplace({mine, theirs});
    if (is_new) {
      const PortSet rest = port_sets_[mine].Minus(other.port_sets_[theirs]);
      if (!rest.empty()) it->second = builder.Name(rest);
    }
    return it->second;
  };
  auto cut = other.segments_.begin();
  const auto end = other.segments_.end();
  for (const Segment& s : segments_) {
    const uint32_t name = s.ports == kAll ? kAll : builder.Name(port_sets_[s.ports]);
    while (cut != end && cut->last < s.first) ++cut;
    IpAddress at = s.first;
    bool done = false;
    for (auto c = cut; !done && c != end && c->first <= s.last; ++c) {
      if (at < c->first) builder.Append(at, Before(c->first), name);
      at = std::max(at, c->first);
      const IpAddress last = std::min(s.last, c->last);
      if (const auto rest = difference(s.ports, c->ports); rest.has_value())
        builder.Append(at, last, *rest);
      done = last == s.last;
      if (!done) at = *After(last);
    }
    if (!done) builder.Append(at, s.last, name);
  }
  return builder.Take();
}

const EndpointSet::Segment* EndpointSet::Find(const IpAddress& address) const {
  size_t i;
  if (address.is_v6()) {
    const auto v6 = segments_.begin() + static_cast<ptrdiff_t>(v4_lasts_.size());
    const auto it =
        std::lower_bound(v6, segments_.end(), address,
                         [](const Segment& s, const IpAddress& a) { return s.last < a; });
    i = static_cast<size_t>(it - segments_.begin());
    if (it == segments_.end()) return nullptr;
  } else {
    const auto it = std::lower_bound(v4_lasts_.begin(), v4_lasts_.end(),
                                     static_cast<uint32_t>(address.value()));
    if (it == v4_lasts_.end()) return nullptr;
    i = static_cast<size_t>(it - v4_lasts_.begin());
  }
  return segments_[i].first <= address ? &segments_[i] : nullptr;
}

PortSet EndpointSet::PortsOf(const IpAddress& address) const {
  const Segment* s = Find(address);
  return s == nullptr ? PortSet() : port_sets_[s->ports];
}

std::optional<EndpointSet::Endpoint> EndpointSet::FirstMissing(const IpSet& addresses,
                                                               const PortSet& ports) const {
  if (ports.empty()) return std::nullopt;
  std::map<uint32_t, PortSet> missing;  // of `ports`, by port set: computed once each
  auto s = segments_.begin();
  for (const IpRange& r : addresses.ranges()) {
    s = std::lower_bound(s, segments_.end(), r.first,
                         [](const Segment& x, const IpAddress& a) { return x.last < a; });
    IpAddress at = r.first;
    while (true) {
      if (s == segments_.end() || s->first > at) return Endpoint{at, ports.Select(0)};
      if (s->ports != kAll) {
        const auto [it, is_new] = missing.try_emplace(s->ports);
        if (is_new) it->second = ports.Minus(port_sets_[s->ports]);
        if (!it->second.empty()) return Endpoint{at, it->second.Select(0)};
      }
      if (s->last >= r.last) break;
      at = *After(s->last);
      ++s;
    }
  }
  return std::nullopt;
}

IpSet EndpointSet::Addresses() const {
  std::vector<IpRange> ranges;
  ranges.reserve(segments_.size());
  for (const Segment& s : segments_) ranges.push_back({s.first, s.last});
  return IpSet::Of(std::move(ranges));
}

}  // namespace portolan
