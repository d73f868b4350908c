#include "common/scan/scan_space.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {

absl::StatusOr<std::shared_ptr<const ScanSpace>> ScanSpace::Create(std::vector<Block> blocks,
                                                                   uint64_t seed) {
  if (blocks.empty())
    return InvalidArgument("the scan space is empty: give at least one target and one port");
  const std::shared_ptr<ScanSpace> space(new ScanSpace);
  space->seed_ = seed;
  space->info_.reserve(blocks.size());
  double positions = 0;  // for the message, where whole numbers do not reach
  bool too_many = false;
  for (size_t b = 0; b < blocks.size(); ++b) {
    const uint128 addresses = blocks[b].addresses.size();
    const uint32_t ports = blocks[b].ports.size();
    if (addresses == 0) return InvalidArgument("block {} of the scan space has no addresses", b);
    if (ports == 0) return InvalidArgument("block {} of the scan space has no ports", b);
    positions += static_cast<double>(addresses) * ports;
    too_many = too_many || addresses > (kMaxPositions - space->size_) / ports;
    if (too_many) continue;
    BlockInfo info;
    info.begin = space->size_;
    info.first_group = space->group_count_;
    info.addresses = static_cast<uint64_t>(addresses);
    info.ports = ports;
    info.group_addresses = std::clamp<uint64_t>(kMaxGroupPositions / ports, 1, kMaxGroupAddresses);
    info.groups = (info.addresses - 1) / info.group_addresses + 1;
    info.seed = MixSeed(seed, b);
    info.order = Permutation(info.addresses, MixSeed(info.seed, 0));
    space->size_ += info.addresses * ports;
    space->address_count_ += info.addresses;
    space->group_count_ += info.groups;
    space->info_.push_back(info);
  }
  if (too_many) {
    return InvalidArgument(
        "the scan space has {:.2g} positions (addresses times ports), the limit is {:.2g}: scan "
        "fewer addresses or ports",
        positions, static_cast<double>(kMaxPositions));
  }
  space->blocks_ = std::move(blocks);
  PORTOLAN_RETURN_IF_ERROR(space->IndexRanges());
  return space;
}

absl::Status ScanSpace::IndexRanges() {
  if (blocks_.size() == 1) return absl::OkStatus();
  size_t count = 0;
  for (const Block& b : blocks_) count += b.addresses.ranges().size();
  by_address_.reserve(count);
  for (uint32_t b = 0; b < blocks_.size(); ++b) {
    const uint32_t ranges = static_cast<uint32_t>(blocks_[b].addresses.ranges().size());
    for (uint32_t r = 0; r < ranges; ++r) by_address_.push_back({b, r});
  }
  std::sort(by_address_.begin(), by_address_.end(), [this](const RangeRef& a, const RangeRef& b) {
    return RangeOf(a).first < RangeOf(b).first;
  });
  for (size_t i = 1; i < by_address_.size(); ++i) {
    const IpRange& before = RangeOf(by_address_[i - 1]);
    const IpRange& range = RangeOf(by_address_[i]);
    if (range.first <= before.last) {
      return InvalidArgument(
          "address {} is in two blocks of the scan space: put all its ports into one",
          range.first.ToString());
    }
  }
  return absl::OkStatus();
}

ScanSpace::Group ScanSpace::MakeGroup(size_t block, uint64_t number) const {
  const BlockInfo& info = info_[block];
  Group group;
  group.block = block;
  group.number = number;
  group.addresses = std::min(info.group_addresses, info.addresses - number * info.group_addresses);
  group.ports = info.ports;
  group.range.begin = info.begin + number * info.group_addresses * info.ports;
  group.range.end = group.range.begin + group.addresses * info.ports;
  return group;
}

Permutation ScanSpace::CellsOf(const Group& group) const {
  return Permutation(group.range.size(), MixSeed(info_[group.block].seed, 1 + group.number));
}

ScanSpace::Group ScanSpace::GroupOf(uint64_t index) const {
  PORTOLAN_CHECK(index < size_);
  const auto it =
      std::upper_bound(info_.begin(), info_.end(), index,
                       [](uint64_t i, const BlockInfo& info) { return i < info.begin; });
  const size_t block = static_cast<size_t>(it - info_.begin()) - 1;
  const BlockInfo& info = info_[block];
  return MakeGroup(block, (index - info.begin) / (info.group_addresses * info.ports));
}

ScanSpace::Group ScanSpace::GroupNumber(uint64_t n) const {
  PORTOLAN_CHECK(n < group_count_);
  const auto it =
      std::upper_bound(info_.begin(), info_.end(), n,
                       [](uint64_t i, const BlockInfo& info) { return i < info.first_group; });
  const size_t block = static_cast<size_t>(it - info_.begin()) - 1;
  return MakeGroup(block, n - info_[block].first_group);
}

ScanSpace::Endpoint ScanSpace::At(uint64_t index) const {
  const Group group = GroupOf(index);
  const BlockInfo& info = info_[group.block];
  const Block& block = blocks_[group.block];
  const uint64_t cell = CellsOf(group).Forward(index - group.range.begin);
  const uint64_t position = group.number * info.group_addresses + cell / info.ports;
  return {block.addresses.Select(info.order.Forward(position)),
          block.ports.Select(static_cast<uint32_t>(cell % info.ports))};
}

