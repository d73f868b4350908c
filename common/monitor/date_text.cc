#include "common/monitor/date_text.h"

#include "common/base/status.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

using literal::Printable;
bool Digits(std::string_view text, size_t at, size_t n, int* out) {
  *out = 0;
  for (size_t i = at; i < at + n; ++i) {
    if (!literal::IsDigit(text[i])) return false;
    *out = *out * 10 + (text[i] - '0');
  }
  return true;
}

}  // namespace

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
