#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "common/base/time.h"
#include "common/ops/log.h"

// How a line of the log looks; apart from where it goes.
namespace portolan {

std::string_view LogLevelName(LogLevel level);  // "warning"

// "2026-01-02T03:04:05.678Z", UTC.
std::string FormatWallTime(WallTime t);

// Without a line end; never holds one, whatever the values hold. Values that are empty or hold
// blanks, quotes, '=' or control characters are quoted; control characters and bytes that are no
// UTF-8 are escaped, so a peer cannot forge a line.
std::string FormatLogText(WallTime when, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields);
std::string FormatLogJson(WallTime when, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields);

}  // namespace portolan
