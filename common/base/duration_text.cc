#include "common/base/duration_text.h"

#include <array>
#include <charconv>

#include "common/base/escape.h"
#include "common/base/status.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  int64_t ms;
};
// "ms" before "m": the longer name is tried first.
constexpr std::array<Unit, 6> kUnits = {{{"ms", 1},
                                         {"w", 604'800'000},
                                         {"d", 86'400'000},
                                         {"h", 3'600'000},
                                         {"m", 60'000},
                                         {"s", 1000}}};
constexpr int64_t kMaxMs = int64_t{36'525} * 86'400'000;

constexpr std::string_view kGrammar =
    "is not understood; write numbers with units, as in 30d, 12h, 1h30m, 45s or 1500ms";
constexpr std::string_view kTooLong = "is too long; write at most 36525d";

size_t DigitsAtStart(std::string_view text) {
  return std::min(text.find_first_not_of("0123456789"), text.size());
}

// What somebody who wrote `number` alone most likely meant.
std::string WithUnits(std::string_view number) {
  // Nobody gives thousands of days, and few give single milliseconds.
  return number.find('.') == std::string_view::npos && number.size() > 2
             ? fmt::format("{0}ms, {0}s, {0}m or {0}h", number)
             : fmt::format("{0}s, {0}m, {0}h or {0}d", number);
}

}  // namespace

absl::StatusOr<Duration> ParseDurationText(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return InvalidArgument("duration \"{}\" {}", Escaped(text), why);
  };
  if (text == "0") return Duration::zero();
  if (text.empty() || text.size() > 64) return bad(kGrammar);
  int64_t total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view whole = rest.substr(0, DigitsAtStart(rest));
    if (whole.empty()) return bad(kGrammar);
    rest.remove_prefix(whole.size());
    std::string_view fraction;
    if (rest.starts_with('.')) {
      fraction = rest.substr(1, DigitsAtStart(rest.substr(1)));
      if (fraction.empty()) return bad(kGrammar);
      rest.remove_prefix(1 + fraction.size());
    }
    if (rest.empty()) {
      const auto length = whole.size() + (fraction.empty() ? 0 : 1 + fraction.size());
      return bad("has no unit; write " + WithUnits(text.substr(text.size() - length)));
    }
    const Unit* unit = nullptr;
    for (const Unit& u : kUnits) {
      if (unit == nullptr && rest.starts_with(u.name)) unit = &u;
    }
    if (unit == nullptr) return bad(kGrammar);
    rest.remove_prefix(unit->name.size());

    int64_t value = 0;
    const auto parsed = std::from_chars(whole.data(), whole.data() + whole.size(), value);
    if (parsed.ec != std::errc() || value > (kMaxMs - total) / unit->ms) return bad(kTooLong);
    total += value * unit->ms;
    // Digit by digit, so that it is exact: what is left of the unit must divide by ten each time.
    int64_t left = unit->ms, part = 0;
    for (const char digit : fraction) {
      if (digit == '0' && left % 10 != 0) continue;  // 1.000s is as good as 1s
      if (left % 10 != 0) return bad("is finer than a millisecond; write whole milliseconds");
      left /= 10;
      part += (digit - '0') * left;
    }
    if (part > kMaxMs - total) return bad(kTooLong);
    total += part;
  }
  return Duration(milliseconds(total));
}

absl::StatusOr<Duration> ParseDurationText(std::string_view text, Duration least, Duration most) {
  PORTOLAN_ASSIGN_OR_RETURN(const Duration value, ParseDurationText(text));
  if (value < least || value > most) {
    return InvalidArgument("{} is not between {} and {}", Escaped(text), DurationText(least),
                           DurationText(most));
  }
  return value;
}

std::string DurationText(Duration d) {
  int64_t ms = std::chrono::duration_cast<milliseconds>(d).count();
  if (ms <= 0) return "0s";
  std::string out;
  for (const Unit& u : {kUnits[2], kUnits[3], kUnits[4], kUnits[5], kUnits[0]}) {
    if (ms >= u.ms) out += fmt::format("{}{}", ms / u.ms, u.name);
    ms %= u.ms;
  }
  return out;
}

}  // namespace portolan
