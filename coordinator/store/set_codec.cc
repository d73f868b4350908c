#include "coordinator/store/set_codec.h"

#include <utility>
#include <vector>

namespace portolan {
namespace {

void PutU128(ByteWriter& w, uint128 v) {
  for (; v >= 0x80; v >>= 7) w.Byte(static_cast<uint8_t>(v) | 0x80);
  w.Byte(static_cast<uint8_t>(v));
}

uint128 GetU128(ByteReader& r) {
  uint128 v = 0;
  for (int shift = 0; shift < 128; shift += 7) {
    const uint128 b = r.Byte();
    if (shift == 126 && b > 3) break;
    v |= (b & 0x7F) << shift;
    if (b < 0x80) return v;
  }
  r.Fail();
  return 0;
}

IpAddress Make(bool v6, uint128 value) {
  return v6 ? IpAddress::V6(value) : IpAddress::V4(static_cast<uint32_t>(value));
}

}  // namespace

void PutAddress(ByteWriter& w, const IpAddress& a) { w.String(a.ToBytes()); }

IpAddress GetAddress(ByteReader& r) {
  auto a = IpAddress::FromBytes(r.String());
  if (a.ok()) return *a;
  r.Fail();
  return {};
}

void PutIpSet(ByteWriter& w, const IpSet& set) {
  for (const bool v6 : {false, true}) {
    uint64_t n = 0;
    for (const IpRange& range : set.ranges()) n += range.first.is_v6() == v6;
    w.Varint(n);
    uint128 from = 0;
    for (const IpRange& range : set.ranges()) {
      if (range.first.is_v6() != v6) continue;
      PutU128(w, range.first.value() - from);
      PutU128(w, range.last.value() - range.first.value());
      from = range.last.value();
    }
  }
}

IpSet GetIpSet(ByteReader& r) {
  std::vector<IpRange> ranges;
  for (const bool v6 : {false, true}) {
    const uint128 limit = v6 ? ~uint128{0} : uint128{0xFFFFFFFF};
    const size_t n = r.Count(2);
    ranges.reserve(ranges.size() + n);
    uint128 from = 0;
    for (size_t i = 0; i < n && r.ok(); ++i) {
      const uint128 skip = GetU128(r), more = GetU128(r);
      if (skip > limit - from || more > limit - from - skip) {
        r.Fail();
        break;
      }
      ranges.push_back({Make(v6, from + skip), Make(v6, from + skip + more)});
      from += skip + more;
    }
  }
  return r.ok() ? IpSet::Of(std::move(ranges)) : IpSet();
}

void PutPortSet(ByteWriter& w, const PortSet& set) {
  w.Varint(set.ranges().size());
  for (const PortRange& range : set.ranges()) {
    w.Varint(range.first);
    w.Varint(range.last);
  }
}

PortSet GetPortSet(ByteReader& r) {
  const size_t n = r.Count(2);
  std::vector<PortRange> ranges;
  for (size_t i = 0; i < n && r.ok(); ++i) {
    const uint64_t first = r.Varint(), last = r.Varint();
    if (last > 65535 || first > last) {
      r.Fail();
      break;
    }
    ranges.push_back({static_cast<uint16_t>(first), static_cast<uint16_t>(last)});
  }
  return r.ok() ? PortSet::Of(std::move(ranges)) : PortSet();
}

}  // namespace portolan
