#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/net/list_text.h"
#include "common/net/name_lookup.h"

namespace portolan {

// One entry of a list of targets that cannot be used.
struct TargetProblem {
  size_t expression = 0;  // index of the expression that holds it
  bool exclude = false;   // it stands among the exclusions of a request
  // In the expression: of the character that is refused, else of the entry.
  TextPlace place;
  bool at_character = false;
  std::string entry;    // as written; printable, at most some 80 characters
  std::string problem;  // with the remedy
  // Why a valid name has no address; absent: the entry is not valid.
  std::optional<LookupProblem> lookup;
};

// What is wrong with the targets of a request: the first 100 in the order of the request, and how
// many there are. Value type.
class TargetProblems {
 public:
  static constexpr size_t kMaxKept = 100;

  bool empty() const { return total_ == 0; }
  uint64_t total() const { return total_; }
  const std::vector<TargetProblem>& first() const { return first_; }
  bool full() const { return first_.size() >= kMaxKept; }
  // True when every name is perhaps fine, because it could not be asked about.
  bool only_could_not_ask() const { return !empty() && could_not_ask_ == total_; }

  void Add(TargetProblem problem);
  // Counts one that would not be kept.
  void AddUnkept(std::optional<LookupProblem> lookup);
  // Adds those of the exclusions of the same request.
  void AddExclusions(TargetProblems exclusions);

  // InvalidArgument; Unavailable when only_could_not_ask(). Names the first few entries, by their
  // index in `targets_field` and `exclude_field` when these are given. Carries all that is kept as
  // a payload, see ProblemsOf.
  absl::Status ToStatus(std::string_view targets_field = {},
                        std::string_view exclude_field = {}) const;

 private:
  friend std::optional<TargetProblems> ProblemsOf(const absl::Status& status);

  std::vector<TargetProblem> first_;
  uint64_t total_ = 0;
  uint64_t could_not_ask_ = 0;
};

// The problems that a status carries. Absent: it has another cause.
std::optional<TargetProblems> ProblemsOf(const absl::Status& status);

}  // namespace portolan
