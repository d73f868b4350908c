#include "common/net/list_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace portolan {
namespace {

using literal::Problem;

constexpr char32_t kInvalid = 0xFFFFFFFF;
constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kEnDash = 0x2013;
constexpr std::string_view kEnDashUtf8 = "\xe2\x80\x93";

struct Range {
  char32_t first, last;
};
template <size_t n>
bool IsIn(const Range (&ranges)[n], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const Range& r) { return c >= r.first && c <= r.last; });
}

// The code point at `at` and its length in bytes; kInvalid, length 1: not UTF-8 (RFC 3629).
char32_t CodePointAt(std::string_view text, size_t at, size_t* length) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  *length = 1;
  if (lead < 0x80) return lead;
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < size) return kInvalid;
  char32_t c = lead & (0xFF >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return kInvalid;
    c = c << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kLeast[size] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return kInvalid;
  *length = size;
  return c;
}

void AppendUtf8(char32_t c, std::string* out) {
  const auto put = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

bool IsAsciiBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Blanks of Unicode (White_Space) beyond ASCII.
bool IsWideBlank(char32_t c) {
  constexpr Range kBlanks[] = {{0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                               {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                               {0x205F, 0x205F}, {0x3000, 0x3000}};
  return IsIn(kBlanks, c);
}

// Characters that are not seen: joiners, marks of direction, the soft hyphen, the byte order mark.
bool HasNoWidth(char32_t c) {
  constexpr Range kNoWidth[] = {{0xAD, 0xAD},     {0x61C, 0x61C},   {0x180E, 0x180E},
                                {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064},
                                {0x2066, 0x206F}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}};
  return IsIn(kNoWidth, c);
}

// Signs that are neither letters nor digits, in the blocks where signs and letters are separate. A
// sign that is missed is taken for a letter of a name, and refused as that.
bool IsSign(char32_t c) {
  constexpr Range kSigns[] = {
      {0x80, 0xA9},     {0xAB, 0xB4},       {0xB6, 0xB9},       {0xBB, 0xBF},     {0xD7, 0xD7},
      {0xF7, 0xF7},     {0x2B0, 0x2FF},     {0x37E, 0x37E},     {0x387, 0x387},   {0x55A, 0x55F},
      {0x589, 0x58A},   {0x5BE, 0x5C6},     {0x5F3, 0x5F4},     {0x600, 0x60F},   {0x61B, 0x61F},
      {0x66A, 0x66D},   {0x6D4, 0x6D4},     {0x2010, 0x27BF},   {0x27C0, 0x2BFF}, {0x2E00, 0x2E7F},
      {0x3001, 0x3004}, {0x3008, 0x3020},   {0x3030, 0x3030},   {0x303D, 0x303F}, {0xE000, 0xF8FF},
      {0xFD3E, 0xFD3F}, {0xFE10, 0xFE6F},   {0xFF01, 0xFF20},   {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65},
      {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}};
  return IsIn(kSigns, c);
}

bool IsDash(char32_t c) {
  return (c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0x2043 || c == 0x58A || c == 0x5BE ||
         c == 0xFE58 || c == 0xFE63 || c == 0xFF0D;
}
bool IsQuote(char32_t c) {
  return (c >= 0x2018 && c <= 0x201F) || (c >= 0x2039 && c <= 0x203A) || c == 0xAB || c == 0xBB ||
         c == 0xFF02 || c == 0xFF07;
}

// How many bytes at `at` separate entries or are not seen; 0: an entry goes on there. A line end
// counts.
size_t BlankAt(std::string_view text, size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x80) return IsAsciiBlank(text[at]) ? 1 : 0;
  size_t length;
  return IsWideBlank(CodePointAt(text, at, &length)) ? length : 0;
}
size_t UnseenAt(std::string_view text, size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x80) return 0;
  size_t length;
  return HasNoWidth(CodePointAt(text, at, &length)) ? length : 0;
}
size_t DashAt(std::string_view text, size_t at) {
  if (text.substr(at).starts_with('-')) return 1;
  return text.substr(at).starts_with(kEnDashUtf8) ? kEnDashUtf8.size() : 0;
}

std::string_view WithoutUnseen(std::string_view word) {
  while (!word.empty()) {
    const size_t n = UnseenAt(word, 0);
    if (n == 0) break;
    word.remove_prefix(n);
  }
  // Backwards, because those inside of a word are not taken away.
  for (size_t end = word.size(); end > 0;) {
    size_t begin = end - 1;
    while (begin > 0 && (static_cast<unsigned char>(word[begin]) & 0xC0) == 0x80) --begin;
    if (UnseenAt(word, begin) != end - begin) return word.substr(0, end);
    end = begin;
    if (end == 0) return {};
  }
  return word;
}

// Tells whether pieces between commas can stand alone: a name, IPv6, or four octets and more.
// Pieces that are joined are added up, so that a long list of octets is read once.
class Shape {
 public:
  void Add(std::string_view piece) {
    for (size_t i = 0; i < piece.size();) {
      const size_t dash = DashAt(piece, i);
      if (dash == 0 && !literal::IsDigit(piece[i]) && piece[i] != '.' && piece[i] != '*' &&
          piece[i] != '/')
        other_ = true;
      dots_ += piece[i] == '.' ? 1 : 0;
      i += dash == 0 ? 1 : dash;
    }
  }
  bool IsWhole() const { return other_ || dots_ >= 3; }

 private:
  bool other_ = false;
  size_t dots_ = 0;
};

// An address, or numbers of one. Never a name.
bool LooksLikeAddress(std::string_view word) {
  if (word.empty()) return false;
  const bool v6 = word.find(':') != word.npos;
  return word.find_first_not_of(v6 ? "0123456789abcdefABCDEF:.[]" : "0123456789.") == word.npos;
}
bool IsAddress(std::string_view word) {
  IpAddress ignored;
  return LooksLikeAddress(word) && literal::ParseAddress(word, &ignored).empty();
}

std::string DecodeUtf16(std::string_view bytes, bool big_endian) {
  std::string out;
  out.reserve(bytes.size());
  const auto unit = [&](size_t i) -> char32_t {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return big_endian ? char32_t{a} << 8 | b : char32_t{b} << 8 | a;
  };
  size_t i = 0;
  for (; i + 1 < bytes.size(); i += 2) {
    char32_t c = unit(i);
    if (c >= 0xD800 && c <= 0xDBFF && i + 3 < bytes.size()) {
      const char32_t low = unit(i + 2);
      if (low >= 0xDC00 && low <= 0xDFFF) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    AppendUtf8(c >= 0xD800 && c <= 0xDFFF ? kReplacement : c, &out);
  }
  if (i < bytes.size()) AppendUtf8(kReplacement, &out);
  return out;
}

}  // namespace

TextPlace PlaceOf(std::string_view text, size_t offset) {
  TextPlace place;
  for (size_t i = 0; i < std::min(offset, text.size()); ++i) {
    if (text[i] == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

std::string DecodeText(std::string bytes) {
  const std::string_view view = bytes;
  if (view.starts_with("\xef\xbb\xbf")) return bytes.erase(0, 3);
  if (view.starts_with("\xff\xfe")) return DecodeUtf16(view.substr(2), false);
  if (view.starts_with("\xfe\xff")) return DecodeUtf16(view.substr(2), true);
  return bytes;
}

// The next piece between separators; at_ is behind it.
std::string_view ListReader::NextWord() {
  while (at_ < text_.size()) {
    if (text_[at_] == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (text_[at_] == ',') {
      ++at_;
    } else if (const size_t n = BlankAt(text_, at_) + UnseenAt(text_, at_); n > 0) {
      at_ += n;
    } else {
      break;
    }
  }
  const size_t begin = at_;
  const auto ends_at = [this](size_t i) {
    return i == text_.size() || text_[i] == '#' || text_[i] == ',' || BlankAt(text_, i) > 0;
  };
  const auto next_piece = [&] {
    const size_t from = at_;
    while (!ends_at(at_)) ++at_;
    return WithoutUnseen(text_.substr(from, at_ - from));
  };
  Shape before;
  before.Add(next_piece());
  while (at_ < text_.size() && text_[at_] == ',') {
    const size_t comma = at_++;
    const std::string_view piece = next_piece();
    Shape after;
    after.Add(piece);
    if (piece.empty() || (before.IsWhole() && after.IsWhole())) {
      at_ = comma;
      break;
    }
    before.Add(piece);
  }
  return WithoutUnseen(text_.substr(begin, at_ - begin));
}

// Extends an address by the dash and the address that follow it on its line. Puts the range without
// blanks into scratch_.
bool ListReader::JoinRange(std::string_view* word) {
  const auto skip_blanks = [this](size_t i) {
    while (i < text_.size() && text_[i] != '\n' && text_[i] != '\r') {
      const size_t n = BlankAt(text_, i) + UnseenAt(text_, i);
      if (n == 0) break;
      i += n;
    }
    return i;
  };
  std::string_view first = *word;
  bool dash_in_first = false;
  for (const std::string_view dash : {std::string_view("-"), kEnDashUtf8}) {
    if (first.ends_with(dash)) {
      first.remove_suffix(dash.size());
      dash_in_first = true;
      break;
    }
  }
  if (at_ == text_.size() || !IsAddress(first)) return false;
  const size_t begin = static_cast<size_t>(word->data() - text_.data());
  size_t next = skip_blanks(at_);
  bool dash_alone = false;
  if (!dash_in_first) {
    if (next == at_ || next == text_.size()) return false;
    const size_t dash = DashAt(text_, next);
    if (dash == 0) return false;
    const size_t behind = skip_blanks(next + dash);
    dash_alone = behind > next + dash;
    next = behind;
  }
  if (next == text_.size() || text_[next] == ',' || text_[next] == '#' || text_[next] == '\n' ||
      text_[next] == '\r')
    return false;
  const size_t saved = at_;
  at_ = next;
  const std::string_view last = NextWord();
  // "10.0.0.250-" and "-5.0.0.1" mean something alone, so there both must be addresses. A dash
  // alone means nothing, so 10.0.0.1 - 9 is 10.0.0.1-9.
  if (!last.empty() && (dash_alone ? LooksLikeAddress(last) : IsAddress(last))) {
    scratch_.assign(first);
    scratch_ += '-';
    scratch_ += last;
    *word =
        text_.substr(begin, static_cast<size_t>(last.data() - text_.data()) + last.size() - begin);
    return true;
  }
  at_ = saved;
  return false;
}

bool ListReader::Next(Entry* entry) {
  std::string_view word = NextWord();
  if (word.empty()) return false;
  if (JoinRange(&word)) {
    entry->text = scratch_;
  } else if (word.find(kEnDashUtf8) != word.npos) {
    scratch_.clear();
    for (size_t i = 0; i < word.size();) {
      const size_t dash = DashAt(word, i);
      scratch_ += dash > 0 ? '-' : word[i];
      i += dash > 0 ? dash : 1;
    }
    entry->text = scratch_;
  } else {
    entry->text = word;
  }
  entry->written = word;
  entry->offset = static_cast<size_t>(word.data() - text_.data());
  return true;
}

Problem CheckCharacters(std::string_view entry, size_t* offset) {
  for (size_t i = 0; i < entry.size();) {
    size_t length;
    const char32_t c = CodePointAt(entry, i, &length);
    *offset = i;
    if (c == kInvalid) {
      return fmt::format("byte 0x{:02X} is not UTF-8; save the list as UTF-8",
                         static_cast<unsigned char>(entry[i]));
    }
    if (c == 0) {
      return "U+0000 is not text; if the list is UTF-16, save it as UTF-8 or with a byte order "
             "mark";
    }
    const auto code = static_cast<uint32_t>(c);
    if (c < 0x20 || c == 0x7F)
      return fmt::format("U+{:04X} is a control character; remove it", code);
    if (c == '"' || c == '\'' || c == '`')
      return fmt::format("U+{:04X} is a quotation mark; write the entry without", code);
    if (c >= 0x80 && c != kEnDash) {
      if (HasNoWidth(c) || IsWideBlank(c))
        return fmt::format("U+{:04X}, which is not seen, stands inside; remove it", code);
      if (IsDash(c)) return fmt::format("U+{:04X} is a typographic dash; write -", code);
      if (IsQuote(c))
        return fmt::format("U+{:04X} is a quotation mark; write the entry without", code);
      if (IsSign(c))
        return fmt::format("U+{:04X} is not part of any address or name; remove it", code);
    }
    i += length;
  }
  return {};
}

}  // namespace portolan
