#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace portolan {

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;  // included
  friend bool operator==(const PortRange&, const PortRange&) = default;
  friend auto operator<=>(const PortRange&, const PortRange&) = default;
};

// An immutable set of TCP ports 0-65535, as sorted disjoint non-adjacent ranges with prefix counts.
class PortSet {
 public:
  PortSet() = default;
  static PortSet Of(std::vector<PortRange> ranges);

  bool empty() const { return ranges_.empty(); }
  uint32_t size() const { return counts_.empty() ? 0 : counts_.back(); }
  const std::vector<PortRange>& ranges() const { return ranges_; }
  bool Contains(uint16_t port) const;
  uint16_t Select(uint32_t i) const;  // i-th port ascending, i < size()
  std::optional<uint32_t> Rank(uint16_t port) const;
  PortSet Union(const PortSet& other) const;
  PortSet Minus(const PortSet& other) const;
  PortSet Intersection(const PortSet& other) const;
  std::string ToString() const;  // "22,80,8000-8100"

  friend bool operator==(const PortSet&, const PortSet&) = default;
  friend auto operator<=>(const PortSet& a, const PortSet& b) { return a.ranges_ <=> b.ranges_; }

 private:
  std::vector<PortRange> ranges_;
  std::vector<uint32_t> counts_;
};

// Parses a -p expression: comma-separated items, each
//   22 | 8000-8100 | - (1-65535) | 1- | -100
//   a service name or wildcard of the catalogue (ssh, http*)
//   well-known (1-1023) | registered (1024-49151) | dynamic (49152-65535)
//   top-N (the N best ranked of the catalogue)
// Port 0 only when written as a number. InvalidArgument names the item and the remedy.
absl::StatusOr<PortSet> ParsePorts(std::string_view text);

// The `n` best ranked ports of the catalogue. InvalidArgument when n is 0 or above the catalogue's
// size.
absl::StatusOr<PortSet> TopPorts(int n);

}  // namespace portolan
