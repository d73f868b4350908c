#include "coordinator/store/spec_codec.h"

#include <limits>

#include "common/base/bytes.h"
#include "common/base/status.h"
#include "coordinator/store/set_codec.h"

namespace portolan {
namespace {

// Of a specification; older ones are read still: 1 had no limits on targets, 2 no ports to confirm
// with, 3 no monitor, 4 no skipped names.
constexpr uint8_t kSpecVersion = 5;
constexpr uint8_t kWithMonitor = 4;
constexpr uint8_t kWithConfirmPorts = 3;
constexpr uint8_t kWithTargetLimits = 2;
constexpr uint8_t kVersion = 2;  // of everything else; 1 was the same

absl::Status Damaged(std::string_view what) {
  return DataLoss(
      "stored {} is damaged: restore the data directory from a backup, or remove the scan", what);
}

void PutRanges(ByteWriter& w, const std::vector<IndexRange>& ranges) {
  w.Varint(ranges.size());
  uint64_t from = 0;
  for (const IndexRange& range : ranges) {
    w.Varint(range.begin - from);
    w.Varint(range.size());
    from = range.end;
  }
}

// One distance; fails beyond 2^63, so that sums do not overflow.
uint64_t Advance(ByteReader& r, uint64_t from) {
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  const uint64_t d = r.Varint();
  if (d <= kLimit - from) return from + d;
  r.Fail();
  return from;
}

std::vector<IndexRange> GetRanges(ByteReader& r) {
  const size_t n = r.Count(2);
  std::vector<IndexRange> ranges;
  ranges.reserve(n);
  uint64_t from = 0;
  for (size_t i = 0; i < n && r.ok(); ++i) {
    const uint64_t begin = Advance(r, from);
    from = Advance(r, begin);
    ranges.push_back({begin, from});
  }
  return ranges;
}

void PutStrings(ByteWriter& w, const std::vector<std::string>& strings) {
  w.Varint(strings.size());
  for (const std::string& s : strings) w.String(s);
}

std::vector<std::string> GetStrings(ByteReader& r) {
  const size_t n = r.Count();
  std::vector<std::string> strings;
  for (size_t i = 0; i < n && r.ok(); ++i) strings.emplace_back(r.String());
  return strings;
}

Duration GetDuration(ByteReader& r) { return Duration(r.Signed()); }

}  // namespace

std::string EncodeSpec(const ScanSpec& spec) {
  ByteWriter w;
  w.Byte(kSpecVersion);
  w.Varint(spec.space ? spec.space->address_count() : 0);
  w.Varint(spec.space ? spec.space->size() : 0);
  w.Varint(spec.names.size());
  w.String(spec.name);
  PutStrings(w, spec.target_texts);
  w.String(spec.ports_text);
  w.Byte(static_cast<uint8_t>(spec.mode));
  PutStrings(w, spec.vantages);
  w.Byte(static_cast<uint8_t>(spec.priority));
  w.Double(spec.max_rate);
  w.Signed(spec.timing.timeout.count());
  w.Varint(spec.timing.retries);
  w.Signed(spec.timing.retry_delay.count());
  w.Signed(spec.timing.min_timeout.count());
  w.Double(spec.timing.address_rate);
  w.Varint(spec.timing.address_in_flight);
  w.Double(spec.timing.prefix_rate);
  w.Varint(spec.timing.growth);
  w.Varint(spec.max_attempts);
  w.Signed(spec.lane_timeout.count());
  w.Signed(spec.retention.count());
  PutPortSet(w, spec.confirm_ports);
  PutStrings(w, spec.avoid_agents);
  w.String(spec.monitor);
  w.Varint(spec.names_skipped);
  w.Varint(spec.skipped_names.size());
  for (const SkippedName& skipped : spec.skipped_names) {
    w.String(skipped.name);
    w.Byte(static_cast<uint8_t>(skipped.problem));
  }
  return w.Take();
}

absl::StatusOr<std::pair<ScanSpec, SpecCounts>> DecodeSpec(std::string_view bytes) {
  ByteReader r(bytes);
  ScanSpec spec;
  SpecCounts counts;
  const uint8_t version = r.Byte();
  if (version < 1 || version > kSpecVersion) return Damaged("scan specification");
  counts.addresses = r.Varint();
  counts.positions = r.Varint();
  counts.target_names = static_cast<uint32_t>(r.Varint());
  spec.name = r.String();
  spec.target_texts = GetStrings(r);
  spec.ports_text = r.String();
  const uint8_t mode = r.Byte();
  spec.mode = static_cast<ScanMode>(mode);
  spec.vantages = GetStrings(r);
  const uint8_t priority = r.Byte();
  spec.priority = static_cast<Priority>(priority);
  spec.max_rate = r.Double();
  spec.timing.timeout = GetDuration(r);
  spec.timing.retries = static_cast<uint32_t>(r.Varint());
  spec.timing.retry_delay = GetDuration(r);
  if (version >= kWithTargetLimits) {
    spec.timing.min_timeout = GetDuration(r);
    spec.timing.address_rate = r.Double();
    spec.timing.address_in_flight = static_cast<uint32_t>(r.Varint());
    spec.timing.prefix_rate = r.Double();
    spec.timing.growth = static_cast<uint32_t>(r.Varint());
  }
  spec.max_attempts = static_cast<uint32_t>(r.Varint());
  spec.lane_timeout = GetDuration(r);
  spec.retention = GetDuration(r);
  if (version >= kWithConfirmPorts) spec.confirm_ports = GetPortSet(r);
  if (version >= kWithMonitor) {
    spec.avoid_agents = GetStrings(r);
    spec.monitor = r.String();
  }
  if (version >= kSpecVersion) {
    spec.names_skipped = r.Varint();
    for (size_t n = r.Count(2); n > 0 && r.ok(); --n) {
      SkippedName& skipped = spec.skipped_names.emplace_back();
      skipped.name = r.String();
      const uint8_t problem = r.Byte();
      if (problem < 1 || problem > static_cast<uint8_t>(LookupProblem::kCouldNotAsk)) r.Fail();
      skipped.problem = static_cast<LookupProblem>(problem);
    }
  }
  if (!r.done() || mode < 1 || mode > 2 || priority < 1 || priority > 3)
    return Damaged("scan specification");
  return std::make_pair(std::move(spec), counts);
}

std::string EncodeSpace(const ScanSpec& spec) {
  ByteWriter w;
  w.Byte(kVersion);
  w.Fixed64(spec.space->seed());
  w.Varint(spec.space->blocks().size());
  for (const Block& block : spec.space->blocks()) {
    PutIpSet(w, block.addresses);
    PutPortSet(w, block.ports);
  }
  w.Varint(spec.names.size());
  for (const ResolvedName& name : spec.names) {
    w.String(name.name);
    w.Varint(name.addresses.size());
    for (const IpAddress& a : name.addresses) PutAddress(w, a);
  }
  return w.Take();
}

absl::Status DecodeSpace(std::string_view bytes, ScanSpec& spec) {
  ByteReader r(bytes);
  if (const uint8_t v = r.Byte(); v < 1 || v > kVersion) return Damaged("scan space");
  const uint64_t seed = r.Fixed64();
  std::vector<Block> blocks;
  for (size_t n = r.Count(3); n > 0 && r.ok(); --n) {
    IpSet addresses = GetIpSet(r);
    PortSet ports = GetPortSet(r);
    blocks.push_back({std::move(addresses), std::move(ports)});
  }
  for (size_t n = r.Count(2); n > 0 && r.ok(); --n) {
    ResolvedName name;
    name.name = r.String();
    for (size_t k = r.Count(5); k > 0 && r.ok(); --k) name.addresses.push_back(GetAddress(r));
    spec.names.push_back(std::move(name));
  }
  if (!r.done()) return Damaged("scan space");
  auto space = ScanSpace::Create(std::move(blocks), seed);
  if (!space.ok()) return Damaged("scan space");
  spec.space = *std::move(space);
  return absl::OkStatus();
}

std::string EncodeOverlay(const DenyOverlay& overlay) {
  ByteWriter w;
  w.Byte(kVersion);
  w.Varint(overlay.version);
  w.Varint(overlay.rules.size());
  for (const ScopeRule& rule : overlay.rules) {
    PutIpSet(w, rule.addresses);
    PutPortSet(w, rule.ports);
    w.String(rule.text);
  }
  return w.Take();
}

absl::StatusOr<DenyOverlay> DecodeOverlay(std::string_view bytes) {
  ByteReader r(bytes);
  DenyOverlay overlay;
  if (const uint8_t v = r.Byte(); v < 1 || v > kVersion) return Damaged("list of exclusions");
  overlay.version = r.Varint();
  for (size_t n = r.Count(4); n > 0 && r.ok(); --n) {
    ScopeRule rule;
    rule.addresses = GetIpSet(r);
    rule.ports = GetPortSet(r);
    rule.text = r.String();
    overlay.rules.push_back(std::move(rule));
  }
  if (!r.done()) return Damaged("list of exclusions");
  return overlay;
}

std::string EncodeRanges(const std::vector<IndexRange>& ranges) {
  ByteWriter w;
  PutRanges(w, ranges);
  return w.Take();
}

absl::StatusOr<std::vector<IndexRange>> DecodeRanges(std::string_view bytes) {
  ByteReader r(bytes);
  std::vector<IndexRange> ranges = GetRanges(r);
  if (!r.done()) return Damaged("list of positions");
  return ranges;
}

std::string EncodeAttempts(const Attempts& attempts) {
  ByteWriter w;
  w.Varint(attempts.size());
  uint64_t from = 0;
  for (const auto& [range, count] : attempts) {
    w.Signed(static_cast<int64_t>(range.begin -
                                  from));  // signed: their order is the scheduler's business
    w.Varint(range.size());
    w.Varint(count);
    from = range.end;
  }
  return w.Take();
}

absl::StatusOr<Attempts> DecodeAttempts(std::string_view bytes) {
  ByteReader r(bytes);
  Attempts attempts;
  if (bytes.empty()) return attempts;
  uint64_t from = 0;
  for (size_t n = r.Count(3); n > 0 && r.ok(); --n) {
    const uint64_t begin = from + static_cast<uint64_t>(r.Signed());
    from = begin + r.Varint();
    if (from < begin) r.Fail();
    attempts.push_back({{begin, from}, static_cast<uint32_t>(r.Varint())});
  }
  if (!r.done()) return Damaged("list of attempts");
  return attempts;
}

std::string EncodeSegments(const std::vector<CompactedGroup::Segment>& segments) {
  ByteWriter w;
  w.Varint(segments.size());
  for (const CompactedGroup::Segment& s : segments) {
    PutRanges(w, s.positions);
    w.String(s.agent);
    w.String(s.vantage);
    w.Signed(ToUnixMicros(s.start));
  }
  // Behind the list, and only if there are any: which of them have the time of receipt. Older
  // programs wrote none.
  size_t marked = 0;
  for (const CompactedGroup::Segment& s : segments) marked += s.time_of_receipt;
  if (marked == 0) return w.Take();
  w.Varint(marked);
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].time_of_receipt) w.Varint(i);
  }
  return w.Take();
}