std::optional<ScanSpace::Place> ScanSpace::PlaceOf(const IpAddress& address) const {
  size_t block = 0;
  if (blocks_.size() > 1) {
    const auto it = std::upper_bound(
        by_address_.begin(), by_address_.end(), address,
        [this](const IpAddress& a, const RangeRef& r) { return a < RangeOf(r).first; });
    if (it == by_address_.begin()) return std::nullopt;
    block = std::prev(it)->block;
  }
  const std::optional<uint128> rank = blocks_[block].addresses.Rank(address);
  if (!rank) return std::nullopt;
  return Place{block, info_[block].order.Inverse(static_cast<uint64_t>(*rank))};
}

std::optional<uint64_t> ScanSpace::IndexOf(const IpAddress& address, uint16_t port) const {
  const std::optional<Place> place = PlaceOf(address);
  if (!place) return std::nullopt;
  const std::optional<uint32_t> port_rank = blocks_[place->block].ports.Rank(port);
  if (!port_rank) return std::nullopt;
  const BlockInfo& info = info_[place->block];
  const Group group = MakeGroup(place->block, place->position / info.group_addresses);
  const uint64_t cell = place->position % info.group_addresses * info.ports + *port_rank;
  return group.range.begin + CellsOf(group).Inverse(cell);
}

std::optional<ScanSpace::Group> ScanSpace::GroupOfAddress(const IpAddress& address) const {
  const std::optional<Place> place = PlaceOf(address);
  if (!place) return std::nullopt;
  return MakeGroup(place->block, place->position / info_[place->block].group_addresses);
}

GroupView::GroupView(std::shared_ptr<const ScanSpace> space, const ScanSpace::Group& group)
    : space_(std::move(space)),
      ports_(&space_->blocks_[group.block].ports),
      group_(group),
      cells_(space_->CellsOf(group)) {
  const ScanSpace::BlockInfo& info = space_->info_[group.block];
  const IpSet& addresses = space_->blocks_[group.block].addresses;
  std::vector<std::pair<uint64_t, uint16_t>> places;  // (rank in the block, slot)
  places.reserve(group.addresses);
  for (uint64_t slot = 0; slot < group.addresses; ++slot) {
    places.emplace_back(info.order.Forward(group.number * info.group_addresses + slot),
                        static_cast<uint16_t>(slot));
  }
  std::sort(places.begin(), places.end());
  sorted_.reserve(places.size());
  slot_of_rank_.reserve(places.size());
  rank_of_slot_.resize(places.size());
  for (const auto& [rank, slot] : places) {
    rank_of_slot_[slot] = static_cast<uint16_t>(sorted_.size());
    slot_of_rank_.push_back(slot);
    sorted_.push_back(addresses.Select(rank));
  }
}

uint16_t GroupView::PortAt(uint32_t i) const {
  if (ports_->ranges().size() == 1)
    return static_cast<uint16_t>(ports_->ranges().front().first + i);
  return ports_->Select(i);
}

// A group has at most 2^24 positions, so 32-bit division, which is several times faster, does.
uint64_t GroupView::NaturalOf(uint64_t index) const {
  PORTOLAN_CHECK(index >= group_.range.begin && index < group_.range.end);
  const uint32_t cell = static_cast<uint32_t>(cells_.Forward(index - group_.range.begin));
  const uint32_t slot = cell / group_.ports;
  return cell + (rank_of_slot_[slot] - uint64_t{slot}) * group_.ports;  // modulo 2^64
}

uint64_t GroupView::IndexOfNatural(uint64_t natural) const {
  PORTOLAN_CHECK(natural < size());
  const uint32_t rank = static_cast<uint32_t>(natural) / group_.ports;
  const uint64_t cell = natural + (slot_of_rank_[rank] - uint64_t{rank}) * group_.ports;
  return group_.range.begin + cells_.Inverse(cell);
}

ScanSpace::Endpoint GroupView::At(uint64_t index) const {
  PORTOLAN_CHECK(index >= group_.range.begin && index < group_.range.end);
  const uint32_t cell = static_cast<uint32_t>(cells_.Forward(index - group_.range.begin));
  return {sorted_[rank_of_slot_[cell / group_.ports]], PortAt(cell % group_.ports)};
}

ScanSpace::Endpoint GroupView::AtNatural(uint64_t natural) const {
  PORTOLAN_CHECK(natural < size());
  const uint32_t n = static_cast<uint32_t>(natural);
  return {sorted_[n / group_.ports], PortAt(n % group_.ports)};
}

std::optional<uint64_t> GroupView::NaturalOfAddress(const IpAddress& address) const {
  const auto it = std::lower_bound(sorted_.begin(), sorted_.end(), address);
  if (it == sorted_.end() || *it != address) return std::nullopt;
  return static_cast<uint64_t>(it - sorted_.begin()) * group_.ports;
}

}  // namespace portolan
