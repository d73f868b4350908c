#pragma once

#include <cstddef>
#include <vector>

#include "common/net/ip_set.h"
#include "common/scan/scan_space.h"

namespace portolan {

// Which /24 and /64 a scan probes, so that two scans can be asked whether they have targets, or
// limits on prefixes, in common. At most kMaxRanges ranges however large the scan: neighbouring
// prefixes are taken together until they are few enough, so Intersects may say yes too often and
// never no. Without loopback, which has no limits. Immutable.
class Footprint {
 public:
  static constexpr size_t kMaxRanges = 1024;

  Footprint() = default;                        // of nothing
  static Footprint Of(const ScanSpace& space);  // O(its ranges)

  bool empty() const { return ranges_.empty(); }
  bool Intersects(const Footprint& other) const;  // O(ranges of both); mostly O(1)
  const std::vector<IpRange>& ranges() const { return ranges_; }

 private:
  std::vector<IpRange> ranges_;  // ascending, disjoint
};

}  // namespace portolan
