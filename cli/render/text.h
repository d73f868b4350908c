#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/counted.h"
#include "common/base/time.h"

// Text for people and for programs. Pure.
namespace portolan {

// The title of a column of services: a port's number is all that is known of what answers there.
inline constexpr std::string_view kServiceTitle = "SERVICE BY PORT";

// Makes text from elsewhere (names, messages, agents) safe for a terminal: control characters,
// bytes that are not UTF-8 and the characters that change the direction of writing become \xNN and
// \u{NNNN}. Nothing else changes.
std::string Printable(std::string_view text);
// Columns that printable text takes: one a code point, which is exact for all that the program
// writes itself.
size_t DisplayWidth(std::string_view text);
// Blanks behind (or before) the text up to `width` columns. Longer text is not cut.
std::string PadRight(std::string_view text, size_t width);
std::string PadLeft(std::string_view text, size_t width);
// Appends one line of a description: the name, and the value in a column of its own. Appends
// nothing when the value is empty.
void AddField(std::string* out, std::string_view name, const std::string& value);
// At most `width` columns, with "..." at the end when cut.
std::string CutTo(std::string_view text, size_t width);

std::string HumanDuration(double seconds);  // "0.8 s", "12 s", "3m05s", "2h14m", "3d04h"
std::string HumanRtt(uint32_t us);          // "0.42 ms", "12.3 ms", "1.20 s"
std::string HumanRate(double per_second);   // "12,345/s", "0.5/s"

// RFC 3339, UTC, microseconds: "2026-01-02T03:04:05.678901Z".
std::string Rfc3339(WallTime t);
// The same to the second, for tables: "2026-01-02 03:04:05Z"; "-" for the epoch, which means "not
// yet".
std::string HumanTime(WallTime t);

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the line stays
// valid.
std::string JsonString(std::string_view text);

// Builds one JSON object on one line, members in the order of the calls.
class JsonObject {
 public:
  JsonObject& Text(std::string_view key, std::string_view value) {
    return Raw(key, JsonString(value));
  }
  JsonObject& TextOrNull(std::string_view key, std::string_view value);  // null when empty
  JsonObject& Int(std::string_view key, int64_t value) { return Raw(key, std::to_string(value)); }
  JsonObject& Uint(std::string_view key, uint64_t value) { return Raw(key, std::to_string(value)); }
  JsonObject& Number(std::string_view key, double value);  // null when it is not finite
  JsonObject& Bool(std::string_view key, bool value) { return Raw(key, value ? "true" : "false"); }
  JsonObject& Null(std::string_view key) { return Raw(key, "null"); }
  JsonObject& TimeOrNull(std::string_view key, WallTime t);  // null for the epoch
  JsonObject& Raw(std::string_view key, std::string_view json);
  // "{...}", without a newline.
  std::string Done() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

// "[a,b]" of JSON values.
template <typename Range, typename F>
std::string JsonArray(const Range& items, F&& to_json) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += to_json(item);
  }
  return out + "]";
}

}  // namespace portolan
