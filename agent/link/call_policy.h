#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "absl/status/status.h"
#include "common/base/time.h"

namespace portolan {

// When to call which coordinator. Coordinators are tried in turn; one that answers is kept.
// Failures are followed by a pause of 100 ms, doubled after each round over all coordinators up to
// 5 s, each cut by a random half, so that a fleet does not come back as one. Pure; not thread-safe.
class CallPolicy {
 public:
  static constexpr Duration kFirstPause = std::chrono::milliseconds(100);
  static constexpr Duration kLongestPause = std::chrono::seconds(5);
  // PERMISSION_DENIED or UNAUTHENTICATED so many times in a row
  static constexpr int kRefusalsAreFatal = 3;
  static constexpr double kCallsPerSecond = 10;
  static constexpr double kCallBurst = 5;

  // `coordinators` >= 1.
  CallPolicy(size_t coordinators, uint64_t seed);

  size_t coordinator() const { return current_; }
  // No call earlier than this.
  Time NextCallAt(Time now) const;
  void OnCall(Time now);
  void OnAnswer(Time now);
  // The coordinator is there, and wants the next call no earlier than `wait` from now.
  void OnWait(Duration wait, Time now);
  // OK: to be tried again (NextCallAt). Else the agent must stop, for the reason given.
  absl::Status OnFailure(const absl::Status& error, Time now);
  // Failed calls since the last answer.
  int failures() const { return failures_; }

 private:
  size_t coordinators_;
  std::mt19937_64 random_;
  size_t current_ = 0;
  int failures_ = 0;
  int refusals_ = 0;
  Time not_before_ = Time::min();
  double tokens_ = kCallBurst;
  std::optional<Time> refilled_;
};

}  // namespace portolan
