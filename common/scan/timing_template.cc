#include "common/scan/timing_template.h"

#include <array>

#include "common/base/check.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;

TimingTemplate Make(std::string_view name, double max_rate, ProbeTiming timing) {
  return {name, max_rate, timing};
}

// timeout and at least (ms), retries, delay (ms); an address's rate and in flight, a prefix's rate,
// growth.
ProbeTiming Timing(int most, int least, uint32_t retries, int delay, double address_rate,
                   uint32_t in_flight, double prefix_rate, uint32_t growth) {
  return {milliseconds(most), retries,   milliseconds(delay), milliseconds(least),
          address_rate,       in_flight, prefix_rate,         growth};
}

}  // namespace

const TimingTemplate& TimingTemplateOf(uint32_t level) {
  static const std::array<TimingTemplate, kTemplates> kAll = {
      Make("paranoid", 1, Timing(5000, 5000, 2, 5000, 0.1, 1, 1, 1)),
      Make("sneaky", 15, Timing(4000, 4000, 2, 3000, 1, 1, 10, 1)),
      Make("polite", 400, Timing(3000, 1000, 2, 2000, 10, 4, 100, 4)),
      Make("normal", 0, Timing(1500, 300, 1, 1000, 100, 32, 1000, 200)),
      Make("aggressive", 0, Timing(1000, 200, 1, 500, 1000, 256, 10'000, 50)),
      Make("insane", 0, Timing(400, 100, 1, 150, 20'000, 16'384, 0, 50)),
  };
  PORTOLAN_CHECK(level < kTemplates);
  return kAll[level];
}

}  // namespace portolan
