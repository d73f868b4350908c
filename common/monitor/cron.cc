#include "common/monitor/cron.h"

#include <string>
#include <vector>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

using literal::Printable;

struct FieldKind {
  std::string_view name;
  uint32_t first, last;
  std::array<std::string_view, 12> names;  // of `names_from` and on
  uint32_t names_from;
};
constexpr std::array<FieldKind, 5> kFields = {{
    {"minute", 0, 59, {}, 0},
    {"hour", 0, 23, {}, 0},
    {"day of month", 1, 31, {}, 0},
    {"month",
     1,
     12,
     {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
     1},
    {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, 0},
}};

struct Macro {
  std::string_view name, text;
};
constexpr std::array<Macro, 7> kMacros = {{{"@hourly", "0 * * * *"},
                                           {"@daily", "0 0 * * *"},
                                           {"@midnight", "0 0 * * *"},
                                           {"@weekly", "0 0 * * 0"},
                                           {"@monthly", "0 0 1 * *"},
                                           {"@yearly", "0 0 1 1 *"},
                                           {"@annually", "0 0 1 1 *"}}};

bool EqualFold(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != b[i]) return false;
  }
  return true;
}

absl::StatusOr<uint32_t> ParseValue(const FieldKind& kind, std::string_view text) {
  for (size_t i = 0; i < kind.names.size(); ++i) {
    if (!kind.names[i].empty() && EqualFold(text, kind.names[i]))
      return kind.names_from + static_cast<uint32_t>(i);
  }
  uint32_t value;
  if (!literal::ParseNumber(text, kind.last, &value) || value < kind.first) {
    return InvalidArgument(
        "{} \"{}\" is not a value; write {} to {}{}", kind.name, Printable(text), kind.first,
        kind.last,
        kind.names[0].empty() ? "" : fmt::format(", or a name such as {}", kind.names[0]));
  }
  return value;
}

absl::Status ParseItem(const FieldKind& kind, std::string_view item, uint64_t* bits) {
  std::string_view range = item;
  uint32_t step = 1;
  if (const size_t slash = item.find('/'); slash != item.npos) {
    range = item.substr(0, slash);
    if (!literal::ParseNumber(item.substr(slash + 1), kind.last, &step) || step == 0) {
      return InvalidArgument("{} \"{}\": the step is not 1 to {}", kind.name, Printable(item),
                             kind.last);
    }
    if (range != "*" && range.find('-') == range.npos) {
      return InvalidArgument("{} \"{}\": a step follows * or a range; write {}-{}/{}", kind.name,
                             Printable(item), Printable(range), kind.last, step);
    }
  }
  uint32_t first = kind.first, last = kind.last;
  if (range != "*") {
    const size_t dash = range.find('-');
    PORTOLAN_ASSIGN_OR_RETURN(first, ParseValue(kind, range.substr(0, dash)));
    last = first;
    if (dash != range.npos) {
      PORTOLAN_ASSIGN_OR_RETURN(last, ParseValue(kind, range.substr(dash + 1)));
      if (kind.last == 7 && last == 0 && first > 0) last = 7;  // fri-sun
    }
    if (first > last) {
      return InvalidArgument(
          "{} \"{}\": the first value is above the last; write two ranges, as "
          "in {}-{},{}-{}",
          kind.name, Printable(item), first, kind.last, kind.first, last);
    }
  }
  for (uint32_t v = first; v <= last; v += step) *bits |= uint64_t{1} << v;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ParseField(const FieldKind& kind, std::string_view text) {
  uint64_t bits = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    PORTOLAN_RETURN_IF_ERROR(ParseItem(kind, text.substr(begin, comma - begin), &bits));
    begin = comma + 1;
  }
  return bits;
}

std::vector<std::string_view> SplitBlanks(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < text.size() && out.size() < 7;) {
    const size_t end = std::min(text.find_first_of(" \t", i), text.size());
    if (end > i) out.push_back(text.substr(i, end - i));
    i = end + 1;
  }
  return out;
}

}  // namespace

