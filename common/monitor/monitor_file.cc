#include "common/monitor/monitor_file.h"

#include <algorithm>
#include <map>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/monitor/monitor_fields.h"
#include "common/monitor/text_hash.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

// The node of a path such as spec.vantages[1].name, or the nearest above it.
const YamlNode& NodeAt(const YamlNode& root, std::string_view path) {
  const YamlNode* at = &root;
  while (!path.empty()) {
    const YamlNode* next = nullptr;
    if (path[0] == '[') {
      const size_t end = path.find(']');
      uint32_t i;
      if (end != path.npos && literal::ParseNumber(path.substr(1, end - 1), 1'000'000, &i) &&
          i < at->values.size()) {
        next = &at->values[i];
      }
      path.remove_prefix(std::min(end, path.size() - 1) + 1);
    } else {
      if (path[0] == '.') path.remove_prefix(1);
      const size_t end = std::min(path.find_first_of(".["), path.size());
      next = at->Find(path.substr(0, end));
      path.remove_prefix(end);
    }
    if (next == nullptr) break;
    at = next;
  }
  return *at;
}

bool ReadMonitor(const YamlNode& root, MonitorSpec* spec, std::vector<MonitorProblem>* problems) {
  SpecReader reader(problems);
  if (!ReadTable(MonitorTable(), root, spec, &reader)) return false;
  std::vector<MonitorProblem> more = CheckAcrossFields(*spec);
  for (MonitorProblem& p : more) {
    const YamlNode& node = NodeAt(root, p.path);
    p.line = node.line;
    p.column = node.column;
    problems->push_back(std::move(p));
  }
  return more.empty();
}

void Flatten(const YamlNode& node, const std::string& path,
             std::vector<std::pair<std::string, std::string>>* out) {
  if (node.values.empty()) {
    const std::string_view text = node.is_map()    ? "{}"
                                  : node.is_list() ? "[]"
                                                   : std::string_view(node.text);
    out->emplace_back(path, text);
    return;
  }
  for (size_t i = 0; i < node.values.size(); ++i) {
    const YamlNode& value = node.values[i];
    // Rules and vantages are known by their names: one that is put in front changes no other.
    const YamlNode* name = node.is_list() ? value.Find("name") : nullptr;
    const std::string step = !node.is_list()   ? (path.empty() ? "" : ".") + node.keys[i].text
                             : name != nullptr ? fmt::format("[{}]", name->text)
                                               : fmt::format("[{}]", i);
    Flatten(value, path + step, out);
  }
}

constexpr size_t kShownBytes = 200;
std::string Shown(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("{}... ({})", text.substr(0, end), Counted(text.size(), "byte", "bytes"));
}

}  // namespace

MonitorFile ParseMonitors(std::string_view text) {
  MonitorFile out;
  std::vector<MonitorProblem> syntax;
  std::map<std::string, int> lines;
  for (const YamlNode& root : ReadYaml(text, &syntax)) {
    if (out.problems.size() >= SpecReader::kMaxProblems) break;
    MonitorSpec spec;
    if (!ReadMonitor(root, &spec, &out.problems)) continue;
    const auto [at, is_new] = lines.emplace(spec.name, root.line);
    if (!is_new) {
      const YamlNode& name = NodeAt(root, "metadata.name");
      out.problems.push_back({name.line, name.column, "metadata.name",
                              fmt::format("monitor \"{}\" is in this file twice, first in line {}; "
                                          "rename or remove one",
                                          spec.name, at->second)});
      continue;
    }
    out.monitors.push_back({std::move(spec), root.line});
  }
  out.problems.insert(out.problems.end(), syntax.begin(), syntax.end());
  std::stable_sort(out.problems.begin(), out.problems.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return out;
}

std::vector<std::string> TargetFilesOf(std::string_view text) {
  std::vector<std::string> out;
  std::vector<MonitorProblem> ignored;  // ParseMonitors says them
  for (const YamlNode& root : ReadYaml(text, &ignored)) {
    const YamlNode* spec = root.Find("spec");
    const YamlNode* from = spec == nullptr ? nullptr : spec->Find("targetsFrom");
    const YamlNode* file = from == nullptr ? nullptr : from->Find("file");
    if (file == nullptr || !file->is_scalar() || file->text.empty()) continue;
    if (std::find(out.begin(), out.end(), file->text) == out.end()) out.push_back(file->text);
  }
  return out;
}

absl::Status ProblemsStatus(std::string_view file, const std::vector<MonitorProblem>& problems) {
  if (problems.empty()) return absl::OkStatus();
  constexpr size_t kShown = 20;
  std::string out;
  for (size_t i = 0; i < problems.size() && i < kShown; ++i) {
    const MonitorProblem& p = problems[i];
    if (i > 0) out += '\n';
    std::string where(file);
    if (p.line > 0) where += fmt::format("{}{}:{}", where.empty() ? "" : ":", p.line, p.column);
    if (!p.path.empty()) where += (where.empty() ? "" : ": ") + p.path;
    out += where + (where.empty() ? "" : ": ") + p.message;
  }
  if (problems.size() > kShown) out += fmt::format("\nand {} more", problems.size() - kShown);
  return InvalidArgument("{}", out);
}

absl::Status CheckMonitor(const MonitorSpec& spec) {
  std::vector<MonitorProblem> problems;
  MonitorSpec read;
  const YamlNode root = WriteTable(MonitorTable(), spec);
  const bool ok = ReadMonitor(root, &read, &problems);
  read.listed = spec.listed;  // not in the document
  if (ok && !(read == spec)) {
    problems.push_back({0, 0, "",
                        "times finer than a millisecond (dates: a second) cannot be written; round "
                        "them"});
  }
  for (MonitorProblem& p : problems) p.line = 0;
  return ProblemsStatus("", problems);
}

std::string MonitorYaml(const MonitorSpec& spec) {
  return WriteYaml(WriteTable(MonitorTable(), spec));
}

std::string MonitorDigest(const MonitorSpec& spec) {
  return TextDigest(spec.listed.empty() ? MonitorYaml(spec)
                                        : MonitorYaml(spec) + spec.listed.digest());
}

std::vector<std::string> DiffMonitors(const MonitorSpec& before, const MonitorSpec& after) {
  std::vector<std::pair<std::string, std::string>> a, b;
  Flatten(WriteTable(MonitorTable(), before), "", &a);
  Flatten(WriteTable(MonitorTable(), after), "", &b);
  const std::map<std::string, std::string> in_a(a.begin(), a.end()), in_b(b.begin(), b.end());
  std::vector<std::string> out;
  for (const auto& [path, value] : a) {
    const auto other = in_b.find(path);
    if (other == in_b.end()) {
      out.push_back(fmt::format("- {}: {}", path, Shown(value)));
    } else if (other->second != value) {
      out.push_back(fmt::format("{}: {} -> {}", path, Shown(value), Shown(other->second)));
    }
  }
  for (const auto& [path, value] : b) {
    if (in_a.count(path) == 0) out.push_back(fmt::format("+ {}: {}", path, Shown(value)));
  }
  constexpr size_t kShownLines = 20;
  for (std::string& line : after.listed.DiffFrom(before.listed, kShownLines))
    out.push_back(std::move(line));
  // The same fields in another order: of rules, order decides.
  if (out.empty() && !(before == after)) {
    out.push_back(
        before.listed == after.listed
            ? "spec: entries in another order"
            : "spec.targetsFrom: the same lines, in another order or with other comments");
  }
  return out;
}

}  // namespace portolan
