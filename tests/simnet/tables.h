#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/simnet/hash.h"

// The simulation's memory of what it saw: bounded hash tables, which grow to their bound and then
// say so.
namespace portolan::simnet {

// Entries by address, each with an index that never changes. Entry has a member `Address address`.
template <typename Entry>
class AddressTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  explicit AddressTable(uint32_t most) : most_(most), slots_(1024, kNone) {}

  // Makes the entry where there is none; kNone: the table is full.
  uint32_t IndexOf(Address address) {
    uint64_t at = HashOf(address, 0) & (slots_.size() - 1);
    for (; slots_[at] != kNone; at = (at + 1) & (slots_.size() - 1)) {
      if (entries_[slots_[at]].address == address) return slots_[at];
    }
    if (entries_.size() >= most_) return kNone;
    slots_[at] = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back().address = address;
    const uint32_t index = slots_[at];
    if (entries_.size() * 2 > slots_.size()) Grow();
    return index;
  }
  Entry& operator[](uint32_t index) { return entries_[index]; }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void Grow() {
    slots_.assign(slots_.size() * 4, kNone);
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      uint64_t at = HashOf(entries_[i].address, 0) & (slots_.size() - 1);
      while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = i;
    }
  }
  const uint32_t most_;
  std::vector<uint32_t> slots_;  // a power of two of them, at most half used
  std::vector<Entry> entries_;
};

// A set of 48-bit fingerprints, each with 16 bits. Two keys of a million look the same with
// probability 0.002.
class FingerprintSet {
 public:
  explicit FingerprintSet(uint64_t most) : most_(most), slots_(4096) {}

  enum class Result { kNew, kKnown, kFull };
  struct Inserted {
    Result result;
    uint16_t previous;  // the value before, of kKnown
  };
  // Adds the key or finds it; sets its value.
  Inserted Insert(uint64_t key, uint16_t value) {
    const uint64_t entry = Stored(key);
    uint64_t at = Home(entry);
    for (; slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
      if ((slots_[at] & ~kValue) != entry) continue;
      const uint16_t previous = static_cast<uint16_t>(slots_[at] & kValue);
      slots_[at] = entry | value;
      return {Result::kKnown, previous};
    }
    if (size_ >= most_) return {Result::kFull, 0};
    slots_[at] = entry | value;
    if (++size_ * 2 > slots_.size()) Grow();
    return {Result::kNew, 0};
  }
  bool Erase(uint64_t key) {
    const uint64_t entry = Stored(key), mask = slots_.size() - 1;
    uint64_t at = Home(entry);
    while (slots_[at] != 0 && (slots_[at] & ~kValue) != entry) at = (at + 1) & mask;
    if (slots_[at] == 0) return false;
    // Moves later ones of the run back, so that no look-up ends too early.
    for (uint64_t next = (at + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
      if (((next - Home(slots_[next])) & mask) < ((next - at) & mask)) continue;
      slots_[at] = slots_[next];
      at = next;
    }
    slots_[at] = 0;
    --size_;
    return true;
  }
  uint64_t size() const { return size_; }

 private:
  static constexpr uint64_t kValue = 0xffff;
  static uint64_t Stored(uint64_t key) { return std::max((Mix(key) & ~kValue), kValue + 1); }
  uint64_t Home(uint64_t entry) const { return (entry >> 16) & (slots_.size() - 1); }
  void Grow() {
    std::vector<uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    for (uint64_t entry : old) {
      if (entry == 0) continue;
      uint64_t at = Home(entry);
      while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = entry;
    }
  }
  const uint64_t most_;
  uint64_t size_ = 0;
  std::vector<uint64_t> slots_;  // a power of two of them, at most half used; 0: none
};

// Counts events in a sliding window of N ticks, and remembers the most that were ever in one.
template <int N>
class WindowMax {
 public:
  // `tick` does not go backwards.
  void Add(uint64_t tick) {
    for (uint64_t gone = std::min<uint64_t>(tick - tick_, N); gone > 0; --gone) {
      uint32_t& oldest = counts_[(tick_ + gone) % N];
      sum_ -= oldest;
      oldest = 0;
    }
    tick_ = tick;
    ++counts_[tick % N];
    max_ = std::max(max_, ++sum_);
  }
  uint32_t max() const { return max_; }

 private:
  uint64_t tick_ = 0;
  uint32_t counts_[N] = {};
  uint32_t sum_ = 0, max_ = 0;
};

}  // namespace portolan::simnet
