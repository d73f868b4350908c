#include "common/monitor/text_hash.h"

#include <fmt/format.h>

#include <cstdint>

namespace portolan {
namespace {

uint64_t HashOf(std::string_view text, uint64_t h) {
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    h ^= h >> 29;
  }
  h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDu;
  return h ^ (h >> 33);
}

}  // namespace

std::string TextDigest(std::string_view text) {
  return fmt::format("{:016x}{:016x}", HashOf(text, 0xCBF29CE484222325u),
                     HashOf(text, 0x9E3779B97F4A7C15u));
}

}  // namespace portolan
