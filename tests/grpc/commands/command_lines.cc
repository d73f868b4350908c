#include "tests/grpc/commands/command_lines.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace portolan {
namespace {

constexpr std::array<std::string_view, 3> kPrograms = {"portolan-coordinator", "portolan-agent",
                                                       "portolan"};

bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// What stands for a value that is filled in later, from `at` on: its length, 0 if none is there.
size_t PlaceholderLength(std::string_view text, size_t at) {
  const auto until = [&](std::string_view end, size_t most) -> size_t {
    const size_t found = text.find(end, at + 1);
    return found == std::string_view::npos || found - at > most ? 0 : found + end.size() - at;
  };
  if (text.substr(at, 2) == "{{") return until("}}", 60);
  if (text[at] == '{') return until("}", 20);
  if (text.substr(at, 2) == "${") return until("}", 40);
  if (text[at] == '<' && at + 1 < text.size() &&
      std::islower(static_cast<unsigned char>(text[at + 1])))
    return until(">", 40);
  if (text[at] == '$') {
    size_t end = at + 1;
    while (end < text.size() && IsWordCharacter(text[end])) ++end;
    return end - at > 1 ? end - at : 0;
  }
  return 0;
}

// Splits what follows a program's name, up to where the command ends. `prose`: punctuation and two
// blanks end it, too.
void Split(std::string_view text, bool prose, CommandLine* out) {
  std::string word;
  bool any = false, sentence_ends = false;
  const auto flush = [&] {
    if (any && (word == "..." || word == "[...]")) {
      out->elided = true;
    } else if (any) {
      if (word.size() > 3 && word.ends_with("...")) {
        word.resize(word.size() - 3);  // NAME...: one will do
        out->elided = true;
      }
      // Flags that are added to a word as they are: "--wait{}".
      const size_t end = word.find_last_not_of(kAnything);
      if (end != std::string::npos) {
        word.resize(end + 1);
      } else if (!word.empty()) {
        word.resize(1);
      }
      out->words.push_back(word);
    }
    word.clear();
    any = false;
  };
  for (size_t i = 0; i < text.size() && !sentence_ends; ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    const bool last =
        next == '\0' || next == ' ' || next == '\n' || next == '"' || next == '\'' || next == ')';
    if (const size_t length = PlaceholderLength(text, i); length > 0) {
      word += kAnything;
      any = true;
      i += length - 1;
    } else if (c == '\\' && next == '\n') {
      ++i;
    } else if (c == ' ' || c == '\t') {
      if (prose && next == ' ') break;
      flush();
    } else if (c == '\n' || c == '|' || c == '>' || c == '<' || c == ';' || c == '&' || c == ')' ||
               c == '`' || (c == '#' && !any) || (c == '(' && !any)) {
      break;
    } else if (prose && last && (c == ',' || c == ':' || (c == '.' && word != ".."))) {
      sentence_ends = true;
    } else if (c == '\'' || (c == '"' && !prose)) {
      const size_t end = text.find(c, i + 1);
      if (end == std::string_view::npos) break;
      word += text.substr(i + 1, end - i - 1);
      any = true;
      i = end;
    } else if (c == '"') {
      break;
    } else if (c == '[' || c == ']') {
      // An optional part, in a synopsis.
    } else {
      word += c;
      any = true;
    }
  }
  // A literal that ends with a blank goes on with a value: "... describe " + name.
  if (prose && !sentence_ends && !any && !text.empty() && text.back() == ' ' &&
      !out->words.empty() && text.find('\n') == std::string_view::npos &&
      text.find(';') == std::string_view::npos) {
    word = kAnything;
    any = true;
  }
  flush();
}

size_t LineOf(std::string_view text, size_t at) {
  return static_cast<size_t>(
             std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n')) +
         1;
}

// Whether only what may stand before a command stands between the line's (or pipe's) begin and it.
bool AtCommandPosition(std::string_view before) {
  const size_t begin = before.find_last_of("\n|;&(`");
  std::string_view rest = before.substr(begin == std::string_view::npos ? 0 : begin + 1);
  while (!rest.empty()) {
    const size_t from = rest.find_first_not_of(" \t");
    if (from == std::string_view::npos) return true;
    const size_t to = std::min(rest.find_first_of(" \t", from), rest.size());
    const std::string_view word = rest.substr(from, to - from);
    const bool assignment = word.find('=') != std::string_view::npos &&
                            std::isupper(static_cast<unsigned char>(word[0])) != 0;
    if (word != "$" && word != "#" && word != "sudo" && word != "exec" && word != "if" &&
        word != "!" && word != "-" && !assignment && word.find('/') != word.size() - 1)
      return false;
    rest.remove_prefix(to);
  }
  return true;
}

// Each place where a program's name is followed by something that may be its arguments. `strict`:
// all of them are commands.
void Find(std::string_view text, std::string_view whole, size_t offset, const std::string& place,
          bool prose, bool strict, std::vector<CommandLine>* out) {
  for (size_t at = text.find("portolan"); at != std::string_view::npos;
       at = text.find("portolan", at + 1)) {
    if (at > 0 && (IsWordCharacter(text[at - 1]) || text[at - 1] == '-' || text[at - 1] == '.' ||
                   text[at - 1] == '=' || text[at - 1] == '@' || text[at - 1] == ':'))
      continue;
    const std::string_view* program = nullptr;
    for (const std::string_view& p : kPrograms) {
      if (program == nullptr && text.substr(at).starts_with(p)) program = &p;
    }
    const std::string_view rest = text.substr(at + program->size());
    if (rest.size() < 2 || rest[0] != ' ') continue;
    const char first = rest[1];
    const bool argument =
        std::islower(static_cast<unsigned char>(first)) != 0 || first == '-' || first == '<';
    if (!argument || rest.substr(1).starts_with("- ")) continue;
    // The daemons have no verbs; and a name may be the value of a flag (--owner portolan-agent).
    const size_t word = at < 2 ? 0 : text.find_last_of(" \n", at - 2) + 1;
    if (*program != "portolan" && (first != '-' || (word < at && text[word] == '-'))) continue;
    CommandLine line;
    line.place = place + ":" + std::to_string(LineOf(whole, offset + at));
    line.program = *program;
    line.certain = strict || AtCommandPosition(text.substr(0, at));
    Split(rest.substr(1), prose || !line.certain, &line);
    if (!line.words.empty()) out->push_back(std::move(line));
  }
}

// The code spans of a text: what is between single backticks.
void FindInSpans(std::string_view text, std::string_view whole, size_t offset,
                 const std::string& place, std::vector<CommandLine>* out) {
  size_t begin = text.find('`');
  while (begin != std::string_view::npos) {
    const size_t end = text.find('`', begin + 1);
    if (end == std::string_view::npos) return;
    const std::string_view span = text.substr(begin + 1, end - begin - 1);
    if (span.size() < 400) {
      for (const std::string_view& p : kPrograms) {
        if (span.starts_with(p) && span.size() > p.size() && span[p.size()] == ' ') {
          std::string joined(span);  // a span may be broken over lines
          std::replace(joined.begin(), joined.end(), '\n', ' ');
          std::vector<CommandLine> found;
          Find(joined, joined, 0, place, false, true, &found);
          for (CommandLine& line : found) {
            line.place = place + ":" + std::to_string(LineOf(whole, offset + begin));
            out->push_back(std::move(line));
          }
          break;
        }
      }
    }
    begin = text.find('`', end + 1);
  }
}

}  // namespace

std::vector<CommandLine> CommandsInMarkdown(std::string_view text, const std::string& place) {
  std::vector<CommandLine> out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t fence = text.substr(at).starts_with("```") ? at : text.find("\n```", at);
    const size_t prose_end = std::min(fence, text.size());
    FindInSpans(text.substr(at, prose_end - at), text, at, place, &out);
    if (fence == std::string_view::npos) break;
    const size_t begin = text.find('\n', fence + 4);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(text.find("\n```", begin), text.size());
    Find(text.substr(begin, end - begin), text, begin, place, false, false, &out);
    at = std::min(text.find('\n', end + 1), text.size());
  }
  return out;
}