absl::StatusOr<std::vector<CompactedGroup::Segment>> DecodeSegments(std::string_view bytes) {
  ByteReader r(bytes);
  std::vector<CompactedGroup::Segment> segments;
  for (size_t n = r.Count(4); n > 0 && r.ok(); --n) {
    CompactedGroup::Segment s;
    s.positions = GetRanges(r);
    s.agent = r.String();
    s.vantage = r.String();
    s.start = FromUnixMicros(r.Signed());
    segments.push_back(std::move(s));
  }
  if (r.ok() && !r.done()) {
    for (size_t n = r.Count(); n > 0 && r.ok(); --n) {
      const uint64_t i = r.Varint();
      if (i >= segments.size()) return Damaged("list of segments");
      segments[i].time_of_receipt = true;
    }
  }
  if (!r.done()) return Damaged("list of segments");
  return segments;
}

std::string EncodeConfirmed(const std::vector<ConfirmedPort>& ports) {
  ByteWriter w;
  for (const ConfirmedPort& p : ports) {
    w.Byte(static_cast<uint8_t>(p.port >> 8));
    w.Byte(static_cast<uint8_t>(p.port));
    w.Byte(static_cast<uint8_t>(p.held));
  }
  return w.Take();
}

absl::StatusOr<std::vector<ConfirmedPort>> DecodeConfirmed(std::string_view bytes) {
  ByteReader r(bytes);
  std::vector<ConfirmedPort> ports;
  for (size_t i = 0; i + 2 < bytes.size(); i += 3) {
    const uint16_t high = r.Byte();
    const uint16_t port = static_cast<uint16_t>(high << 8 | r.Byte());
    const uint8_t held = r.Byte();
    if (held > static_cast<uint8_t>(Held::kNoWindow)) r.Fail();
    ports.push_back({port, static_cast<Held>(held)});
  }
  if (!r.done()) return Damaged("host finding");
  return ports;
}

std::string AddressKey(const IpAddress& address) {
  std::string key(1, address.is_v6() ? '\x06' : '\x04');
  return key += address.ToBytes();
}

absl::StatusOr<IpAddress> AddressFromKey(std::string_view key) {
  if ((key.size() == 5 && key[0] == '\x04') || (key.size() == 17 && key[0] == '\x06')) {
    return IpAddress::FromBytes(key.substr(1));
  }
  return Damaged("address");
}

}  // namespace portolan
