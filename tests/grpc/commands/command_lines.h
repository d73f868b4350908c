#pragma once

#include <string>
#include <string_view>
#include <vector>

// Finds the command lines of our programs in what people read: documents, rules, manifests, and the
// string literals of the sources. Pure.
namespace portolan {

struct CommandLine {
  std::string place;    // "docs/operations.md:22"
  std::string program;  // "portolan", "portolan-agent" or "portolan-coordinator"
  // As a shell splits them. A placeholder without a name ({}, {{ $labels.x }}, <x>, $X) is
  // kAnything; one with a name (SCAN) is as it is written. "..." is left out.
  std::vector<std::string> words;
  bool elided = false;  // it had a "...": words may be missing
  // Where people would type it: at the beginning of a line of a shell, of a code span, or in a
  // message. Else (in a comment, behind another program's name) the words may be about something
  // else.
  bool certain = false;
};
inline constexpr char kAnything = '\x01';

// `place`: the file's name. Markdown: code spans and fenced blocks.
std::vector<CommandLine> CommandsInMarkdown(std::string_view text, const std::string& place);
// YAML, JSON, units, Python and the like: code spans, and what stands after a comment sign or an
// ExecStart=.
std::vector<CommandLine> CommandsInConfig(std::string_view text, const std::string& place);
// C++: string literals, joined as the compiler joins them; not comments.
std::vector<CommandLine> CommandsInCode(std::string_view text, const std::string& place);

}  // namespace portolan
