#pragma once

#include <algorithm>
#include <deque>
#include <iterator>
#include <vector>

#include "agent/engine/judgement.h"
#include "agent/engine/probe_engine.h"

namespace portolan {

// Limits of a Poll, the same for every engine.
inline constexpr Duration kLongestPoll = std::chrono::hours(1);
inline constexpr int kMostStill = 2;  // waits in which the clock stood still; then Poll returns

// The attempts of an engine that ended and that its caller has not been told yet, and what they
// count for. Not thread-safe.
class Ended {
 public:
  // `took`: from connect() to the answer.
  void Add(uint64_t cookie, const Judgement& judgement, Duration took) {
    ProbeOutcome outcome;
    outcome.cookie = cookie;
    outcome.state = judgement.symbol.state;
    outcome.reason = judgement.symbol.reason;
    outcome.local_errno = judgement.local_errno;
    outcome.after = judgement.after_open;
    outcome.source = judgement.source;
    if (outcome.reason == Reason::kLocalFailure) {
      ++counters_.local[LocalFailureIndex(outcome.local_errno)];
    } else if (outcome.reason != Reason::kNoResponse && outcome.reason != Reason::kChunkClosed) {
      outcome.rtt = std::max(took, Duration::zero());
    }
    if (outcome.reason == Reason::kSelfConnect) ++counters_.self_connects;
    outcomes_.push_back(outcome);
  }
  // An attempt for which no packet was sent.
  void AddFailed(uint64_t cookie, int error) {
    Judgement judgement;
    judgement.local_errno = error;
    Add(cookie, judgement, {});
  }
  void AddTooLate(uint64_t cookie) {
    Judgement judgement;
    judgement.symbol = {State::kOwed, Reason::kChunkClosed};
    Add(cookie, judgement, {});
  }
  void MoveTo(std::vector<ProbeOutcome>& out) {
    out.insert(out.end(), outcomes_.begin(), outcomes_.end());
    outcomes_.clear();
  }
  void Forget() { outcomes_.clear(); }
  void CountStart() { ++counters_.started; }

  bool empty() const { return outcomes_.empty(); }
  uint32_t size() const { return static_cast<uint32_t>(outcomes_.size()); }
  const ProbeEngine::Counters& counters() const { return counters_; }

 private:
  std::deque<ProbeOutcome> outcomes_;
  ProbeEngine::Counters counters_;
};

}  // namespace portolan
