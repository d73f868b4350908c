#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace portolan {

// How positions have fared so far. All positions of one lease have the same history, so that it
// need not be kept by position.
struct History {
  uint32_t attempts = 0;             // grants that ended without a verdict
  std::vector<std::string> refused;  // agents whose own scope forbids these positions; ascending

  bool fresh() const { return attempts == 0 && refused.empty(); }
  bool RefusedBy(const std::string& agent) const {
    return std::binary_search(refused.begin(), refused.end(), agent);
  }
  History OneMoreAttempt() const { return {attempts + 1, refused}; }
  History AlsoRefusedBy(const std::string& agent) const {
    History h = *this;
    auto at = std::lower_bound(h.refused.begin(), h.refused.end(), agent);
    if (at == h.refused.end() || *at != agent) h.refused.insert(at, agent);
    return h;
  }
  friend bool operator<(const History& a, const History& b) {
    return std::tie(a.attempts, a.refused) < std::tie(b.attempts, b.refused);
  }
  friend bool operator==(const History& a, const History& b) {
    return a.attempts == b.attempts && a.refused == b.refused;
  }
};

}  // namespace portolan
