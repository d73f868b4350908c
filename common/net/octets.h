#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/net/ip_set.h"
#include "common/net/literal.h"

namespace portolan {

// An nmap-style octet expression: for each octet a list of values and
// ranges: 10.0.0-5.1,3-4   10.0.*.1   10.-.0.250- Value type.
class OctetExpression {
 public:
  // Empty text when accepted. "*" and "-" are 0-255; "-5" is 0-5; "250-" is 250-255.
  static literal::Problem Parse(std::string_view text, OctetExpression* out);

  // How many ranges AppendTo adds: at most 2^24 * 128. Known before anything is made, because eight
  // characters (*.*.*.1) are 16 million ranges.
  uint64_t range_count() const;
  void AppendTo(std::vector<IpRange>* out) const;

 private:
  struct Span {
    uint8_t first, last;
  };
  size_t LastPartial() const;                // the last octet that is not 0-255, or 0
  std::array<std::vector<Span>, 4> octets_;  // each sorted, disjoint, not adjacent
};

}  // namespace portolan
