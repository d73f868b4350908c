#pragma once

#include <cstdint>

namespace portolan {

// A keyed bijection of [0, size): a balanced 6-round Feistel network over the next even number of bits, cycle-walked back into
// the domain (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Version 1; golden vectors in the tests hold it
// still, because stored scans depend on it. Not cryptography: the seed only spreads the load. Value type, thread-safe.
class Permutation {
 public:
  static constexpr uint32_t kVersion = 1;
  Permutation() = default;
  // size >= 1.
  Permutation(uint64_t size, uint64_t seed);
  uint64_t size() const { return size_; }
  uint64_t Forward(uint64_t position) const;  // position < size
  uint64_t Inverse(uint64_t value) const;     // value < size

 private:
  static constexpr int kRounds = 6;
  uint64_t size_ = 1;
  uint64_t half_mask_ = 0;
  int half_bits_ = 0;
  uint64_t keys_[kRounds] = {};
};

}  // namespace portolan
