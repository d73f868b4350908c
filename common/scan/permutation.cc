#include "common/scan/permutation.h"

#include <algorithm>
#include <bit>

#include "common/base/check.h"

namespace portolan {

uint64_t MixSeed(uint64_t seed, uint64_t salt) {
  uint64_t x = seed + (salt + 1) * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

Permutation::Permutation(uint64_t size, uint64_t seed) : size_(size) {
  PORTOLAN_CHECK(size >= 1);
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2);
  half_mask_ = (uint64_t{1} << half_bits_) - 1;
  for (int r = 0; r < kRounds; ++r) keys_[r] = MixSeed(seed, static_cast<uint64_t>(r));
}

inline uint64_t Permutation::Round(uint64_t half, int round) const {
  uint64_t x = (half ^ keys_[round]) * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
  return (x >> 32) & half_mask_;  // the high bits depend on all of the half and the key
}

uint64_t Permutation::Forward(uint64_t position) const {
  uint64_t v = position;
  do {
    uint64_t left = v >> half_bits_;
    uint64_t right = v & half_mask_;
    for (int r = 0; r < kRounds; ++r) {
      const uint64_t next = left ^ Round(right, r);
      left = right;
      right = next;
    }
    v = left << half_bits_ | right;
  } while (v >= size_);  // ends: the walk stays on the cycle of `position`, which is below size_
  return v;
}

uint64_t Permutation::Inverse(uint64_t value) const {
  uint64_t v = value;
  do {
    uint64_t left = v >> half_bits_;
    uint64_t right = v & half_mask_;
    for (int r = kRounds - 1; r >= 0; --r) {
      const uint64_t before = right ^ Round(left, r);
      right = left;
      left = before;
    }
    v = left << half_bits_ | right;
  } while (v >= size_);
  return v;
}

}  // namespace portolan
