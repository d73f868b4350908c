#include "common/base/counted.h"

#include <fmt/format.h>

namespace portolan {

std::string Grouped(uint64_t n) {
  std::string text = std::to_string(n);
  for (size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string Counted(uint64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", Grouped(n), n == 1 ? one : many);
}

}  // namespace portolan
