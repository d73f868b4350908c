#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"

namespace portolan {

// What a scan's progress line says.
struct Progress {
  std::string scan_id;
  std::string state;  // shown unless "running"
  uint64_t planned = 0, done = 0, open = 0;
  double rate = 0;  // probes/s
  uint32_t agents = 0;
  double eta_s = 0;  // 0: not known
  std::string status_message;
};

// "abc  45.2%  12,345/s  17 open  3 agents  ETA 1m05s  no agent of vantage dmz", cut to `columns`.
std::string ProgressLine(const Progress& progress, size_t columns);
// Percent of the positions that have an outcome, rounded down so that 100 means all: "45.2%".
std::string Percent(uint64_t done, uint64_t planned);

// Says when the line may be drawn again: at most 4 times a second.
class DrawLimit {
 public:
  bool Due(Time now) {
    if (drawn_ && now - last_ < std::chrono::milliseconds(250)) return false;
    drawn_ = true;
    last_ = now;
    return true;
  }

 private:
  bool drawn_ = false;
  Time last_;
};

}  // namespace portolan
