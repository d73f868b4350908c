#include "agent/runner/chunk.h"

#include <algorithm>

#include "agent/pacing/host_evidence.h"
#include "common/base/check.h"
#include "common/scan/chunk_codec.h"

namespace portolan {
namespace {

// Never reported as such.
constexpr Symbol kInFlight = {State::kOwed, Reason::kNone};

}  // namespace

ChunkLimits ChunkLimits::For(const ProbeTiming& timing, Duration slot) {
  constexpr Duration kEnd = std::chrono::seconds(10);
  constexpr Duration kSpare = std::chrono::seconds(1);
  constexpr Duration kLongestPass = std::chrono::milliseconds(400);
  const Duration work = timing.timeout * (timing.retries + 1) + timing.retry_delay * timing.retries;
  // Before silence is believed, the host may be asked whether it still answers.
  const Duration asked = HostEvidence::PauseFor(timing.timeout) + timing.timeout;
  const Duration least = work + std::max(timing.timeout, 2 * slot) * timing.retries + asked;
  const Duration spare = std::max(kEnd - kFill - least, Duration::zero());
  ChunkLimits limits;
  limits.pass = std::min({timing.timeout, kLongestPass, spare / std::max(timing.retries, 1u)});
  const Duration longest = least + limits.pass * timing.retries;
  limits.close_after = std::max(kEnd, longest + kSpare);
  limits.seal_after = limits.close_after - longest;
  limits.longest = longest;
  return limits;
}

uint32_t Chunk::AddInFlight() {
  symbols_.push_back(kInFlight);
  ++in_flight_;
  return static_cast<uint32_t>(symbols_.size() - 1);
}

void Chunk::AddDecided(Symbol verdict) { symbols_.push_back(verdict); }

void Chunk::Decide(uint32_t offset, Symbol verdict) {
  Symbol& symbol = symbols_[offset];
  uint32_t& count = symbol == kInFlight ? in_flight_ : waiting_;
  PORTOLAN_CHECK(count > 0 && symbol.state == State::kOwed);
  --count;
  symbol = verdict;
}

void Chunk::Wait(uint32_t offset, Reason cause) {
  PORTOLAN_CHECK(symbols_[offset] == kInFlight);
  symbols_[offset] = {State::kOwed, cause};
  --in_flight_;
  ++waiting_;
}

void Chunk::Resume(uint32_t offset) {
  PORTOLAN_CHECK(IsWaiting(offset));
  symbols_[offset] = kInFlight;
  --waiting_;
  ++in_flight_;
}

bool Chunk::IsWaiting(uint32_t offset) const {
  const Symbol symbol = symbols_[offset];
  return symbol == Symbol{State::kOwed, Reason::kChunkClosed} ||
         symbol == Symbol{State::kOwed, Reason::kLocalFailure} ||
         symbol == Symbol{State::kOwed, Reason::kHostThrottles};
}

bool Chunk::IsFull(Time now) const {
  if (sealed_ || size() >= ChunkLimits::kMaxPositions) return true;
  if (now >= first_ + limits_.seal_after) return true;
  return size() >= ChunkLimits::kMinPositions && now >= first_ + ChunkLimits::kFill;
}

bool Chunk::IsOver(Time now) const {
  if (in_flight_ > 0) return false;
  if (now >= close_) return true;
  return sealed_ && (finishing_ || (waiting_ == 0 && expected_ == 0));
}

Time Chunk::NextChange() const {
  if (sealed_) return close_;
  if (size() >= ChunkLimits::kMinPositions)
    return std::min(first_ + ChunkLimits::kFill, first_ + limits_.seal_after);
  return first_ + limits_.seal_after;
}

ChunkReport Chunk::Report(Time now) {
  for (Symbol& symbol : symbols_) {
    if (symbol == kInFlight) symbol.reason = Reason::kChunkClosed;
  }
  ChunkReport report;
  report.token = token_;
  report.range = {begin(), end()};
  report.start = first_wall_;
  report.duration_ms =
      static_cast<uint32_t>(std::max<int64_t>(0, (now - first_) / std::chrono::milliseconds(1)));
  report.outcomes = EncodeOutcomes(symbols_);
  report.extra = extra_;
  return report;
}

}  // namespace portolan
