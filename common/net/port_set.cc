#include "common/net/port_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "common/base/check.h"

namespace portolan {
namespace {

std::vector<PortRange>::const_iterator EndingFrom(const std::vector<PortRange>& ranges,
                                                  uint16_t port) {
  return std::lower_bound(ranges.begin(), ranges.end(), port,
                          [](const PortRange& r, uint16_t p) { return r.last < p; });
}

}  // namespace

PortSet PortSet::Of(std::vector<PortRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  PortSet set;
  for (const PortRange& r : ranges) {
    PORTOLAN_CHECK(r.first <= r.last);
    if (!set.ranges_.empty() && r.first <= uint32_t{set.ranges_.back().last} + 1) {
      set.ranges_.back().last = std::max(set.ranges_.back().last, r.last);
    } else {
      set.ranges_.push_back(r);
    }
  }
  uint32_t total = 0;
  for (const PortRange& r : set.ranges_) {
    total += uint32_t{r.last} - r.first + 1;
    set.counts_.push_back(total);
  }
  return set;
}

bool PortSet::Contains(uint16_t port) const {
  const auto it = EndingFrom(ranges_, port);
  return it != ranges_.end() && it->first <= port;
}

uint16_t PortSet::Select(uint32_t i) const {
  PORTOLAN_CHECK(i < size());
  const auto k = std::upper_bound(counts_.begin(), counts_.end(), i) - counts_.begin();
  return static_cast<uint16_t>(ranges_[k].first + (i - (k == 0 ? 0 : counts_[k - 1])));
}

std::optional<uint32_t> PortSet::Rank(uint16_t port) const {
  const auto it = EndingFrom(ranges_, port);
  if (it == ranges_.end() || port < it->first) return std::nullopt;
  const auto k = it - ranges_.begin();
  return (k == 0 ? 0 : counts_[k - 1]) + (port - it->first);
}

PortSet PortSet::Union(const PortSet& other) const {
  std::vector<PortRange> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return Of(std::move(all));
}

PortSet PortSet::Intersection(const PortSet& other) const {
  std::vector<PortRange> out;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    const uint16_t first = std::max(a->first, b->first);
    const uint16_t last = std::min(a->last, b->last);
    if (first <= last) out.push_back({first, last});
    if (a->last < b->last) {
      ++a;
    } else {
      ++b;
    }
  }
  return Of(std::move(out));
}

PortSet PortSet::Minus(const PortSet& other) const {
  std::vector<PortRange> gaps;  // what `other` leaves
  uint32_t at = 0;
  for (const PortRange& r : other.ranges_) {
    if (r.first > at)
      gaps.push_back({static_cast<uint16_t>(at), static_cast<uint16_t>(r.first - 1)});
    at = uint32_t{r.last} + 1;
  }
  if (at <= 65535) gaps.push_back({static_cast<uint16_t>(at), 65535});
  return Intersection(Of(std::move(gaps)));
}

std::string PortSet::ToString() const {
  std::string out;
  for (const PortRange& r : ranges_) {
    if (!out.empty()) out += ',';
    out += r.first == r.last ? fmt::format("{}", r.first) : fmt::format("{}-{}", r.first, r.last);
  }
  return out;
}

}  // namespace portolan