std::vector<CommandLine> CommandsInConfig(std::string_view text, const std::string& place) {
  std::vector<CommandLine> out;
  FindInSpans(text, text, 0, place, &out);
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    const size_t comment = line.find('#');
    if (line.starts_with("ExecStart=")) {
      Find(line.substr(line.rfind('/', line.find(' ')) + 1), text, begin, place, false, true, &out);
    } else if (comment != std::string_view::npos && line.find('`') == std::string_view::npos) {
      Find(line.substr(comment + 1), text, begin, place, true, false, &out);
    }
    begin = end + 1;
  }
  return out;
}

std::vector<CommandLine> CommandsInCode(std::string_view text, const std::string& place) {
  std::vector<CommandLine> out;
  std::string literal;
  size_t literal_at = std::string_view::npos;
  const auto flush = [&] {
    if (literal_at == std::string_view::npos) return;
    std::vector<CommandLine> found;
    Find(literal, literal, 0, place, true, true, &found);
    FindInSpans(literal, literal, 0, place, &found);
    for (CommandLine& line : found) {
      line.place = place + ":" + std::to_string(LineOf(text, literal_at));
      out.push_back(std::move(line));
    }
    literal.clear();
    literal_at = std::string_view::npos;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (rest.starts_with("//")) {
      i = std::min(text.find('\n', i), text.size());
    } else if (rest.starts_with("/*")) {
      i = std::min(text.find("*/", i + 2), text.size() - 2) + 1;
    } else if (rest.starts_with("R\"")) {
      const size_t open = text.find('(', i);
      if (open == std::string_view::npos) break;
      const std::string end = ")" + std::string(text.substr(i + 2, open - i - 2)) + "\"";
      const size_t close = std::min(text.find(end, open), text.size() - end.size());
      if (literal_at == std::string_view::npos) literal_at = i;
      literal += text.substr(open + 1, close - open - 1);
      i = close + end.size() - 1;
    } else if (text[i] == '\'') {
      if (i > 0 && IsWordCharacter(text[i - 1])) continue;  // 1'000
      i = text.find('\'', rest.starts_with("'\\") ? i + 3 : i + 2);
      if (i == std::string_view::npos) break;
      flush();
    } else if (text[i] == '"') {
      if (literal_at == std::string_view::npos) literal_at = i;
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] != '\\') {
          literal += text[i];
        } else if (++i < text.size()) {
          literal += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
        }
      }
    } else if (std::isspace(static_cast<unsigned char>(text[i])) == 0) {
      flush();
    }
  }
  flush();
  return out;
}

}  // namespace portolan