absl::StatusOr<CronExpression> CronExpression::Parse(std::string_view text) {
  if (text.size() > 256) {
    return InvalidArgument("cron expression \"{}\" is longer than 256 characters; write ranges",
                           Printable(text));
  }
  std::vector<std::string_view> words = SplitBlanks(text);
  if (words.size() == 1 && words[0].starts_with('@')) {
    const std::string_view macro = words[0];
    words.clear();
    for (const Macro& m : kMacros) {
      if (EqualFold(macro, m.name)) words = SplitBlanks(m.text);
    }
    if (words.empty()) {
      return InvalidArgument(
          "cron expression \"{}\": there are @hourly, @daily, @midnight, @weekly, @monthly, "
          "@yearly and @annually",
          Printable(text));
    }
  }
  if (words.size() != 5) {
    return InvalidArgument(
        "cron expression \"{}\" has {}; write five: minute, hour, day of month, month, day "
        "of week, as in 30 6 * * mon-fri",
        Printable(text),
        words.size() > 5 ? "more than 5 fields" : Counted(words.size(), "field", "fields"));
  }
  std::array<uint64_t, 5> bits;
  for (size_t i = 0; i < 5; ++i) {
    auto field = ParseField(kFields[i], words[i]);
    if (!field.ok())
      return Annotate(field.status(), fmt::format("cron expression \"{}\"", Printable(text)));
    bits[i] = *field;
  }
  CronExpression c;
  c.minutes_ = bits[0];
  c.hours_ = static_cast<uint32_t>(bits[1]);
  c.days_ = static_cast<uint32_t>(bits[2]);
  c.months_ = static_cast<uint32_t>(bits[3]);
  c.weekdays_ = static_cast<uint32_t>((bits[4] | bits[4] >> 7) & 0x7F);  // 7 is Sunday too
  c.any_day_ = words[2].starts_with('*');
  c.any_weekday_ = words[4].starts_with('*');
  c.recurs_ = words[0].starts_with('*') || words[1].starts_with('*');
  if (!c.NextAfter(absl::CivilMinute(2000, 1, 1)).has_value()) {
    return InvalidArgument(
        "cron expression \"{}\": no date ever meets it; no month of the list has such a day",
        Printable(text));
  }
  return c;
}

bool CronExpression::MatchesDay(absl::CivilDay day) const {
  // absl counts from Monday.
  const int weekday = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
  const bool by_day = (days_ >> day.day() & 1) != 0;
  const bool by_weekday = (weekdays_ >> weekday & 1) != 0;
  if (any_day_ || any_weekday_) return by_day && by_weekday;
  return by_day || by_weekday;
}

bool CronExpression::Matches(absl::CivilMinute t) const {
  return (minutes_ >> t.minute() & 1) != 0 && (hours_ >> t.hour() & 1) != 0 &&
         (months_ >> t.month() & 1) != 0 && MatchesDay(absl::CivilDay(t));
}

std::optional<absl::CivilMinute> CronExpression::NextAfter(absl::CivilMinute t) const {
  absl::CivilMinute at = t + 1;
  const absl::CivilDay end = absl::CivilDay(t) + 12L * 366;
  // Each turn leaves a month, a day, an hour or a minute behind: at most 12 years of days.
  while (absl::CivilDay(at) <= end) {
    if ((months_ >> at.month() & 1) == 0) {
      at = absl::CivilMinute(absl::CivilMonth(at) + 1);
    } else if (!MatchesDay(absl::CivilDay(at))) {
      at = absl::CivilMinute(absl::CivilDay(at) + 1);
    } else if ((hours_ >> at.hour() & 1) == 0) {
      at = absl::CivilMinute(absl::CivilHour(at) + 1);
    } else if ((minutes_ >> at.minute() & 1) == 0) {
      at = at + 1;
    } else {
      return at;
    }
  }
  return std::nullopt;
}

absl::StatusOr<absl::TimeZone> FindTimeZone(std::string_view name) {
  // Only plain names: the library would open any path, and read the machine's own settings.
  bool plain = !name.empty() && name.size() <= 64 && name != "localtime";
  char before = '/';
  for (const char c : name) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!letter &&
        (before == '/' || (!literal::IsDigit(c) && c != '_' && c != '-' && c != '+' && c != '/')))
      plain = false;
    before = c;
  }
  absl::TimeZone zone;
  if (plain && (name == "UTC" || absl::LoadTimeZone(std::string(name), &zone)))
    return name == "UTC" ? absl::UTCTimeZone() : zone;
  return InvalidArgument(
      "time zone \"{}\" is not known here; write a name such as Europe/Berlin or UTC (the package "
      "tzdata holds them)",
      Printable(name));
}

}  // namespace portolan
