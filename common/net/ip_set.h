#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_address.h"

namespace portolan {

// Addresses first..last, both included, of one family.
struct IpRange {
  IpAddress first;
  IpAddress last;
  uint128 size() const { return last.value() - first.value() + 1; }  // 0 for all of IPv6
  // "10.0.0.0/8" where it is a prefix, "10.0.0.1" where it is one address, else
  // "10.0.0.1-10.0.0.9".
  std::string ToString() const;
  friend bool operator==(const IpRange&, const IpRange&) = default;
};

// InvalidArgument: not ADDRESS/LENGTH, length out of range, or host bits set ("10.0.0.1/24":
// write 10.0.0.0/24) when `strict_host_bits`; otherwise they are cleared, as scanners' users expect
// of targets.
absl::StatusOr<IpRange> ParseCidr(std::string_view text, bool strict_host_bits = false);

// An immutable set of addresses, as sorted disjoint ranges with prefix counts. Rank and Select are
// O(log ranges).
class IpSet {
 public:
  IpSet() = default;
  // Merges and sorts. CHECKs that each range is of one family and not reversed.
  static IpSet Of(std::vector<IpRange> ranges);

  bool empty() const { return ranges_.empty(); }
  uint128 size() const { return counts_.empty() ? 0 : counts_.back(); }  // saturates at 2^127
  const std::vector<IpRange>& ranges() const { return ranges_; }
  bool Contains(const IpAddress& a) const;
  bool Intersects(const IpRange& r) const;

  // The i-th address in ascending order, i < size().
  IpAddress Select(uint128 i) const;
  // The position of an address; nullopt when not in the set.
  std::optional<uint128> Rank(const IpAddress& a) const;

  IpSet Union(const IpSet& other) const;
  IpSet Minus(const IpSet& other) const;
  IpSet Intersection(const IpSet& other) const;

  std::string ToString() const;  // "10.0.0.0/8,2001:db8::/64"
  friend bool operator==(const IpSet& a, const IpSet& b) { return a.ranges_ == b.ranges_; }

 private:
  std::vector<IpRange> ranges_;
  std::vector<uint128> counts_;  // counts_[i]: addresses in ranges_[0..i]
};

}  // namespace portolan
