#include "coordinator/scheduler/footprint.h"

#include <algorithm>

namespace portolan {
namespace {

// Prefixes of `v4_bits` and `v6_bits` host bits at least.
struct Grain {
  uint32_t v4_bits = 8;
  uint32_t v6_bits = 64;
  bool CanWiden() const { return v4_bits < 32 || v6_bits < 128; }
  void Widen() {
    v4_bits = std::min(v4_bits + 2, 32u);
    v6_bits = std::min(v6_bits + 4, 128u);
  }
};

IpRange Whole(const IpRange& r, const Grain& grain) {
  const uint32_t bits = r.first.is_v6() ? grain.v6_bits : grain.v4_bits;
  const uint128 mask = bits >= 128 ? ~uint128{0} : (uint128{1} << bits) - 1;
  const uint128 first = r.first.value() & ~mask, last = r.last.value() | mask;
  if (r.first.is_v6()) return {IpAddress::V6(first), IpAddress::V6(last)};
  return {IpAddress::V4(static_cast<uint32_t>(first)), IpAddress::V4(static_cast<uint32_t>(last))};
}

bool IsLoopback(const IpRange& r) {
  if (r.first.is_v6()) return r.first.value() == 1 && r.last.value() == 1;
  return r.first.value() >> 24 == 127 && r.last.value() >> 24 == 127;
}

// `ranges` ascending. False: more than kMaxRanges.
bool Coarsen(const std::vector<IpRange>& ranges, const Grain& grain, std::vector<IpRange>& out) {
  out.clear();
  for (const IpRange& r : ranges) {
    if (IsLoopback(r)) continue;
    const IpRange whole = Whole(r, grain);
    if (!out.empty() && out.back().last.is_v6() == whole.first.is_v6() &&
        (whole.first <= out.back().last || whole.first.value() - 1 == out.back().last.value())) {
      out.back().last = std::max(out.back().last, whole.last);
      continue;
    }
    if (out.size() == Footprint::kMaxRanges) return false;
    out.push_back(whole);
  }
  return true;
}

std::vector<IpRange> Few(const std::vector<IpRange>& ranges) {
  std::vector<IpRange> out;
  for (Grain grain; !Coarsen(ranges, grain, out) && grain.CanWiden(); grain.Widen()) {
  }
  return out;
}

}  // namespace

Footprint Footprint::Of(const ScanSpace& space) {
  Footprint out;
  for (const Block& block : space.blocks()) {
    std::vector<IpRange> ranges = Few(block.addresses.ranges());
    if (out.ranges_.empty()) {
      out.ranges_ = std::move(ranges);
      continue;
    }
    ranges.insert(ranges.end(), out.ranges_.begin(), out.ranges_.end());
    std::sort(ranges.begin(), ranges.end(),
              [](const IpRange& a, const IpRange& b) { return a.first < b.first; });
    out.ranges_ = Few(ranges);
  }
  return out;
}

bool Footprint::Intersects(const Footprint& other) const {
  if (empty() || other.empty()) return false;
  auto a = ranges_.begin(), b = other.ranges_.begin();
  if (ranges_.back().last < b->first || other.ranges_.back().last < a->first) return false;
  while (a != ranges_.end() && b != other.ranges_.end()) {
    if (a->last < b->first) {
      ++a;
    } else if (b->last < a->first) {
      ++b;
    } else {
      return true;
    }
  }
  return false;
}

}  // namespace portolan
