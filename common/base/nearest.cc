#include "common/base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>

namespace portolan {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Letters to insert, remove, change or swap with the next.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> older(b.size() + 1), old(b.size() + 1), row(b.size() + 1);
  std::iota(old.begin(), old.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({old[j] + 1, row[j - 1] + 1, old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], older[j - 2] + 1);
    }
    older.swap(old);
    old.swap(row);
  }
  return old[b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view text, const std::vector<std::string_view>& known) {
  if (text.empty() || text.size() > 60) return "";
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, text.size() / 3) + 1;
  const std::string lower = Lower(text);
  for (const std::string_view k : known) {
    const std::string other = Lower(k);
    size_t distance = Distance(lower, other);
    // port for ports, time_zone for timeZone, database-ports for database
    if (lower.size() >= 3 && (other.starts_with(lower) || lower.starts_with(other)))
      distance = std::min<size_t>(distance, 2);
    if (distance < best_distance) {
      best = k;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace portolan
