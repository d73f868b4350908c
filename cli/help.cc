#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace portolan {
namespace {

constexpr size_t kHelpWidth = 100;
constexpr const char kGlobalOptions[] = "Global options";
constexpr size_t kOptionColumn = 28;

std::string Entry(const std::string& name, const std::string& text) {
  std::string line = "  " + name;
  if (text.empty()) return line + "\n";
  if (line.size() + 2 > kOptionColumn) {
    line += "\n" + std::string(kOptionColumn, ' ');
  } else {
    line.append(kOptionColumn - line.size(), ' ');
  }
  return line + Wrap(text, kHelpWidth - kOptionColumn, kOptionColumn) + "\n";
}

std::string OptionName(const CLI::Option* option) {
  std::string name;
  if (option->check_lname("targets-from")) name = "-iL";  // see NormalizeArgv
  for (const std::string& s : option->get_snames()) name += (name.empty() ? "-" : ", -") + s;
  for (const std::string& l : option->get_lnames()) name += (name.empty() ? "    --" : ", --") + l;
  if (option->get_items_expected_max() > 0) {
    name += " " + (option->get_option_text().empty() ? option->get_type_name()
                                                     : option->get_option_text());
  }
  return name;
}

}  // namespace

std::string Wrap(std::string_view text, size_t width, size_t indent) {
  std::string out;
  size_t column = 0;
  while (!text.empty()) {
    if (text.front() == '\n') {
      out += '\n';
      out.append(indent, ' ');
      column = 0;
      text.remove_prefix(1);
      continue;
    }
    // A word with the blanks before it, so that indented examples inside a text keep their shape.
    size_t end = text.find_first_not_of(' ');
    end = end == std::string_view::npos ? text.size()
                                        : std::min(text.find_first_of(" \n", end), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    if (column > 0 && column + word.size() > width) {
      word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
      out += '\n';
      out.append(indent, ' ');
      column = 0;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  std::string path;
  for (const CLI::App* a = app; a != nullptr; a = a->get_parent())
    path.insert(0, a->get_name() + (path.empty() ? "" : " "));
  // "summary\nlong text", see Program::AddVerb; the usage is the group of labels under the verb's
  // own name.
  const std::string description = app->get_description();
  const size_t split = description.find('\n');
  std::string out = path + " - " + description.substr(0, split) + "\n\nUsage: " + path + " " +
                    get_label("usage:" + path) + "\n";
  if (split != std::string::npos)
    out += "\n" + Wrap(description.substr(split + 1), kHelpWidth, 0) + "\n";

  const auto verbs =
      app->get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
  if (!verbs.empty()) out += "\nVerbs:\n";
  for (const CLI::App* verb : verbs) {
    const std::string text = verb->get_description();
    out += Entry(verb->get_name(), text.substr(0, text.find('\n')));
  }
  // What every verb has comes last.
  std::vector<std::string> groups = app->get_groups();
  std::stable_partition(groups.begin(), groups.end(),
                        [](const std::string& g) { return g != kGlobalOptions; });
  for (const std::string& group : groups) {
    std::string entries;
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_group() != group || group.empty()) continue;
      if (option->nonpositional()) {
        std::string text = option->get_description();
        if (!text.empty() && text.back() != '.') text += '.';
        if (!option->get_envname().empty()) text += " (" + option->get_envname() + ")";
        entries += Entry(OptionName(option), text);
      } else {
        entries += Entry(option->get_option_text(), option->get_description());
      }
    }
    if (!entries.empty())
      out +=
          fmt::format("\n{}{}:\n{}", group, group == "Scope" ? " (local mode only)" : "", entries);
  }
  if (!app->get_footer().empty()) out += "\nExamples:\n" + app->get_footer() + "\n";
  if (app->get_parent() != nullptr) {
    out +=
        "\nExit codes: 0 complete, 1 failed, 2 usage, 3 partial, 4 findings, 130 or 143 "
        "interrupted; see portolan --help.\n";
  }
  return out;
}

}  // namespace portolan
