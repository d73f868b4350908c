#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace portolan {

// Help laid out like a manual page: what it is, usage, the verbs, the options by group with wrapped
// texts, examples. 100 columns.
class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

// Breaks lines at blanks so that none is longer than `width`; every line but the first begins with
// `indent` blanks. Keeps line breaks.
std::string Wrap(std::string_view text, size_t width, size_t indent);

}  // namespace portolan
