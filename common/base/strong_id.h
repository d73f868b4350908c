#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace portolan {

// A number that cannot be mistaken for another kind of number: StrongId<struct LaneTag>. Zero is
// "none".
template <typename Tag>
struct StrongId {
  uint64_t value = 0;
  explicit operator bool() const { return value != 0; }
  friend auto operator<=>(const StrongId&, const StrongId&) = default;
};

// A scan's copy of the index space for one vantage. Unique over all scans of a coordinator's data
// directory.
using LaneId = StrongId<struct LaneIdTag>;
// A lease and its fencing token in one: strictly increasing over the life of the data directory, so
// a larger one is newer.
using Token = StrongId<struct TokenTag>;

}  // namespace portolan

template <typename Tag>
struct std::hash<portolan::StrongId<Tag>> {
  size_t operator()(const portolan::StrongId<Tag>& id) const noexcept {
    return std::hash<uint64_t>()(id.value);
  }
};
