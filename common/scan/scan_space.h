#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/interval_set.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "common/net/target_parser.h"
#include "common/scan/permutation.h"

namespace portolan {

// Every address of `addresses` on every port of `ports`.
struct Block {
  IpSet addresses;
  PortSet ports;
};

// The whole of what a scan probes: disjoint blocks, in order, N positions in all; and the O(1) map
// between a position and an (address, port). A block's addresses are permuted and cut into groups;
// group x ports is permuted again. Positions of a block follow those of the block before. An
// address is in one block only. Immutable after Create; thread-safe; shared by shared_ptr.
//
// The map, exactly (permutation version 1; MixSeed and Permutation as in permutation.h; / and % on
// whole numbers). For block b, counted from 0, of A addresses (ascending, IPv4 before IPv6) and P
// ports (ascending), whose first position is F:
//   s = MixSeed(seed, b)
//   G = min(max(2^24 / P, 1), 4096), the addresses of a group; a block's last may have fewer
//   g = (index - F) / (G * P), the group
//   n = min(G, A - g * G), its addresses
//   cells = Permutation(n * P, MixSeed(s, 1 + g))
//   c = cells.Forward((index - F) % (G * P))
//   order = Permutation(A, MixSeed(s, 0))
//   address number order.Forward(g * G + c / P) of the block, on port number c % P
class ScanSpace {
 public:
  static constexpr uint64_t kMaxPositions = uint64_t{1} << 62;
  static constexpr uint64_t kMaxGroupAddresses = 4096;
  // So that a finished group fits in memory.
  static constexpr uint64_t kMaxGroupPositions = uint64_t{1} << 24;

  struct Endpoint {
    IpAddress address;
    uint16_t port = 0;
  };

  // A group: positions [range.begin, range.end), range.size() = addresses * ports.
  struct Group {
    size_t block = 0;
    uint64_t number = 0;  // within the block
    IndexRange range;
    uint64_t addresses = 0;
    uint32_t ports = 0;
  };

  // InvalidArgument: no block, an empty block, an address in two blocks, more than kMaxPositions.
  // O(ranges log ranges) time; for one block O(1), however many positions.
  static absl::StatusOr<std::shared_ptr<const ScanSpace>> Create(std::vector<Block> blocks,
                                                                 uint64_t seed);

  uint64_t size() const { return size_; }
  uint64_t seed() const { return seed_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  uint64_t address_count() const { return address_count_; }
  // Groups of the whole space, for spreading lanes over different starting points.
  uint64_t group_count() const { return group_count_; }

  // For single positions; walk a group with a GroupView.
  Endpoint At(uint64_t index) const;  // index < size()
  std::optional<uint64_t> IndexOf(const IpAddress& address, uint16_t port) const;

  Group GroupOf(uint64_t index) const;  // O(log blocks)
  Group GroupNumber(uint64_t n) const;  // n < group_count(), in position order
  // The group that holds all positions of an address; nullopt when the space does not have it.
  std::optional<Group> GroupOfAddress(const IpAddress& address) const;

 private:
  friend class GroupView;
  struct BlockInfo {
    uint64_t begin = 0;        // first position
    uint64_t first_group = 0;  // number of its first group in the whole space
    uint64_t addresses = 0;
    uint64_t groups = 0;
    uint64_t group_addresses = 0;  // of every group but the last
    uint32_t ports = 0;
    uint64_t seed = 0;
    Permutation order;  // of the addresses
  };
  // A range of addresses, by block and place in it; sorted by first address.
  struct RangeRef {
    uint32_t block = 0;
    uint32_t range = 0;
  };
  ScanSpace() = default;
  const IpRange& RangeOf(const RangeRef& r) const {
    return blocks_[r.block].addresses.ranges()[r.range];
  }
  absl::Status IndexRanges();
  Group MakeGroup(size_t block, uint64_t number) const;
  Permutation CellsOf(const Group& group) const;
  struct Place {
    size_t block = 0;
    uint64_t position = 0;  // in the block's permuted order of addresses
  };
  std::optional<Place> PlaceOf(const IpAddress& address) const;

  std::vector<Block> blocks_;
  std::vector<BlockInfo> info_;
  std::vector<RangeRef> by_address_;  // empty when there is one block
  uint64_t size_ = 0;
  uint64_t seed_ = 0;
  uint64_t address_count_ = 0;
  uint64_t group_count_ = 0;
};

// One group opened for walking or for reading: its addresses resolved once, so that a position
// costs one permutation step. Holds at most kMaxGroupAddresses addresses (150 KB). Natural order:
// addresses ascending, for each its ports ascending. Immutable; thread-safe. Opening takes 0.5 ms
// for the largest group.
class GroupView {
 public:
  // `group` is one that `space` gave.
  GroupView(std::shared_ptr<const ScanSpace> space, const ScanSpace::Group& group);
  const ScanSpace::Group& group() const { return group_; }
  uint64_t size() const { return group_.range.size(); }
  ScanSpace::Endpoint At(uint64_t index) const;     // index in group().range
  uint64_t NaturalOf(uint64_t index) const;         // position in natural order, 0-based
  uint64_t IndexOfNatural(uint64_t natural) const;  // its inverse
  ScanSpace::Endpoint AtNatural(uint64_t natural) const;
  // Natural position of the first port of an address; nullopt when not of this group.
  std::optional<uint64_t> NaturalOfAddress(const IpAddress& address) const;

 private:
  uint16_t PortAt(uint32_t i) const;

  std::shared_ptr<const ScanSpace> space_;
  const PortSet* ports_;  // of space_
  ScanSpace::Group group_;
  Permutation cells_;
  std::vector<IpAddress> sorted_;       // ascending
  std::vector<uint16_t> rank_of_slot_;  // slot in the group's permuted order -> index into sorted_
  std::vector<uint16_t> slot_of_rank_;  // its inverse
};

// Puts target list, ports and exclusions together. Blocks are made so that each (address, port) is
// planned once: addresses that have ports of their own get the union of those and (when they are
// plain targets as well) `ports`. Addresses with the same ports share a block, and blocks are in
// the order of their port sets, so the same input gives the same blocks.
// InvalidArgument: no targets, plain targets without ports, nothing left to probe (says what was
// excluded).
struct Exclusions {
  IpSet addresses;                              // on every port
  PortSet ports;                                // on every address
  std::vector<TargetList::Endpoint> endpoints;  // just these
};
absl::StatusOr<std::vector<Block>> MakeBlocks(const TargetList& targets, const PortSet& ports,
                                              const Exclusions& exclusions);

}  // namespace portolan
