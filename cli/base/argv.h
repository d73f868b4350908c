#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace portolan {

// The long and one-letter options of all verbs, with their dashes. A name means the same kind in
// every verb.
struct OptionNames {
  std::set<std::string> with_value;  // "--ports", "-p"
  std::set<std::string> flags;       // "--json", "-h"
};

// Brings arguments into the one form that the parser reads without guessing: "--name=value". It
// would take a value that begins with a dash (-p -100) for an option, and the word behind an
// unknown single-dash word (-oX FILE) for a target. Knows -iL; refuses other single-dash words and
// says what to write instead. `args` without the program's name.
absl::StatusOr<std::vector<std::string>> NormalizeArgv(const std::vector<std::string>& args,
                                                       const OptionNames& names);

}  // namespace portolan
