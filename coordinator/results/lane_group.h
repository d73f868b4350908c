#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/scan/scan_space.h"
#include "coordinator/store/store.h"

namespace portolan {

// The outcomes of one group of a lane, decoded: one byte a position. Immutable.
class LaneGroup {
 public:
  // DataLoss or InvalidArgument: what is stored is damaged.
  static absl::StatusOr<std::shared_ptr<const LaneGroup>> Make(IndexRange range,
                                                               const Store::GroupOutcomes& outcomes,
                                                               const std::vector<Gap>& gaps);

  // Whether outcomes are kept by natural position; else by scan position.
  bool natural() const { return natural_; }
  // Not known yet: State::kOwed. `index` is only looked at when not natural().
  Symbol At(uint64_t natural, uint64_t index) const {
    return codes_.empty() ? table_.front()
                          : table_[codes_[natural_ ? natural : index - range_.begin]];
  }
  // Whether it holds any outcome of these states (a bit each, by number).
  bool HasAny(uint32_t state_bits) const { return (states_ & state_bits) != 0; }

  struct Seen {
    std::string agent, vantage;
    WallTime start;
    bool time_of_receipt = false;  // `start` is when the coordinator received it
  };
  // Who saw the position; nullptr: not known, or nobody.
  const Seen* SeenBy(uint64_t index) const;
  size_t bytes() const { return bytes_; }

 private:
  absl::Status TakeChunks(const std::vector<StoredChunk>& chunks);
  void TakeGaps(const std::vector<Gap>& gaps);
  void AddSeen(std::vector<IndexRange> positions, Seen seen);
  uint8_t CodeOf(Symbol s);

  IndexRange range_;
  bool natural_ = false;
  std::vector<Symbol> table_;   // [0] is "not known" while codes are by scan position
  std::vector<uint8_t> codes_;  // empty: all are table_[0]
  uint32_t states_ = 0;
  std::vector<Seen> seen_;
  std::vector<std::pair<IndexRange, uint32_t>> seen_by_;  // sorted; index into seen_
  size_t bytes_ = 0;
};

// Groups that were read lately, so that the next page of a large group does not decode it again.
// Thread-safe.
class LaneGroupCache {
 public:
  LaneGroupCache(Store& store, size_t max_bytes) : store_(store), max_bytes_(max_bytes) {}
  // nullptr: nothing of it is stored.
  absl::StatusOr<std::shared_ptr<const LaneGroup>> Get(LaneId lane, IndexRange range);

 private:
  struct Key {
    uint64_t lane, begin;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    Key key;
    uint64_t version, gaps;  // of what it was made from: another one makes it stale
    std::shared_ptr<const LaneGroup> group;
  };
  std::shared_ptr<const LaneGroup> Find(Key key, uint64_t version, uint64_t gaps);
  void Put(Entry entry);

  Store& store_;
  const size_t max_bytes_;
  Mutex mutex_;
  std::list<Entry> entries_ GUARDED_BY(mutex_);  // the latest used first
  std::map<Key, std::list<Entry>::iterator> by_key_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace portolan
