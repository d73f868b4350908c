#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

#include "common/base/time.h"
#include "coordinator/ingest/ingest.h"

// What the coordinator makes of the times that agents report. Pure.
namespace portolan {

// The difference between two clocks that show wall time.
using ClockDifference = std::chrono::microseconds;

// A clock that is off by more than this is not believed: its times are replaced.
inline constexpr ClockDifference kMostCorrected = std::chrono::minutes(5);

// How far an agent's clock is ahead of the coordinator's, from when the agent says it sent its
// calls and when they arrived. A call never arrives before it is sent, so each measurement is too
// small by the time that the call was under way, and the largest of the last few is the closest. A
// clock that was set back is noticed after kSteadyCalls calls, one that was set forward at once.
// Not thread-safe.
class ClockSkew {
 public:
  static constexpr size_t kCalls = 8;
  static constexpr size_t kSteadyCalls = 3;
  // Calls do not differ by more than this in how long they are under way.
  static constexpr ClockDifference kStep = std::chrono::seconds(2);

  void Add(WallTime sent, WallTime received);
  // nullopt: nothing was measured yet.
  std::optional<ClockDifference> ahead() const;

 private:
  std::array<ClockDifference, kCalls> last_{};  // the latest first
  size_t size_ = 0;
};

// Corrects or replaces times that one agent has reported.
class TimeJudge {
 public:
  // `ahead`: of the agent's clock; nullopt: not known, as of an older version. `now`: when the
  // times were received.
  TimeJudge(std::optional<ClockDifference> ahead, WallTime now) : ahead_(ahead), now_(now) {}

  struct Judged {
    WallTime when;          // never before 1970, never after `now`
    bool replaced = false;  // by `now`
  };
  Judged Judge(WallTime reported) const;
  // Whether the clock is off by more than can be corrected.
  static bool IsBeyond(ClockDifference ahead);

  // All times of a batch.
  void Apply(ParsedBatch& batch) const;

 private:
  const std::optional<ClockDifference> ahead_;
  const WallTime now_;
};

}  // namespace portolan
