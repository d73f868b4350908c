#include "cli/base/inputs.h"

#include <algorithm>
#include <fstream>

#include "common/base/status.h"
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

namespace {

// Whether a piece can stand alone: a name, IPv6, or four octets and more.
bool IsWholeTarget(std::string_view piece) {
  const bool numeric = piece.find_first_not_of("0123456789.-*/,") == std::string_view::npos;
  return !numeric || std::count(piece.begin(), piece.end(), '.') >= 3;
}

}  // namespace

std::vector<std::string> SplitTargets(std::string_view text) {
  std::vector<std::string> out;
  std::string current;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view piece = text.substr(at, comma - at);
    if (!current.empty() && IsWholeTarget(current) && IsWholeTarget(piece)) {
      out.push_back(std::move(current));
      current = piece;
    } else {
      if (at > 0) current += ',';
      current += piece;
    }
    at = comma + 1;
  }
  if (!current.empty()) out.push_back(std::move(current));
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
  std::string line;
  size_t bytes = 0;
  for (size_t number = 1; std::getline(*from, line); ++number) {
    if ((bytes += line.size() + 1) > max_bytes) {
      return InvalidArgument("{}: more than {} MiB of targets: write ranges, or scan in parts",
                             shown, max_bytes >> 20);
    }
    line.erase(std::min(line.find('#'), line.size()));
    line.erase(line.find_last_not_of(" \t\r\n\f\v") + 1);
    line.erase(0, line.find_first_not_of(" \t\f\v"));
    if (!line.empty()) out->push_back({line, shown + ":" + std::to_string(number)});
  }
  if (from->bad())
    return InvalidArgument("reading targets from \"{}\" failed: is it a directory?", shown);
  return absl::OkStatus();
}

absl::StatusOr<TargetShape> CheckTargets(const std::vector<TargetText>& targets) {
  std::vector<std::string> texts;
  texts.reserve(targets.size());
  for (const TargetText& t : targets) texts.push_back(t.text);
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseTargets(texts));
  if (parsed.problems().empty()) return TargetShape{parsed.has_entry_without_port()};
  const TargetProblem& p = parsed.problems().first()[0];
  const absl::Status status = InvalidArgument("target \"{}\": {}", p.entry, p.problem);
  const std::string& origin = targets[p.expression].origin;
  return origin.empty() ? status : Annotate(status, origin);
}

}  // namespace portolan
