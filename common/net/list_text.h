#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/net/literal.h"

// The syntax of every list of targets: arguments, files, exclusions, monitors. What stands between
// entries is decided here; what an entry means, in target_parser.h.
namespace portolan {

// Where something stands in a text; both count from 1, columns in characters.
struct TextPlace {
  size_t line = 1;
  size_t column = 1;
};
TextPlace PlaceOf(std::string_view text, size_t offset);

// The content of a file as UTF-8: removes a byte order mark and converts UTF-16 that begins with
// one. Half characters of UTF-16 become U+FFFD, which every parser refuses by name.
std::string DecodeText(std::string bytes);

// Splits a list into its entries.
// - Entries are separated by blanks (U+00A0 and the other blanks of Unicode too), line ends and
//   commas. Superfluous commas are ignored. A comma between numbers that are no targets alone
//   belongs to the entry: 10.0.0.1,3-4.
// - '#' begins a comment, which ends with the line.
// - Characters without width (U+200B, U+FEFF, ...) around an entry are ignored.
// - U+2013 (en dash) means '-'. Blanks around the dash between two addresses belong to a range:
//   10.0.0.1 - 10.0.0.9.
// The text is borrowed. Allocates for entries only that hold a dash that has to be rewritten.
class ListReader {
 public:
  explicit ListReader(std::string_view text) : text_(text) {}

  struct Entry {
    std::string_view written;  // part of the text
    std::string_view text;     // to be parsed; valid until the next call of Next
    size_t offset = 0;         // of `written` in the text
  };
  // False at the end.
  bool Next(Entry* entry);

 private:
  std::string_view NextWord();  // empty at the end
  bool JoinRange(std::string_view* word);

  std::string_view text_;
  size_t at_ = 0;
  std::string scratch_;
};

// Finds the first character that no entry can hold: a control character, a byte that is not UTF-8,
// a character of Unicode that is not a letter or digit. Sets its offset. Empty: there is none.
// Names the code point and the remedy.
literal::Problem CheckCharacters(std::string_view entry, size_t* offset);

}  // namespace portolan
