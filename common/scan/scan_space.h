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

// The whole of what a scan probes: disjoint blocks, in order, N positions in all; and the O(1) map between a position and an
// (address, port). A block's addresses are permuted and cut into groups; group x ports is permuted again. Positions of a block follow
// those of the block before. Immutable after Create; thread-safe; share it by shared_ptr<const ScanSpace>.
class ScanSpace {
 public:
  static constexpr uint64_t kMaxPositions = uint64_t{1} << 62;
  static constexpr uint64_t kMaxGroupAddresses = 4096;
  static constexpr uint64_t kMaxGroupPositions = uint64_t{1} << 24;  // so that a finished group fits in memory

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

  // InvalidArgument: no block, an empty block, blocks that overlap, more than kMaxPositions.
  static absl::StatusOr<std::shared_ptr<const ScanSpace>> Create(std::vector<Block> blocks, uint64_t seed);

  uint64_t size() const { return size_; }
  uint64_t seed() const { return seed_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  uint64_t address_count() const;  // saturating
  // Groups of the whole space, for spreading lanes over different starting points.
  uint64_t group_count() const;

  Endpoint At(uint64_t index) const;  // index < size()
  std::optional<uint64_t> IndexOf(const IpAddress& address, uint16_t port) const;

  Group GroupOf(uint64_t index) const;  // O(log blocks)
  Group GroupNumber(uint64_t n) const;  // n < group_count(), in position order
  // The group of an address in each block that holds it (an address is in one block only, so at most one).
  std::optional<Group> GroupOfAddress(const IpAddress& address) const;

 private:
  struct BlockInfo;
  ScanSpace() = default;
  std::vector<Block> blocks_;
  std::vector<BlockInfo> info_;
  uint64_t size_ = 0;
  uint64_t seed_ = 0;
};

// One group opened for walking or for reading: its addresses resolved once, so that a position costs one permutation step.
// Holds at most kMaxGroupAddresses addresses. Natural order: addresses ascending, for each its ports ascending.
class GroupView {
 public:
  GroupView(std::shared_ptr<const ScanSpace> space, const ScanSpace::Group& group);
  const ScanSpace::Group& group() const { return group_; }
  ScanSpace::Endpoint At(uint64_t index) const;             // index in group().range
  uint64_t NaturalOf(uint64_t index) const;                 // position in natural order, 0-based
  uint64_t IndexOfNatural(uint64_t natural) const;          // its inverse
  ScanSpace::Endpoint AtNatural(uint64_t natural) const;
  // Natural position of the first port of an address; nullopt when not of this group.
  std::optional<uint64_t> NaturalOfAddress(const IpAddress& address) const;

 private:
  std::shared_ptr<const ScanSpace> space_;
  ScanSpace::Group group_;
  Permutation cells_;
  std::vector<IpAddress> sorted_;       // ascending
};

// Puts target list, ports and exclusions together. Blocks are made so that each (address, port) is planned once: addresses that have
// ports of their own get the union of those and (when they are plain targets as well) `ports`.
// InvalidArgument: nothing left to probe (says what was excluded), plain targets without ports.
struct Exclusions {
  IpSet addresses;                                // on every port
  PortSet ports;                                  // on every address
  std::vector<TargetList::Endpoint> endpoints;    // just these
};
absl::StatusOr<std::vector<Block>> MakeBlocks(const TargetList& targets, const PortSet& ports, const Exclusions& exclusions);

}  // namespace portolan
