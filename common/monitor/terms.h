#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// Words that specifications, exposure and notifications share.
namespace portolan {

// Which side of the firewall a vantage of a monitor stands on.
// The numbers are stored: never change one.
enum class VantageRole : uint8_t { kInside = 1, kOutside = 2 };
enum class ExpectAction : uint8_t { kMustBeOpen = 1, kMayBeOpen = 2, kMustNotBeOpen = 3 };
enum class Severity : uint8_t { kInfo = 1, kLow = 2, kMedium = 3, kHigh = 4, kCritical = 5 };

std::string_view Name(VantageRole role);     // "inside"
std::string_view Name(ExpectAction action);  // "must-not-be-open"
std::string_view Name(Severity severity);    // "critical"
// Nullopt: no such name.
std::optional<Severity> ParseSeverity(std::string_view name);

}  // namespace portolan
