#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/check.h"

namespace portolan {

// Places for values that come and go, and names for them that are not used again: a late caller
// finds nothing instead of somebody else. A name is generation << 32 | place + 1, so never 0. Find,
// Put and Take are O(1); what Find returns is good until the next Put. Pure; not thread-safe.
template <typename T>
class Slots {
 public:
  // The name that the next Put returns.
  uint64_t NextName() const {
    const uint32_t place = free_.empty() ? static_cast<uint32_t>(slots_.size()) : free_.back();
    const uint32_t generation = free_.empty() ? 1 : slots_[place].generation + 1;
    return uint64_t{generation} << 32 | (place + 1);
  }
  uint64_t Put(T value) {
    const uint64_t name = NextName();
    const uint32_t place = Place(name);
    if (free_.empty()) {
      slots_.emplace_back();
    } else {
      free_.pop_back();
    }
    slots_[place].generation = static_cast<uint32_t>(name >> 32);
    slots_[place].used = true;
    slots_[place].value = std::move(value);
    ++size_;
    return name;
  }
  // Null: it was taken, or never put.
  T* Find(uint64_t name) {
    if (name == 0 || Place(name) >= slots_.size()) return nullptr;
    Slot& slot = slots_[Place(name)];
    return slot.used && slot.generation == name >> 32 ? &slot.value : nullptr;
  }
  // It must be there.
  T Take(uint64_t name) {
    PORTOLAN_CHECK(Find(name) != nullptr);
    Slot& slot = slots_[Place(name)];
    slot.used = false;
    free_.push_back(Place(name));
    --size_;
    return std::move(slot.value);
  }
  size_t size() const { return size_; }
  // Calls f(name, value) for each; f may take the one that it is given.
  template <typename F>
  void ForEach(F f) {
    for (uint32_t place = 0; place < slots_.size(); ++place) {
      Slot& slot = slots_[place];
      if (slot.used) f(uint64_t{slot.generation} << 32 | (place + 1), slot.value);
    }
  }

 private:
  struct Slot {
    uint32_t generation = 0;
    bool used = false;
    T value{};
  };
  static uint32_t Place(uint64_t name) { return static_cast<uint32_t>(name) - 1; }

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace portolan
