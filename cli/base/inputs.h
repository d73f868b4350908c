#pragma once

#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/target_problem.h"

// Reading what users write: lists and files.
namespace portolan {

// "a,b" -> {a, b}; empty items are refused.
absl::StatusOr<std::vector<std::string>> SplitList(std::string_view text);

// Whether `text` reads as targets, and not as a single word, which may be anything.
bool IsTarget(const std::string& text);
// Checks the value of an option that takes ports. InvalidArgument names the flag, and says so when
// it took a target as its value: people write -p TARGET, as other programs take -p for something
// else or for nothing. `has_targets`: false where targets are missing, so that a word is taken for
// one, too; otherwise it is a misspelt service.
absl::Status CheckPortsFlag(std::string_view flag, const std::string& text, bool has_targets);

// The entries of a list of targets, in the syntax of common/net/list_text.h:
// "10.0.0.1,3-4, 10.1.0.0/16" -> {"10.0.0.1,3-4", "10.1.0.0/16"}.
std::vector<std::string> SplitTargets(std::string_view text);

// One target expression and where it was written, for messages: "hosts.txt:17", "argument 3",
// "--exclude".
struct TargetText {
  std::string text;
  std::string origin;
  bool is_line = false;  // of a file; then `column` is where the text begins in it
  size_t column = 1;
};
// Arguments as expressions. A dash that stands alone between two joins them, because shells split
// 10.0.0.1 - 10.0.0.9. `origin`: for all; empty: "argument N".
std::vector<TargetText> TargetArguments(const std::vector<std::string>& arguments,
                                        std::string_view origin);
// Reads a file, or `in` when `path` is "-": UTF-8, or UTF-16 with a byte order mark; an expression
// a line. '#' begins a comment. At most `max_bytes`.
absl::Status ReadTargetFile(const std::string& path, std::istream& in, size_t max_bytes,
                            std::vector<TargetText>* out);

// Checks the syntax of targets without looking up names. Tells whether some have no port of their
// own, and what is wrong.
struct TargetShape {
  bool without_port = false;
  TargetProblems problems;
};
absl::StatusOr<TargetShape> CheckTargets(const std::vector<TargetText>& targets);

// One entry that cannot be used, for TargetProblemsText.
struct ShownProblem {
  std::string place;  // "hosts.txt:17", or "hosts.txt:17:3" for a character
  std::string entry;
  std::string problem;
};
ShownProblem ShowProblem(const TargetProblem& problem, const std::vector<TargetText>& texts);
// "3 targets cannot be used:", then a line each, and "and N more" when `total` is more than are
// shown.
std::string TargetProblemsText(const std::vector<ShownProblem>& shown, uint64_t total);

}  // namespace portolan
