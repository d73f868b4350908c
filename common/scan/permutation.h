#pragma once

#include <cstdint>

namespace portolan {

// SplitMix64's output function over `seed` and `salt`: derives independent seeds from one (Steele,
// Lea, Flood, 2014).
//   x = seed + (salt + 1) * 0x9E3779B97F4A7C15
//   x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
//   x = (x ^ (x >> 27)) * 0x94D049BB133111EB
//   return x ^ (x >> 31)            all modulo 2^64
uint64_t MixSeed(uint64_t seed, uint64_t salt);

// A keyed bijection of [0, size): a balanced 6-round Feistel network over the next even number of
// bits, cycle-walked back into the domain (Black and Rogaway, "Ciphers with Arbitrary Finite
// Domains", 2002). Golden vectors in the tests hold it still, because stored scans and agents of
// other versions depend on it. Not cryptography: the seed only spreads the load. Value type,
// thread-safe.
//
// Version 1, exactly. All arithmetic is on unsigned 64-bit numbers, modulo 2^64.
//   h    = max(1, ceil(bits(size - 1) / 2))   bits(x): how many bits x has; bits(0) = 0
//   m    = 2^h - 1
//   k[r] = MixSeed(seed, r)                   r = 0 .. 5
//   f(x, k): x = (x ^ k) * 0x9E3779B97F4A7C15
//            x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93
//            return (x >> 32) & m
//   step(v): left = v >> h; right = v & m
//            for r = 0 .. 5: (left, right) = (right, left ^ f(right, k[r]))
//            return left << h | right
//   Forward(p): v = step(p); while v >= size: v = step(v); return v
//   Inverse is the same with the rounds undone in reverse order.
// The network's domain is less than 4 * size (for size > 1), so fewer than four steps are expected;
// many sizes that matter are a power of 4, or little less, and take one.
class Permutation {
 public:
  static constexpr uint32_t kVersion = 1;
  Permutation() : Permutation(1, 0) {}
  // size >= 1.
  Permutation(uint64_t size, uint64_t seed);
  uint64_t size() const { return size_; }
  uint64_t Forward(uint64_t position) const;  // position < size
  uint64_t Inverse(uint64_t value) const;     // value < size

 private:
  static constexpr int kRounds = 6;
  uint64_t Round(uint64_t half, int round) const;

  uint64_t size_;
  uint64_t half_mask_;
  int half_bits_;
  uint64_t keys_[kRounds];
};

}  // namespace portolan
