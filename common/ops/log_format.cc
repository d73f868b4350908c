#include "common/ops/log_format.h"

#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

namespace portolan {
namespace {

// Bytes of the well-formed UTF-8 sequence at the front of `s`; 0 when there is none.
size_t SequenceLength(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto continues = [&](size_t i) { return i < s.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xC2 && b <= 0xDF) return continues(1) ? 2 : 0;
  if (b >= 0xE0 && b <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (b == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (b == 0xED && byte(1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (b >= 0xF0 && b <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (b == 0xF0 && byte(1) < 0x90) return 0;
    if (b == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

// C1 controls (U+0080 to U+009F) can move a terminal's cursor, too.
bool IsC1(std::string_view sequence) {
  return sequence.size() == 2 && static_cast<unsigned char>(sequence[0]) == 0xC2 &&
         static_cast<unsigned char>(sequence[1]) < 0xA0;
}

bool NeedsQuotes(std::string_view value) {
  if (value.empty()) return true;
  for (const char c : value) {
    const auto b = static_cast<unsigned char>(c);
    if (b <= ' ' || b >= 0x7F || c == '"' || c == '=' || c == '\\') return true;
  }
  return false;
}

void AppendEscaped(std::string_view value, bool quote_too, std::string& out) {
  while (!value.empty()) {
    const auto b = static_cast<unsigned char>(value[0]);
    const size_t n = SequenceLength(value);
    if (quote_too && (b == '"' || b == '\\')) {
      out += '\\';
      out += value[0];
    } else if (b == '\n') {
      out += "\\n";
    } else if (b == '\t') {
      out += "\\t";
    } else if (n == 0 || b < ' ' || b == 0x7F) {
      out += fmt::format("\\x{:02x}", b);
    } else if (IsC1(value.substr(0, n))) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(value[1]));
    } else {
      out.append(value.substr(0, n));
    }
    value.remove_prefix(n == 0 ? 1 : n);
  }
}

}  // namespace

std::string_view LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

std::string FormatWallTime(WallTime t) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(t);
  const std::time_t unix_time = seconds.time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&unix_time, &tm);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(t - seconds).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
}

std::string FormatLogText(WallTime when, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields) {
  std::string out = fmt::format("{} {} ", FormatWallTime(when), LogLevelName(level));
  AppendEscaped(event, false, out);
  for (const LogField& field : fields) {
    out += ' ';
    out += field.key;
    out += '=';
    if (NeedsQuotes(field.value)) {
      out += '"';
      AppendEscaped(field.value, true, out);
      out += '"';
    } else {
      out += field.value;
    }
  }
  return out;
}

std::string FormatLogJson(WallTime when, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields) {
  nlohmann::ordered_json object;
  object["time"] = FormatWallTime(when);
  object["level"] = std::string(LogLevelName(level));
  object["event"] = std::string(event);
  for (const LogField& field : fields) object[std::string(field.key)] = field.value;
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace portolan
