#include "cli/base/inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/list_text.h"
#include "common/net/port_set.h"
#include "common/net/target_parser.h"

namespace portolan {

absl::StatusOr<std::vector<std::string>> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (true) {
    const size_t comma = text.find(',');
    if (text.substr(0, comma).empty())
      return InvalidArgument("\"{}\": an item of the list is empty: remove the comma", text);
    items.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

bool IsTarget(const std::string& text) {
  if (text.find_first_of(".:") == std::string::npos) return false;
  const absl::StatusOr<ParsedTargets> parsed = ParseTargets({text});
  return parsed.ok() && parsed->problems().empty() && parsed->entry_count() > 0;
}

absl::Status CheckPortsFlag(std::string_view flag, const std::string& text, bool has_targets) {
  absl::Status status = ParsePorts(text).status();
  if (status.ok()) return status;
  const bool name = !has_targets && CheckHostName(text).empty();
  if (!name && !IsTarget(text)) return Annotate(status, flag);
  return InvalidArgument(
      "{0} \"{1}\": {0} took the target as its ports; write {0} PORTS {1}, or leave {0} out", flag,
      text);
}

std::vector<std::string> SplitTargets(std::string_view text) {
  std::vector<std::string> out;
  ListReader reader(text);
  for (ListReader::Entry entry; reader.Next(&entry);) out.emplace_back(entry.text);
  return out;
}

std::vector<TargetText> TargetArguments(const std::vector<std::string>& arguments,
                                        std::string_view origin) {
  std::vector<TargetText> out;
  bool joins = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& text = arguments[i];
    const bool dash = text == "-" || text == "\xe2\x80\x93";
    if (!out.empty() && (joins || dash)) {
      out.back().text += " " + text;
    } else {
      out.push_back(
          {text, origin.empty() ? fmt::format("argument {}", i + 1) : std::string(origin)});
    }
    joins = dash;
  }
  return out;
}

absl::Status ReadTargetFile(const std::string& path, std::istream& in, size_t max_bytes,
                            std::vector<TargetText>* out) {
  std::ifstream file;
  std::istream* from = &in;
  const std::string shown = path == "-" ? "standard input" : path;
  if (path != "-") {
    file.open(path);
    if (!file)
      return InvalidArgument("cannot read targets from \"{}\": no such file, or no permission",
                             path);
    from = &file;
  }
  std::string content;
  char buffer[65536];
  while (from->read(buffer, sizeof(buffer)), from->gcount() > 0) {
    content.append(buffer, static_cast<size_t>(from->gcount()));
    if (content.size() > 2 * max_bytes + 2) break;  // UTF-16 is twice as long
  }
  if (from->bad())
    return InvalidArgument("reading targets from \"{}\" failed: is it a directory?", shown);
  content = DecodeText(std::move(content));
  if (content.size() > max_bytes) {
    return InvalidArgument("{}: more than {} MiB of targets: write ranges, or scan in parts", shown,
                           max_bytes >> 20);
  }
  const std::string_view all = content;
  size_t number = 1;
  for (size_t begin = 0; begin < all.size(); ++number) {
    const size_t end = std::min(all.find('\n', begin), all.size());
    std::string_view line = all.substr(begin, end - begin);
    begin = end + 1;
    line = line.substr(0, line.find('#'));
    line = line.substr(0, line.find_last_not_of(" \t\r\f\v") + 1);
    const size_t blanks = std::min(line.find_first_not_of(" \t\f\v"), line.size());
    line.remove_prefix(blanks);
    if (line.empty()) continue;
    out->push_back({std::string(line), fmt::format("{}:{}", shown, number), true, blanks + 1});
  }
  return absl::OkStatus();
}

absl::StatusOr<TargetShape> CheckTargets(const std::vector<TargetText>& targets) {
  std::vector<std::string> texts;
  texts.reserve(targets.size());
  for (const TargetText& t : targets) texts.push_back(t.text);
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseTargets(texts));
  return TargetShape{parsed.has_entry_without_port(), parsed.problems()};
}

ShownProblem ShowProblem(const TargetProblem& problem, const std::vector<TargetText>& texts) {
  ShownProblem out;
  out.entry = problem.entry;
  out.problem = problem.problem;
  if (problem.expression >= texts.size()) return out;  // of a coordinator that errs
  const TargetText& text = texts[problem.expression];
  out.place = text.origin;
  if (!problem.at_character) return out;
  if (text.is_line) {
    out.place += fmt::format(":{}", text.column + problem.place.column - 1);
  } else {
    out.place += fmt::format(", character {}", problem.place.column);
  }
  return out;
}

std::string TargetProblemsText(const std::vector<ShownProblem>& shown, uint64_t total) {
  std::string out = Counted(total, "target cannot be used:", "targets cannot be used:");
  for (const ShownProblem& p : shown) {
    out +=
        fmt::format("\n{}{}\"{}\": {}", p.place, p.place.empty() ? "" : ": ", p.entry, p.problem);
  }
  if (total > shown.size()) out += fmt::format("\nand {} more", total - shown.size());
  return out;
}

}  // namespace portolan
