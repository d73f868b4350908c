#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "agent/runner/types.h"

namespace portolan {

// When a chunk stops taking in positions and when it ends, counted from its first probe. Follows
// from how long a position may take at the longest: all tries time out, with the delays between
// them, and each retry waits one timeout for a free place in the window, or two slots of its target
// where those are longer (a slot: from one attempt there to the next), and then the host is asked
// whether it still answers (agent/pacing/host_evidence.h). A chunk ends after 10 s,
// or after that longest time and 1 s where this is more; it takes in positions only so long that
// the longest time still fits. So nothing is owed by design. Where that leaves more time than two
// seconds of positions need, retries that are due let first tries pass. Where the limits on a
// target go down meanwhile (another agent has joined, or losses were proven), its positions wait
// for longer: each time that one is held up, the chunk gets the longest time once more, up to
// kExtended times its own. What is owed loses the tries that it has had, and is sent all of them
// again.
struct ChunkLimits {
  static constexpr uint32_t kMinPositions = 64;
  static constexpr uint32_t kMaxPositions = 65'536;
  static constexpr Duration kFill = std::chrono::seconds(2);  // once kMinPositions are in

  static constexpr int kExtended = 3;

  Duration seal_after{};
  Duration close_after{};
  Duration longest{};  // of one position
  // How long a retry that is due lets first tries pass, where free places in the window are what
  // the scan waits for: so there are tries to make at its end while the last ones wait.
  Duration pass{};
  static ChunkLimits For(const ProbeTiming& timing, Duration slot = Duration::zero());
};

// The outcomes of a run of positions while they are being collected. A position is in flight, or
// waits for its next attempt, or has a verdict. `symbols_` always holds what would be reported if
// the chunk ended now. Pure; not thread-safe.
class Chunk {
 public:
  Chunk(Token token, uint64_t begin, Time now, WallTime wall, ChunkLimits limits)
      : token_(token),
        begin_(begin),
        first_(now),
        first_wall_(wall),
        limits_(limits),
        close_(now + limits.close_after) {}

  // Takes in the next position and returns its offset.
  uint32_t AddInFlight();
  void AddDecided(Symbol verdict);
  // A position in flight or waiting gets its verdict (which may be an `owed` one).
  void Decide(uint32_t offset, Symbol verdict);
  // A position in flight waits for its next attempt; `cause` is reported when there is none.
  void Wait(uint32_t offset, Reason cause);
  // A waiting position is in flight again.
  void Resume(uint32_t offset);
  bool IsWaiting(uint32_t offset) const;

  // A question is asked whose answer is to be reported before the chunk: it does not end by itself
  // until that is Met. It ends with its time all the same.
  void Expect() { ++expected_; }
  void Met() { --expected_; }
  // A probe was sent for it beyond the plan.
  void AddExtra() { ++extra_; }

  // One of its positions is due and its target's limits do not let it start.
  void HoldUp(Time now) {
    close_ = std::max(close_, std::min(now + limits_.longest,
                                       first_ + ChunkLimits::kExtended * limits_.close_after));
  }

  // Takes in nothing more.
  void Seal() { sealed_ = true; }
  // Seals it and lets waiting positions wait no longer: it ends when nothing is in flight.
  void Finish() { sealed_ = finishing_ = true; }
  // Whether it should take in nothing more from now on.
  bool IsFull(Time now) const;
  // Whether it should be given to the sink. What is in flight is waited for also past the end: no
  // attempt is started that would end later, so only a thread that was held up gets there, and then
  // the answers are there as well.
  bool IsOver(Time now) const;
  // When IsFull or IsOver may become true by time alone.
  Time NextChange() const;
  // Whether an attempt that may take `timeout` still fits.
  bool Fits(Time now, Duration timeout) const { return now + timeout <= close_; }

  Token token() const { return token_; }
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return begin_ + symbols_.size(); }
  uint32_t size() const { return static_cast<uint32_t>(symbols_.size()); }
  bool sealed() const { return sealed_; }
  bool finishing() const { return finishing_; }
  const std::vector<Symbol>& symbols() const { return symbols_; }
  // What the sink gets. Ends the chunk.
  ChunkReport Report(Time now);

 private:
  const Token token_;
  const uint64_t begin_;
  const Time first_;
  const WallTime first_wall_;
  const ChunkLimits limits_;
  Time close_;  // it ends
  std::vector<Symbol> symbols_;
  uint32_t in_flight_ = 0;
  uint32_t waiting_ = 0;
  uint32_t expected_ = 0;
  uint32_t extra_ = 0;
  bool sealed_ = false;
  bool finishing_ = false;
};

}  // namespace portolan
