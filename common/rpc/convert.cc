#include "common/rpc/convert.h"

#include <utility>

#include "common/base/status.h"

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
  std::vector<PortRange> ports;
  for (const v1::PortRange& range : in.ports()) {
    if (range.last() > 65535 || range.first() > range.last()) {
      return InvalidArgument("space.blocks[{}].ports: {}-{} is no range of ports", number,
                             range.first(), range.last());
    }
    ports.push_back({static_cast<uint16_t>(range.first()), static_cast<uint16_t>(range.last())});
  }
  return Block{IpSet::Of(std::move(addresses)), PortSet::Of(std::move(ports))};
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
    for (const PortRange& range : block.ports.ranges()) {
      v1::PortRange* r = b->add_ports();
      r->set_first(range.first);
      r->set_last(range.last);
    }
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
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  out->set_timeout_ms(static_cast<uint32_t>(duration_cast<milliseconds>(timing.timeout).count()));
  out->set_retries(timing.retries);
  out->set_retry_delay_ms(
      static_cast<uint32_t>(duration_cast<milliseconds>(timing.retry_delay).count()));
}

absl::StatusOr<ProbeTiming> FromProto(const v1::ProbeTiming& timing) {
  ProbeTiming out;
  if (timing.timeout_ms() != 0) {
    if (timing.timeout_ms() < 50 || timing.timeout_ms() > 60'000) {
      return InvalidArgument("timing.timeout_ms {}: out of range; give 50 to 60000",
                             timing.timeout_ms());
    }
    out.timeout = std::chrono::milliseconds(timing.timeout_ms());
  }
  if (timing.has_retries()) {
    if (timing.retries() > 10)
      return InvalidArgument("timing.retries {}: out of range; give 0 to 10", timing.retries());
    out.retries = timing.retries();
  }
  if (timing.has_retry_delay_ms()) {
    if (timing.retry_delay_ms() > 60'000) {
      return InvalidArgument("timing.retry_delay_ms {}: out of range; give 0 to 60000",
                             timing.retry_delay_ms());
    }
    out.retry_delay = std::chrono::milliseconds(timing.retry_delay_ms());
  }
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

}  // namespace portolan
