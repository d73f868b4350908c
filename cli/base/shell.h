#pragma once

#include <string>
#include <string_view>

namespace portolan {

// `word` as a POSIX shell reads it back: as it is where nothing in it is special, else in single
// quotes. For commands that people are shown to copy.
std::string ShellQuoted(std::string_view word);

}  // namespace portolan
