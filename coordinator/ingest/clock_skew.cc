#include "coordinator/ingest/clock_skew.h"

#include <algorithm>

namespace portolan {
namespace {

// A time that comes out this little after `now` is as old as the error of the measurement.
constexpr ClockDifference kError = std::chrono::seconds(1);
// No agent waits longer for a host that fell silent.
constexpr ClockDifference kLongestSilence = std::chrono::days(7);
// Years 1 to 9999: whatever an agent says is brought into this range, so that no sum overflows.
constexpr int64_t kFirstMicros = int64_t{-62'135'596'800} * 1'000'000;
constexpr int64_t kLastMicros = int64_t{253'402'300'799} * 1'000'000;

WallTime Clamped(WallTime t) {
  return FromUnixMicros(std::clamp(ToUnixMicros(t), kFirstMicros, kLastMicros));
}

}  // namespace

void ClockSkew::Add(WallTime sent, WallTime received) {
  const ClockDifference ahead = Clamped(sent) - Clamped(received);
  std::copy_backward(last_.begin(), last_.end() - 1, last_.end());
  last_[0] = ahead;
  size_ = std::min(size_ + 1, kCalls);
  if (size_ <= kSteadyCalls) return;
  const auto steady = last_.begin() + kSteadyCalls;
  const auto end = last_.begin() + static_cast<ptrdiff_t>(size_);
  // Older measurements are of another setting of the clock.
  if (*std::max_element(steady, end) - *std::max_element(last_.begin(), steady) > kStep)
    size_ = kSteadyCalls;
}

std::optional<ClockDifference> ClockSkew::ahead() const {
  if (size_ == 0) return std::nullopt;
  return *std::max_element(last_.begin(), last_.begin() + static_cast<ptrdiff_t>(size_));
}

bool TimeJudge::IsBeyond(ClockDifference ahead) {
  return ahead >= kMostCorrected || ahead <= -kMostCorrected;
}

TimeJudge::Judged TimeJudge::Judge(WallTime reported) const {
  const Judged replaced{now_, true};
  if (ToUnixMicros(reported) < 0 || (ahead_.has_value() && IsBeyond(*ahead_))) return replaced;
  const WallTime when = Clamped(reported) - ahead_.value_or(ClockDifference::zero());
  if (when > now_ + kError || ToUnixMicros(when) < 0) return replaced;
  return {std::min(when, now_), false};
}

void TimeJudge::Apply(ParsedBatch& batch) const {
  for (ParsedChunk& chunk : batch.chunks) {
    const Judged judged = Judge(chunk.start);
    chunk.start = judged.when;
    chunk.time_of_receipt = judged.replaced;
  }
  for (ParsedOpen& open : batch.opens) {
    const Judged judged = Judge(open.row.when);
    open.row.when = judged.when;
    open.time_of_receipt = judged.replaced;
  }
  for (ParsedFinding& f : batch.findings) {
    HostFinding& finding = f.finding;
    // How long the host has been silent is known whatever the clock shows.
    const ClockDifference silent = std::clamp<ClockDifference>(
        Clamped(finding.when) - Clamped(finding.since), ClockDifference::zero(), kLongestSilence);
    const bool has_since = finding.since != WallTime();
    const Judged judged = Judge(finding.when);
    finding.when = judged.when;
    f.time_of_receipt = judged.replaced;
    if (has_since) finding.since = std::max(finding.when - silent, FromUnixMicros(1));
  }
}

}  // namespace portolan
