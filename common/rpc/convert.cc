#include "common/rpc/convert.h"

#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/scan/timing_template.h"

namespace portolan {
namespace {

absl::StatusOr<IpRange> RangeFromProto(const v1::AddressRange& range, int block) {
  auto first = IpAddress::FromBytes(range.first());
  auto last = IpAddress::FromBytes(range.last());
  if (!first.ok() || !last.ok())
    return InvalidArgument("space.blocks[{}].addresses: an address is 4 or 16 bytes", block);
  if (first->is_v6() != last->is_v6())
    return InvalidArgument("space.blocks[{}].addresses: a range of two families", block);
  if (*last < *first) {
    return InvalidArgument("space.blocks[{}].addresses: {} is above {}", block, first->ToString(),
                           last->ToString());
  }
  return IpRange{*first, *last};
}

absl::StatusOr<Block> BlockFromProto(const v1::Block& in, int number) {
  std::vector<IpRange> addresses;
  addresses.reserve(static_cast<size_t>(in.addresses_size()));
  for (const v1::AddressRange& range : in.addresses()) {
    PORTOLAN_ASSIGN_OR_RETURN(IpRange r, RangeFromProto(range, number));
    addresses.push_back(r);
  }
  PORTOLAN_ASSIGN_OR_RETURN(PortSet ports,
                            FromProto(in.ports(), fmt::format("space.blocks[{}].ports", number)));
  return Block{IpSet::Of(std::move(addresses)), std::move(ports)};
}

}  // namespace

void ToProto(const std::vector<Block>& blocks, uint64_t seed, v1::ScanSpace* out) {
  out->Clear();
  for (const Block& block : blocks) {
    v1::Block* b = out->add_blocks();
    for (const IpRange& range : block.addresses.ranges()) {
      v1::AddressRange* r = b->add_addresses();
      r->set_first(range.first.ToBytes());
      r->set_last(range.last.ToBytes());
    }
    ToProto(block.ports, b->mutable_ports());
  }
  out->set_seed(seed);
  out->set_permutation_version(Permutation::kVersion);
}

absl::StatusOr<std::shared_ptr<const ScanSpace>> FromProto(const v1::ScanSpace& space) {
  if (space.permutation_version() != Permutation::kVersion) {
    return InvalidArgument(
        "space.permutation_version {}: this program knows {} only; use the same version of "
        "Portolan everywhere",
        space.permutation_version(), Permutation::kVersion);
  }
  std::vector<Block> blocks;
  blocks.reserve(static_cast<size_t>(space.blocks_size()));
  for (int i = 0; i < space.blocks_size(); ++i) {
    PORTOLAN_ASSIGN_OR_RETURN(Block block, BlockFromProto(space.blocks(i), i));
    blocks.push_back(std::move(block));
  }
  return ScanSpace::Create(std::move(blocks), space.seed());
}

void ToProto(const ProbeTiming& timing, v1::ProbeTiming* out) {
  const auto ms = [](Duration d) {
    return static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
  };
  out->set_timeout_ms(ms(timing.timeout));
  out->set_min_timeout_ms(ms(timing.min_timeout));
  out->set_retries(timing.retries);
  out->set_retry_delay_ms(ms(timing.retry_delay));
  out->set_address_rate(timing.address_rate);
  out->set_address_in_flight(timing.address_in_flight);
  out->set_prefix_rate(timing.prefix_rate);
  out->set_growth(timing.growth);
}

absl::StatusOr<ProbeTiming> FromProto(const v1::ProbeTiming& timing) {
  const uint32_t level = timing.has_level() ? timing.level() : kDefaultTemplate;
  if (level >= kTemplates)
    return InvalidArgument("timing.level {}: there is no such one; give 0 to 5", level);
  ProbeTiming out = TimingTemplateOf(level).timing;
  const auto within = [](const char* field, double value, double least,
                         double most) -> absl::Status {
    if (value >= least && value <= most) return absl::OkStatus();
    return InvalidArgument("timing.{} {}: out of range; give {} to {}", field, value, least, most);
  };
  const auto duration = [&](const char* field, uint32_t ms, double least, Duration* to) {
    *to = std::chrono::milliseconds(ms);
    return within(field, ms, least, 60'000);
  };
  if (timing.timeout_ms() != 0) {
    PORTOLAN_RETURN_IF_ERROR(duration("timeout_ms", timing.timeout_ms(), 50, &out.timeout));
  }
  if (timing.min_timeout_ms() != 0) {
    PORTOLAN_RETURN_IF_ERROR(
        duration("min_timeout_ms", timing.min_timeout_ms(), 10, &out.min_timeout));
  }
  out.min_timeout = std::min(out.min_timeout, out.timeout);
  if (timing.has_retries()) {
    PORTOLAN_RETURN_IF_ERROR(within("retries", timing.retries(), 0, 10));
    out.retries = timing.retries();
  }
  if (timing.has_retry_delay_ms()) {
    PORTOLAN_RETURN_IF_ERROR(
        duration("retry_delay_ms", timing.retry_delay_ms(), 0, &out.retry_delay));
  }
  if (timing.has_address_rate()) out.address_rate = timing.address_rate();
  if (timing.has_address_in_flight()) out.address_in_flight = timing.address_in_flight();
  if (timing.has_prefix_rate()) out.prefix_rate = timing.prefix_rate();
  if (timing.growth() != 0) out.growth = timing.growth();
  PORTOLAN_RETURN_IF_ERROR(within("address_rate", out.address_rate, 0, 1e9));
  PORTOLAN_RETURN_IF_ERROR(within("prefix_rate", out.prefix_rate, 0, 1e9));
  PORTOLAN_RETURN_IF_ERROR(within("growth", out.growth, 1, 1000));
  return out;
}

void ToProto(const Ledger& ledger, uint64_t planned, v1::Ledger* out) {
  out->set_planned(planned);
  out->set_open(ledger.open);
  out->set_closed(ledger.closed);
  out->set_filtered(ledger.filtered);
  out->set_unreachable(ledger.unreachable);
  out->set_not_probed_excluded(ledger.not_probed[0]);
  out->set_not_probed_agent_scope(ledger.not_probed[1]);
  out->set_not_probed_no_agent(ledger.not_probed[2]);
  out->set_not_probed_attempts(ledger.not_probed[3]);
  out->set_not_probed_cancelled(ledger.not_probed[4]);
  out->set_extra(ledger.extra);
}

Ledger FromProto(const v1::Ledger& ledger) {
  Ledger out;
  out.open = ledger.open();
  out.closed = ledger.closed();
  out.filtered = ledger.filtered();
  out.unreachable = ledger.unreachable();
  out.not_probed[0] = ledger.not_probed_excluded();
  out.not_probed[1] = ledger.not_probed_agent_scope();
  out.not_probed[2] = ledger.not_probed_no_agent();
  out.not_probed[3] = ledger.not_probed_attempts();
  out.not_probed[4] = ledger.not_probed_cancelled();
  out.extra = ledger.extra();
  return out;
}

void ToProto(const IntervalSet& set, google::protobuf::RepeatedPtrField<v1::IndexRange>* out) {
  out->Clear();
  for (const IndexRange& range : set.ToVector()) {
    v1::IndexRange* r = out->Add();
    r->set_begin(range.begin);
    r->set_end(range.end);
  }
}

absl::StatusOr<IntervalSet> FromProto(
    const google::protobuf::RepeatedPtrField<v1::IndexRange>& ranges, uint64_t limit,
    size_t max_ranges) {
  if (static_cast<size_t>(ranges.size()) > max_ranges) {
    return InvalidArgument("ranges: {} of them; at most {} are allowed", ranges.size(), max_ranges);
  }
  IntervalSet out;
  uint64_t at = 0;
  for (const v1::IndexRange& range : ranges) {
    if (range.begin() >= range.end())
      return InvalidArgument("ranges: [{}, {}) is empty or reversed", range.begin(), range.end());
    if (range.begin() < at)
      return InvalidArgument("ranges: [{}, {}) overlaps or precedes the one before", range.begin(),
                             range.end());
    if (range.end() > limit)
      return InvalidArgument("ranges: [{}, {}) ends above {}", range.begin(), range.end(), limit);
    at = range.end();
    out.Add(IndexRange{range.begin(), range.end()});
  }
  return out;
}

v1::PortState ToProto(State state) {
  switch (state) {
    case State::kOpen:
      return v1::PORT_STATE_OPEN;
    case State::kClosed:
      return v1::PORT_STATE_CLOSED;
    case State::kFiltered:
      return v1::PORT_STATE_FILTERED;
    case State::kUnreachable:
      return v1::PORT_STATE_UNREACHABLE;
    case State::kNotProbed:
      return v1::PORT_STATE_NOT_PROBED;
    case State::kOwed:
      break;
  }
  return v1::PORT_STATE_UNSPECIFIED;
}

void ToProto(const PortSet& ports, google::protobuf::RepeatedPtrField<v1::PortRange>* out) {
  for (const PortRange& range : ports.ranges()) {
    v1::PortRange* r = out->Add();
    r->set_first(range.first);
    r->set_last(range.last);
  }
}

absl::StatusOr<PortSet> FromProto(const google::protobuf::RepeatedPtrField<v1::PortRange>& ports,
                                  std::string_view field) {
  if (ports.size() > 65'536)
    return InvalidArgument("{}: {}; at most 65536 are allowed", field,
                           Counted(static_cast<uint64_t>(ports.size()), "range", "ranges"));
  std::vector<PortRange> out;
  for (const v1::PortRange& range : ports) {
    if (range.last() > 65535 || range.first() > range.last()) {
      return InvalidArgument("{}: {}-{} is no range of ports", field, range.first(), range.last());
    }
    out.push_back({static_cast<uint16_t>(range.first()), static_cast<uint16_t>(range.last())});
  }
  return PortSet::Of(std::move(out));
}

absl::StatusOr<WallTime> TimeFromProto(std::string_view field, int64_t unix_us) {
  constexpr int64_t kLatest = int64_t{253'402'300'800} * 1'000'000;  // the year 10000
  if (unix_us < 0 || unix_us > kLatest)
    return InvalidArgument("{} {}: not a time between 1970 and 9999", field, unix_us);
  return FromUnixMicros(unix_us);
}

void ToProto(const HostFinding& finding, v1::HostFinding* out) {
  out->set_kind(static_cast<v1::HostFindingKind>(finding.kind));  // the numbers are the same
  out->set_address(finding.address.ToBytes());
  out->set_unix_us(ToUnixMicros(finding.when));
  out->set_opens(finding.opens);
  out->set_outcomes(finding.outcomes);
  for (const ConfirmedPort& c : finding.confirmed) {
    v1::ConfirmedPort* p = out->add_confirmed();
    p->set_port(c.port);
    p->set_held(static_cast<v1::Held>(c.held));
  }
  if (finding.sentinel.has_value()) out->set_sentinel_port(*finding.sentinel);
  out->set_since_unix_us(ToUnixMicros(finding.since));
  out->set_silences(finding.silences);
}

absl::StatusOr<HostFinding> FromProto(const v1::HostFinding& in) {
  HostFinding out;
  // Enums of proto3 are open: any number may come.
  if (in.kind() < 0 || in.kind() > 255)
    return InvalidArgument("kind {}: unknown", static_cast<int>(in.kind()));
  out.kind = static_cast<HostFindingKind>(in.kind());
  absl::StatusOr<IpAddress> address = IpAddress::FromBytes(in.address());
  if (!address.ok())
    return InvalidArgument("address: {}; an address has 4 or 16",
                           Counted(in.address().size(), "byte", "bytes"));
  out.address = *address;
  PORTOLAN_ASSIGN_OR_RETURN(out.when, TimeFromProto("unix_us", in.unix_us()));
  PORTOLAN_ASSIGN_OR_RETURN(out.since, TimeFromProto("since_unix_us", in.since_unix_us()));
  out.opens = in.opens();
  out.outcomes = in.outcomes();
  out.silences = in.silences();
  if (static_cast<size_t>(in.confirmed_size()) > HostFinding::kMaxConfirmed) {
    return InvalidArgument("confirmed: {} ports; at most {} are allowed", in.confirmed_size(),
                           HostFinding::kMaxConfirmed);
  }
  for (const v1::ConfirmedPort& c : in.confirmed()) {
    if (c.port() > 65535 || c.held() < 0 || c.held() > 255)
      return InvalidArgument("confirmed: port {} held {}", c.port(), static_cast<int>(c.held()));
    out.confirmed.push_back({static_cast<uint16_t>(c.port()), static_cast<Held>(c.held())});
  }
  if (in.has_sentinel_port()) {
    if (in.sentinel_port() > 65535)
      return InvalidArgument("sentinel_port {}: not a port", in.sentinel_port());
    out.sentinel = static_cast<uint16_t>(in.sentinel_port());
  }
  PORTOLAN_RETURN_IF_ERROR(CheckHostFinding(out));
  return out;
}

}  // namespace portolan
