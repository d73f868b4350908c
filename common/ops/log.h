#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace portolan {

// One line an event on stderr. text: "2026-01-02T03:04:05.678Z info lease expired agent=a1
// token=17"; json: one object a line. error = a person must act; warning = may have to; info = life
// of scans, agents, leases; debug = the rest. Nothing per probe; no secrets.
struct LogOptions {
  std::string format = "text";  // text | json
  std::string level = "info";   // debug | info | warning | error
};
// InvalidArgument for an unknown format or level. Until called: text, warning. Thread-safe
// afterwards.
absl::Status InitLogging(const LogOptions& options);

// A key and a value of a log line.
struct LogField {
  std::string_view key;
  std::string value;
};
enum class LogLevel { kDebug, kInfo, kWarning, kError };
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace portolan
