#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "common/base/interval_set.h"
#include "common/base/strong_id.h"

namespace portolan {

// Which token owns a position: disjoint intervals, each with one token. Not thread-safe.
class TokenMap {
 public:
  struct Piece {
    IndexRange range;
    Token token;
  };
  // No position of `positions` may have an owner.
  void Assign(const IntervalSet& positions, Token token);
  // Takes the owner off; returns the pieces that had one, ascending.
  std::vector<Piece> Take(const IntervalSet& positions);
  std::vector<Piece> ToVector() const;
  bool empty() const { return pieces_.empty(); }
  void Clear() { pieces_.clear(); }

 private:
  void TakeRange(IndexRange range, std::vector<Piece>& out);

  struct End {
    uint64_t end;
    Token token;
  };
  std::map<uint64_t, End> pieces_;  // by begin
};

}  // namespace portolan
