#include "common/monitor/duration_text.h"

#include <array>
#include <charconv>

#include "common/base/status.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

using literal::Printable;
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

bool Digits(std::string_view text, size_t at, size_t n, int* out) {
  *out = 0;
  for (size_t i = at; i < at + n; ++i) {
    if (!literal::IsDigit(text[i])) return false;
    *out = *out * 10 + (text[i] - '0');
  }
  return true;
}

}  // namespace

absl::StatusOr<Duration> ParseDurationText(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return InvalidArgument("duration \"{}\" {}", Printable(text), why);
  };
  constexpr std::string_view kRemedy =
      "is not understood; write whole numbers with units, as in 30d, 12h, 1h30m, 45s or 250ms";
  if (text.empty() || text.size() > 64) return bad(kRemedy);
  int64_t total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (!literal::IsDigit(rest.front()) || error == std::errc::invalid_argument)
      return bad(kRemedy);
    if (error != std::errc()) return bad("is too long; write at most 36525d");
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.empty()) return bad("has no unit; write as in 45s, 10m or 12h");
    const Unit* unit = nullptr;
    for (const Unit& u : kUnits) {
      if (unit == nullptr && rest.starts_with(u.name)) unit = &u;
    }
    if (unit == nullptr) return bad(kRemedy);
    rest.remove_prefix(unit->name.size());
    if (value > (kMaxMs - total) / unit->ms) return bad("is too long; write at most 36525d");
    total += value * unit->ms;
  }
  return Duration(milliseconds(total));
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

absl::StatusOr<WallTime> ParseDateText(std::string_view text) {
  int y, mo, d, h = 0, mi = 0, s = 0;
  bool ok = (text.size() == 10 || text.size() == 20) && Digits(text, 0, 4, &y) && text[4] == '-' &&
            Digits(text, 5, 2, &mo) && text[7] == '-' && Digits(text, 8, 2, &d);
  if (ok && text.size() == 20) {
    ok = text[10] == 'T' && Digits(text, 11, 2, &h) && text[13] == ':' &&
         Digits(text, 14, 2, &mi) && text[16] == ':' && Digits(text, 17, 2, &s) && text[19] == 'Z';
  }
  if (!ok) {
    return InvalidArgument(
        "date \"{}\" is not understood; write 2026-12-31 or 2026-12-31T18:00:00Z (UTC)",
        Printable(text));
  }
  const std::chrono::year_month_day date{std::chrono::year(y),
                                         std::chrono::month(static_cast<unsigned>(mo)),
                                         std::chrono::day(static_cast<unsigned>(d))};
  if (!date.ok() || y < 1970 || h > 23 || mi > 59 || s > 59) {
    return InvalidArgument("date \"{}\" does not exist, or is before 1970; write as in 2026-12-31",
                           Printable(text));
  }
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(h) + std::chrono::minutes(mi) +
         std::chrono::seconds(s);
}

std::string DateText(WallTime t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const auto s = std::chrono::floor<std::chrono::seconds>(t - day).count();
  std::string out =
      fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  if (s != 0) out += fmt::format("T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60);
  return out;
}

}  // namespace portolan
