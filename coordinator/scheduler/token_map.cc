#include "coordinator/scheduler/token_map.h"

#include <algorithm>
#include <iterator>

#include "common/base/check.h"

namespace portolan {

void TokenMap::Assign(const IntervalSet& positions, Token token) {
  positions.ForEach([&](IndexRange r) {
    const bool added = pieces_.emplace(r.begin, End{r.end, token}).second;
    PORTOLAN_CHECK(added);
  });
}

std::vector<TokenMap::Piece> TokenMap::Take(const IntervalSet& positions) {
  std::vector<Piece> out;
  if (pieces_.empty()) return out;
  positions.ForEach([&](IndexRange r) { TakeRange(r, out); });
  return out;
}

void TokenMap::TakeRange(IndexRange range, std::vector<Piece>& out) {
  auto it = pieces_.upper_bound(range.begin);
  if (it != pieces_.begin() && std::prev(it)->second.end > range.begin) --it;
  while (it != pieces_.end() && it->first < range.end) {
    const uint64_t begin = it->first;
    const End piece = it->second;
    it = pieces_.erase(it);
    if (begin < range.begin) pieces_.emplace_hint(it, begin, End{range.begin, piece.token});
    if (piece.end > range.end)
      it = pieces_.emplace_hint(it, range.end, End{piece.end, piece.token});
    out.push_back({{std::max(begin, range.begin), std::min(piece.end, range.end)}, piece.token});
    if (piece.end > range.end) break;
  }
}

std::vector<TokenMap::Piece> TokenMap::ToVector() const {
  std::vector<Piece> out;
  for (const auto& [begin, piece] : pieces_) out.push_back({{begin, piece.end}, piece.token});
  return out;
}

}  // namespace portolan
