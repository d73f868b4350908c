#include "common/net/ip_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

constexpr uint128 kSaturated = uint128{1} << 127;

IpAddress Make(bool v6, uint128 value) {
  return v6 ? IpAddress::V6(value) : IpAddress::V4(static_cast<uint32_t>(value));
}
IpAddress Next(const IpAddress& a) { return Make(a.is_v6(), a.value() + 1); }
IpAddress Previous(const IpAddress& a) { return Make(a.is_v6(), a.value() - 1); }

bool FirstBelow(const IpRange& a, const IpRange& b) { return a.first < b.first; }

// The first range that ends at or after `a`.
std::vector<IpRange>::const_iterator EndingFrom(const std::vector<IpRange>& ranges,
                                                const IpAddress& a) {
  return std::lower_bound(ranges.begin(), ranges.end(), a,
                          [](const IpRange& r, const IpAddress& x) { return r.last < x; });
}

}  // namespace

std::string IpRange::ToString() const {
  if (first == last) return first.ToString();
  const uint128 span = last.value() - first.value();
  // A prefix: the span is 2^k - 1 and the first address has k zero bits.
  if ((span & (span + 1)) == 0 && (first.value() & span) == 0) {
    int length = first.is_v6() ? 128 : 32;
    for (uint128 s = span; s != 0; s >>= 1) --length;
    return fmt::format("{}/{}", first.ToString(), length);
  }
  return fmt::format("{}-{}", first.ToString(), last.ToString());
}

absl::StatusOr<IpRange> ParseCidr(std::string_view text, bool strict_host_bits) {
  IpRange range;
  if (const literal::Problem p = literal::ParseNetwork(text, strict_host_bits, &range);
      !p.empty()) {
    return InvalidArgument("network \"{}\": {}", literal::Printable(text), p);
  }
  return range;
}

IpSet IpSet::Of(std::vector<IpRange> ranges) {
  if (!std::is_sorted(ranges.begin(), ranges.end(), FirstBelow))
    std::sort(ranges.begin(), ranges.end(), FirstBelow);
  size_t kept = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const IpRange r = ranges[i];
    PORTOLAN_CHECK(r.first.is_v6() == r.last.is_v6() && r.first <= r.last);
    if (kept > 0) {
      IpRange& before = ranges[kept - 1];
      const bool touches = before.last.is_v6() == r.first.is_v6() &&
                           (r.first <= before.last || r.first.value() - before.last.value() == 1);
      if (touches) {
        before.last = std::max(before.last, r.last);
        continue;
      }
    }
    ranges[kept++] = r;
  }
  ranges.resize(kept);

  IpSet set;
  set.counts_.reserve(kept);
  uint128 total = 0;
  for (const IpRange& r : ranges) {
    const uint128 span = r.last.value() - r.first.value();  // size - 1, which cannot overflow
    total = span >= kSaturated - total ? kSaturated : std::min(kSaturated, total + span + 1);
    set.counts_.push_back(total);
  }
  set.ranges_ = std::move(ranges);
  return set;
}

bool IpSet::Contains(const IpAddress& a) const {
  const auto it = EndingFrom(ranges_, a);
  return it != ranges_.end() && it->first <= a;
}

bool IpSet::Intersects(const IpRange& r) const {
  const auto it = EndingFrom(ranges_, r.first);
  return it != ranges_.end() && it->first <= r.last;
}

IpAddress IpSet::Select(uint128 i) const {
  PORTOLAN_CHECK(i < size());
  const size_t k =
      static_cast<size_t>(std::upper_bound(counts_.begin(), counts_.end(), i) - counts_.begin());
  const uint128 before = k == 0 ? 0 : counts_[k - 1];
  const IpAddress& first = ranges_[k].first;
  return Make(first.is_v6(), first.value() + (i - before));
}

std::optional<uint128> IpSet::Rank(const IpAddress& a) const {
  const auto it = EndingFrom(ranges_, a);
  if (it == ranges_.end() || a < it->first) return std::nullopt;
  const size_t k = static_cast<size_t>(it - ranges_.begin());
  const uint128 before = k == 0 ? 0 : counts_[k - 1];
  const uint128 offset = a.value() - it->first.value();
  return offset >= kSaturated - before ? kSaturated : before + offset;
}

IpSet IpSet::Union(const IpSet& other) const {
  std::vector<IpRange> all;
  all.reserve(ranges_.size() + other.ranges_.size());
  std::merge(ranges_.begin(), ranges_.end(), other.ranges_.begin(), other.ranges_.end(),
             std::back_inserter(all), FirstBelow);
  return Of(std::move(all));
}

IpSet IpSet::Minus(const IpSet& other) const {
  std::vector<IpRange> out;
  auto cut = other.ranges_.begin();
  const auto end = other.ranges_.end();
  for (IpRange rest : ranges_) {
    while (cut != end && cut->last < rest.first) ++cut;
    bool gone = false;
    for (auto c = cut; c != end && c->first <= rest.last; ++c) {
      if (c->first > rest.first) out.push_back({rest.first, Previous(c->first)});
      if (c->last >= rest.last) {
        gone = true;
        break;
      }
      rest.first = Next(c->last);
      cut = c;
    }
    if (!gone) out.push_back(rest);
  }
  return Of(std::move(out));
}

IpSet IpSet::Intersection(const IpSet& other) const {
  std::vector<IpRange> out;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    const IpAddress first = std::max(a->first, b->first);
    const IpAddress last = std::min(a->last, b->last);
    if (first <= last) out.push_back({first, last});
    if (a->last < b->last) {
      ++a;
    } else {
      ++b;
    }
  }
  return Of(std::move(out));
}

std::string IpSet::ToString() const {
  std::string out;
  for (const IpRange& r : ranges_) {
    if (!out.empty()) out += ',';
    out += r.ToString();
  }
  return out;
}

}  // namespace portolan
