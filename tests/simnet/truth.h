#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "tests/simnet/world.h"

namespace portolan::simnet {

// 10 million pairs are the most that are listed.
inline constexpr uint64_t kMostTruths = 10'000'000;

struct TruthFormat {
  bool csv = false;
  bool count = false;       // one line with how many there are of each state, instead of the pairs
  std::string only_states;  // "open,closed"; empty: all
};

// The truth about each address and port, in ascending order, given to `write` piece by piece: lines
// as {"ip":"198.19.0.1","port":80, "state":"open","reason":"syn-ack","behaviour":"plain"}, or the
// same fields as CSV.
absl::Status WriteTruth(const World& world, const IpSet& addresses, const PortSet& ports,
                        const TruthFormat& format, void (*write)(std::string_view));

}  // namespace portolan::simnet
