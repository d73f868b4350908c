#include "cli/render/text_table.h"

#include <algorithm>

#include "cli/render/style.h"
#include "cli/render/text.h"

namespace portolan {

void TextTable::Add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = cell.empty() ? "-" : Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::Render(bool color) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i]));
    widths.push_back(width);
  }
  const auto line = [&](auto&& cell) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) text += "  ";
      text += columns_[i].align == Align::kRight ? PadLeft(cell(i), widths[i])
                                                 : PadRight(cell(i), widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::string out =
      Paint(color, Ink::kBold, line([&](size_t i) { return columns_[i].title; })) + "\n";
  for (const auto& row : rows_) out += line([&](size_t i) { return row[i]; }) + "\n";
  return out;
}

}  // namespace portolan
