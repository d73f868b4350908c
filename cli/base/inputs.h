#pragma once

#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Reading what users write: lists and files.
namespace portolan {

// "a,b" -> {a, b}; empty items are refused.
absl::StatusOr<std::vector<std::string>> SplitList(std::string_view text);

// Splits at the commas between targets, not at those inside nmap's octet lists:
// "10.0.0.1,3-4,10.1.0.0/16" -> {"10.0.0.1,3-4", "10.1.0.0/16"}.
std::vector<std::string> SplitTargets(std::string_view text);

// One target expression and where it was written, for messages: "hosts.txt:17", or empty for the
// command line.
struct TargetText {
  std::string text;
  std::string origin;
};
// Reads a file, or `in` when `path` is "-". '#' begins a comment. At most `max_bytes`.
absl::Status ReadTargetFile(const std::string& path, std::istream& in, size_t max_bytes,
                            std::vector<TargetText>* out);

// Checks the syntax of targets without resolving names. InvalidArgument names the origin. Tells
// whether some have no port of their own.
struct TargetShape {
  bool without_port = false;
};
absl::StatusOr<TargetShape> CheckTargets(const std::vector<TargetText>& targets);

}  // namespace portolan
