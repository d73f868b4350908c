#pragma once

#include <cstdint>
#include <string_view>

#include "common/scan/scan_spec.h"

namespace portolan {

// -T0 .. -T5: from the slowest and most careful to the fastest. 3 is the default: it may be pointed
// at a network with home routers and printers in it.
struct TimingTemplate {
  std::string_view name;
  double max_rate = 0;  // probes/s of the whole scan; 0: no limit
  ProbeTiming timing;
};

inline constexpr uint32_t kDefaultTemplate = 3;
inline constexpr uint32_t kTemplates = 6;
// level < kTemplates.
const TimingTemplate& TimingTemplateOf(uint32_t level);

}  // namespace portolan
