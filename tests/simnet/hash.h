#pragma once

#include <cstdint>

#include "common/net/ip_address.h"

// Chance that can be asked again: every random property of the simulated network is a hash of the
// seed and of what it is a property of.
namespace portolan::simnet {

// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection of 64 bits, each
// output bit depends on each input bit.
inline uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}
inline uint64_t Mix(uint64_t a, uint64_t b) { return Mix(Mix(a) ^ b); }

// In [0, 1), from the upper 53 bits.
inline double Unit(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1.0p-53; }

// Addresses inside the simulation are numbers: IPv6 as it is, IPv4 as ::ffff:a.b.c.d.
using Address = uint128;

inline constexpr uint128 kMappedPrefix = static_cast<uint128>(0xffff) << 32;
inline bool IsV4(Address a) { return a >> 32 == 0xffff; }
inline Address ToAddress(const IpAddress& a) {
  return a.is_v6() ? a.value() : kMappedPrefix | a.value();
}
inline IpAddress ToIpAddress(Address a) {
  return IsV4(a) ? IpAddress::V4(static_cast<uint32_t>(a)) : IpAddress::V6(a);
}
// The /24 or /64 that it lies in: what a router knows.
inline Address PrefixOf(Address a) { return IsV4(a) ? a >> 8 << 8 : a >> 64 << 64; }

inline uint64_t HashOf(Address a, uint64_t seed) {
  return Mix(Mix(seed, static_cast<uint64_t>(a >> 64)), static_cast<uint64_t>(a));
}

}  // namespace portolan::simnet
