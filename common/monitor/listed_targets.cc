#include "common/monitor/listed_targets.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/monitor/text_hash.h"
#include "common/net/list_text.h"
#include "common/net/literal.h"
#include "common/net/target_parser.h"

namespace portolan {
namespace {

const std::string& Empty() {
  static const std::string& kEmpty = *new std::string;
  return kEmpty;
}

// Sorted, each once, without comments and blanks.
std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    constexpr std::string_view kBlanks = " \t\r\f\v,";
    const size_t first = line.find_first_not_of(kBlanks);
    if (first == line.npos) continue;
    lines.push_back(line.substr(first, line.find_last_not_of(kBlanks) - first + 1));
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

void AddLines(const std::vector<std::string_view>& lines, char sign, size_t most,
              std::vector<std::string>* out) {
  for (size_t i = 0; i < std::min(lines.size(), most); ++i) {
    out->push_back(
        fmt::format("{} spec.targetsFrom: {}", sign, literal::Printable(lines[i].substr(0, 200))));
  }
  if (lines.size() > most)
    out->push_back(fmt::format("{} spec.targetsFrom: {}", sign,
                               Counted(lines.size() - most, "more line", "more lines")));
}

}  // namespace

absl::StatusOr<ListedTargets> ListedTargets::Read(std::string_view file, std::string text) {
  if (text.size() > kMaxBytes) {
    return InvalidArgument(
        "{}: {} bytes; a list of targets has at most {}: write networks or "
        "ranges, or divide the monitor",
        literal::Printable(file), text.size(), kMaxBytes);
  }
  text = DecodeText(std::move(text));
  const absl::StatusOr<ParsedTargets> parsed = ParseTargets({text});
  if (!parsed.ok()) return Annotate(parsed.status(), literal::Printable(file));
  const TargetProblems& problems = parsed->problems();
  if (!problems.empty()) {
    std::string out;
    for (const TargetProblem& p : problems.first()) {
      out += fmt::format("{}{}:{}:{}: {}", out.empty() ? "" : "\n", literal::Printable(file),
                         p.place.line, p.place.column, p.problem);
    }
    if (problems.total() > problems.first().size())
      out += fmt::format("\n{}: and {} more", literal::Printable(file),
                         problems.total() - problems.first().size());
    return InvalidArgument("{}", out);
  }
  if (parsed->entry_count() == 0) {
    return InvalidArgument("{}: no target in it; write one a line, or remove targetsFrom",
                           literal::Printable(file));
  }
  if (parsed->entry_count() > kMaxEntries) {
    return InvalidArgument(
        "{}: {} entries; a monitor takes at most {} from a file: write networks "
        "or ranges, or divide the monitor",
        literal::Printable(file), parsed->entry_count(), kMaxEntries);
  }
  return Stored(std::move(text));
}

ListedTargets ListedTargets::Stored(std::string text) {
  ListedTargets out;
  if (text.empty()) return out;
  auto content = std::make_shared<Content>();
  content->digest = TextDigest(text);
  content->text = std::move(text);
  out.content_ = std::move(content);
  return out;
}

const std::string& ListedTargets::text() const {
  return content_ == nullptr ? Empty() : content_->text;
}
const std::string& ListedTargets::digest() const {
  return content_ == nullptr ? Empty() : content_->digest;
}

std::vector<std::string> ListedTargets::DiffFrom(const ListedTargets& before, size_t most) const {
  std::vector<std::string> out;
  if (*this == before) return out;
  const std::vector<std::string_view> old = LinesOf(before.text()), now = LinesOf(text());
  std::vector<std::string_view> removed, added;
  std::set_difference(old.begin(), old.end(), now.begin(), now.end(), std::back_inserter(removed));
  std::set_difference(now.begin(), now.end(), old.begin(), old.end(), std::back_inserter(added));
  AddLines(removed, '-', most, &out);
  AddLines(added, '+', most, &out);
  return out;
}

}  // namespace portolan
