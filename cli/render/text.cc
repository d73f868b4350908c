#include "cli/render/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>

namespace portolan {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t size = 0;  // bytes; 0: not UTF-8 here
};

// The code point at text[at]. Overlong forms, surrogates and values above U+10FFFF are not UTF-8.
CodePoint Decode(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1};
  size_t size = 0;
  uint32_t value = 0, least = 0;
  if ((lead & 0xE0) == 0xC0) {
    size = 2, value = lead & 0x1Fu, least = 0x80;
  } else if ((lead & 0xF0) == 0xE0) {
    size = 3, value = lead & 0x0Fu, least = 0x800;
  } else if ((lead & 0xF8) == 0xF0) {
    size = 4, value = lead & 0x07u, least = 0x10000;
  } else {
    return {};
  }
  if (at + size > text.size()) return {};
  for (size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(at + i) & 0x3Fu);
  }
  if (value < least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, size};
}

// Controls (C0, DEL, C1), line and paragraph separators, and the marks, embeddings, overrides and
// isolates of direction.
bool IsUnsafe(uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (c.size == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
      ++i;
      continue;
    }
    if (!IsUnsafe(c.value)) {
      out.append(text.substr(i, c.size));
    } else if (c.value < 0x80) {
      out += fmt::format("\\x{:02x}", c.value);
    } else {
      out += fmt::format("\\u{{{:04x}}}", c.value);
    }
    i += c.size;
  }
  return out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return width;
}

std::string PadRight(std::string_view text, size_t width) {
  std::string out(text);
  const size_t have = DisplayWidth(text);
  if (have < width) out.append(width - have, ' ');
  return out;
}

std::string PadLeft(std::string_view text, size_t width) {
  const size_t have = DisplayWidth(text);
  return have < width ? std::string(width - have, ' ') + std::string(text) : std::string(text);
}

void AddField(std::string* out, std::string_view name, const std::string& value) {
  if (!value.empty()) *out += PadRight(name, 14) + " " + value + "\n";
}

std::string CutTo(std::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  const size_t keep = width > 3 ? width - 3 : width;
  size_t columns = 0, i = 0;
  for (; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && ++columns > keep) break;
  }
  return std::string(text.substr(0, i)) + (width > 3 ? "..." : "");
}

std::string HumanDuration(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds > 1e9) return "years";
  const auto s = static_cast<uint64_t>(std::llround(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{:02}m", s / 3600, s % 3600 / 60);
  return fmt::format("{}d{:02}h", s / 86400, s % 86400 / 3600);
}

std::string HumanRtt(uint32_t us) {
  if (us < 10'000) return fmt::format("{:.2f} ms", us / 1e3);
  if (us < 1'000'000) return fmt::format("{:.1f} ms", us / 1e3);
  return fmt::format("{:.2f} s", us / 1e6);
}

std::string HumanRate(double per_second) {
  if (!(per_second > 0)) return "0/s";
  if (per_second < 9.95) return fmt::format("{:.1f}/s", per_second);
  return Grouped(per_second < 1e18 ? static_cast<uint64_t>(std::llround(per_second)) : UINT64_MAX) +
         "/s";
}

namespace {
std::string FormatUtc(WallTime t, const char* date_format, bool micros) {
  const int64_t us = ToUnixMicros(t);
  const int64_t seconds = us >= 0 ? us / 1'000'000 : -((-us + 999'999) / 1'000'000);
  // Years 0001 to 9999: what RFC 3339 can say, and what a broken peer cannot exceed.
  if (seconds < -62'135'596'800 || seconds > 253'402'300'799) return "";
  const std::tm tm = fmt::gmtime(static_cast<std::time_t>(seconds));
  std::string out = fmt::format(fmt::runtime(date_format), tm);
  if (micros) out += fmt::format(".{:06}", us - seconds * 1'000'000);
  return out + "Z";
}
}  // namespace

std::string Rfc3339(WallTime t) { return FormatUtc(t, "{:%Y-%m-%dT%H:%M:%S}", true); }

std::string HumanTime(WallTime t) {
  if (t == WallTime()) return "-";
  return FormatUtc(t, "{:%Y-%m-%d %H:%M:%S}", false);
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (c.size == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
      ++i;
      continue;
    }
    if (c.value == '"' || c.value == '\\') {
      out += '\\';
      out += static_cast<char>(c.value);
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value == '\t') {
      out += "\\t";
    } else if (IsUnsafe(c.value)) {  // all below U+10000, so one escape is enough
      out += fmt::format("\\u{:04x}", c.value);
    } else {
      out.append(text.substr(i, c.size));
    }
    i += c.size;
  }
  out += '"';
  return out;
}

JsonObject& JsonObject::TextOrNull(std::string_view key, std::string_view value) {
  return value.empty() ? Null(key) : Text(key, value);
}

JsonObject& JsonObject::Number(std::string_view key, double value) {
  if (!std::isfinite(value)) return Null(key);
  return Raw(key, fmt::format("{}", value));
}

JsonObject& JsonObject::TimeOrNull(std::string_view key, WallTime t) {
  if (t == WallTime()) return Null(key);
  return TextOrNull(key, Rfc3339(t));
}

JsonObject& JsonObject::Raw(std::string_view key, std::string_view json) {
  text_ += text_.empty() ? '{' : ',';
  text_ += JsonString(key);
  text_ += ':';
  text_ += json;
  return *this;
}

}  // namespace portolan
