#include "common/net/octets.h"

#include <fmt/format.h>

#include <algorithm>

namespace portolan {
namespace {

using literal::Problem;

Problem ParseOctetNumber(std::string_view text, uint32_t if_missing, uint32_t* out) {
  *out = if_missing;
  if (text.empty()) return {};
  if (text.find_first_not_of("0123456789") != text.npos) {
    return fmt::format("octet \"{}\" is not a number; write such as 10.0.0-5.1,3-4",
                       literal::Printable(text));
  }
  if (!literal::ParseNumber(text, 255, out))
    return fmt::format("octet {} is above 255", literal::Printable(text));
  if (text.size() > 1 && text[0] == '0') {
    return fmt::format("octet {} has a leading zero, which some programs read as octal; write {}",
                       literal::Printable(text), *out);
  }
  return {};
}

}  // namespace

Problem OctetExpression::Parse(std::string_view text, OctetExpression* out) {
  OctetExpression result;
  size_t octet = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '.' && text[i] != ',') continue;
    const std::string_view item = text.substr(begin, i - begin);
    begin = i + 1;
    if (octet > 3) return "more than four octets; write four, such as 10.0.0-5.1,3-4";
    if (item.empty()) return "an octet is missing; write four, such as 10.0.0-5.1,3-4";
    uint32_t first = 0;
    uint32_t last = 255;
    if (item != "*") {
      const size_t dash = item.find('-');
      if (Problem p = ParseOctetNumber(item.substr(0, dash), 0, &first); !p.empty()) return p;
      last = first;
      if (dash != item.npos) {
        if (Problem p = ParseOctetNumber(item.substr(dash + 1), 255, &last); !p.empty()) return p;
      }
      if (first > last)
        return fmt::format("octet range {}-{}: first is above last; write {}-{}", first, last, last,
                           first);
    }
    result.octets_[octet].push_back({static_cast<uint8_t>(first), static_cast<uint8_t>(last)});
    // Longer than any list without repetitions; keeps the work linear in the text.
    if (result.octets_[octet].size() > 256)
      return "more than 256 values in one octet; write * for all";
    if (i == text.size() || text[i] == '.') ++octet;
  }
  if (octet != 4) {
    return fmt::format("{} octet{}; write four, such as 10.0.0-5.1,3-4", octet,
                       octet == 1 ? "" : "s");
  }
  for (std::vector<Span>& spans : result.octets_) {
    std::sort(spans.begin(), spans.end(),
              [](const Span& a, const Span& b) { return a.first < b.first; });
    size_t kept = 0;
    for (size_t i = 1; i < spans.size(); ++i) {
      if (spans[i].first <= uint32_t{spans[kept].last} + 1) {
        spans[kept].last = std::max(spans[kept].last, spans[i].last);
      } else {
        spans[++kept] = spans[i];
      }
    }
    spans.resize(kept + 1);
  }
  *out = std::move(result);
  return {};
}

size_t OctetExpression::LastPartial() const {
  size_t last = 3;
  while (last > 0 && octets_[last][0].first == 0 && octets_[last][0].last == 255) --last;
  return last;
}

uint64_t OctetExpression::range_count() const {
  const size_t last = LastPartial();
  uint64_t count = octets_[last].size();
  for (size_t i = 0; i < last; ++i) {
    uint64_t values = 0;
    for (const Span& s : octets_[i]) values += uint64_t{s.last} - s.first + 1;
    count *= values;
  }
  return count;
}

void OctetExpression::AppendTo(std::vector<IpRange>* out) const {
  const size_t last = LastPartial();
  // Octets after `last` are full: a span there covers whole blocks of `unit` addresses.
  const uint32_t unit = last == 3 ? 1 : uint32_t{1} << (8 * (3 - last));
  std::vector<uint32_t> prefixes = {0};  // every combination of the octets before `last`, ascending
  for (size_t i = 0; i < last; ++i) {
    std::vector<uint32_t> longer;
    for (const uint32_t prefix : prefixes) {
      for (const Span& s : octets_[i]) {
        for (uint32_t value = s.first; value <= s.last; ++value)
          longer.push_back(prefix << 8 | value);
      }
    }
    prefixes = std::move(longer);
  }
  for (const uint32_t prefix : prefixes) {
    const uint32_t base = last == 0 ? 0 : (prefix << 8) * unit;
    for (const Span& s : octets_[last]) {
      out->push_back(
          {IpAddress::V4(base + s.first * unit), IpAddress::V4(base + s.last * unit + (unit - 1))});
    }
  }
}

}  // namespace portolan
