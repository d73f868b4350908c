#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/net/literal.h"
#include "common/net/port_set.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

using literal::Printable;
using literal::Problem;

// Every port on its own fits in 400 kB.
constexpr size_t kMaxExpression = size_t{1} << 20;
// "*" a hundred thousand times must not cost a hundred thousand times the catalogue.
constexpr size_t kMaxRanges = 500'000;
// Longer than any service name; bounds the cost of wildcards and hints.
constexpr size_t kMaxName = 64;

// What people call a service whose catalogue name is another. Both in lower case.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"dns", "domain"},        {"k8s", "kubernetes-api"}, {"kubernetes", "kubernetes-api"},
    {"mongo", "mongodb"},     {"mssql", "ms-sql-s"},     {"postgres", "postgresql"},
    {"rdp", "ms-wbt-server"}, {"rpcbind", "sunrpc"},     {"smb", "microsoft-ds"},
    {"smtps", "submissions"}, {"winrm", "wsman"},        {"zookeeper-client", "zookeeper"},
};

std::string_view Trim(std::string_view s) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = s.find_first_not_of(kBlank);
  if (first == s.npos) return {};
  return s.substr(first, s.find_last_not_of(kBlank) - first + 1);
}

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Shell-style match with * and ?, without recursion.
bool Matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = pattern.npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

// Levenshtein distance; both at most kMaxName long.
size_t Distance(std::string_view a, std::string_view b) {
  std::array<size_t, kMaxName + 1> row;
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// "; did you mean postgresql?", or "" when nothing is close.
std::string Hint(std::string_view name) {
  struct Candidate {
    size_t distance;
    uint16_t rank;
    std::string_view name;
  };
  std::vector<Candidate> close;
  const size_t limit = std::max<size_t>(1, name.size() / 4);
  for (const Service& s : ServiceCatalogue()) {
    size_t distance = limit + 1;
    const size_t longer = std::max(name.size(), s.name.size());
    if (longer - std::min(name.size(), s.name.size()) <= limit) distance = Distance(name, s.name);
    // What somebody cut short or wrote out ("postgres") is as good as one wrong letter.
    const bool prefix = s.name.starts_with(name) || name.starts_with(s.name);
    if (name.size() >= 3 && prefix) distance = std::min<size_t>(distance, 1);
    if (distance <= limit) close.push_back({distance, s.rank, s.name});
  }
  std::sort(close.begin(), close.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.distance, a.rank) < std::tie(b.distance, b.rank);
  });
  std::vector<std::string_view> names;
  for (const Candidate& c : close) {
    if (names.size() == 3) break;
    if (std::find(names.begin(), names.end(), c.name) == names.end()) names.push_back(c.name);
  }
  return names.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(names, " or "));
}

Problem ParseRange(std::string_view item, PortRange* out) {
  const size_t dash = item.find('-');
  const std::string_view first_text = Trim(item.substr(0, dash));
  const std::string_view last_text = Trim(item.substr(dash + 1));
  uint32_t first = 1;
  uint32_t last = 65535;
  for (const auto& [text, port] : {std::pair{first_text, &first}, std::pair{last_text, &last}}) {
    if (text.find('-') != text.npos) return "more than one dash; write FIRST-LAST";
    if (text.find_first_of(" \t\r\n") != text.npos) return "separate ports by commas";
    if (!text.empty() && !literal::ParseNumber(text, 65535, port)) return "ports end at 65535";
  }
  if (first > last) return "first port is above last";
  *out = {static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
  return {};
}

Problem ParseName(std::string_view item, std::vector<PortRange>* out) {
  if (item == "well-known") return out->push_back({1, 1023}), Problem();
  if (item == "registered") return out->push_back({1024, 49151}), Problem();
  if (item == "dynamic") return out->push_back({49152, 65535}), Problem();
  if (item.size() > kMaxName) return "no service has a name that long";
  if (item.starts_with("t:") || item.starts_with("u:") || item.starts_with("s:")) {
    return "protocol prefixes are not understood, all ports are TCP; write the port alone";
  }
  const bool wildcard = item.find_first_of("*?") != item.npos;
  const size_t before = out->size();
  for (const Service& s : ServiceCatalogue()) {
    if (wildcard ? Matches(item, s.name) : item == s.name) out->push_back({s.port, s.port});
  }
  if (out->size() > before) return {};
  for (const auto& [alias, name] : kAliases) {
    if (item == alias) return ParseName(name, out);
  }
  if (wildcard)
    return "no service of the catalogue matches; write a port number or another pattern";
  if (item.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.+/") != item.npos) {
    return "not a port, a range or a service name; write such as 22,80,8000-8100,http*";
  }
  return "no service of the catalogue has that name; write its port number" + Hint(item);
}

}  // namespace

absl::StatusOr<PortSet> TopPorts(int n) {
  const auto services = ServiceCatalogue();
  if (n < 1 || static_cast<size_t>(n) > services.size()) {
    return InvalidArgument("top ports \"{}\": the catalogue ranks {} ports; write 1 to {}", n,
                           services.size(), services.size());
  }
  std::vector<PortRange> ranges;
  for (const Service& s : services) {
    if (s.rank <= n) ranges.push_back({s.port, s.port});
  }
  return PortSet::Of(std::move(ranges));
}

absl::StatusOr<PortSet> ParsePorts(std::string_view text) {
  if (text.size() > kMaxExpression) {
    return InvalidArgument("ports: an expression of {} bytes; at most {}; use ranges", text.size(),
                           kMaxExpression);
  }
  if (Trim(text).empty())
    return InvalidArgument("ports \"{}\": empty; write such as 22,80,8000-8100", Printable(text));
  std::vector<PortRange> ranges;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view raw = Trim(text.substr(begin, comma - begin));
    begin = comma + 1;
    if (raw.empty())
      return InvalidArgument("ports \"{}\": an item is empty; remove the extra comma",
                             Printable(text));
    const auto error = [&raw](std::string_view kind, const Problem& p) {
      return InvalidArgument("{} \"{}\": {}", kind, Printable(raw), p);
    };
    if (raw.find_first_not_of("0123456789") == raw.npos) {
      uint32_t port;
      if (!literal::ParseNumber(raw, 65535, &port)) return error("port", "ports end at 65535");
      ranges.push_back({static_cast<uint16_t>(port), static_cast<uint16_t>(port)});
    } else if (raw.find('-') != raw.npos &&
               raw.find_first_not_of("0123456789- \t\r\n") == raw.npos) {
      PortRange range;
      if (Problem p = ParseRange(raw, &range); !p.empty()) return error("port range", p);
      ranges.push_back(range);
    } else if (raw.find_first_not_of("0123456789 \t\r\n") == raw.npos) {
      return error("ports", "separate ports by commas");
    } else {
      const std::string name = Lower(raw);
      uint32_t count;
      if (name.starts_with("top-") &&
          literal::ParseNumber(std::string_view(name).substr(4), 65536, &count)) {
        PORTOLAN_ASSIGN_OR_RETURN(const PortSet top, TopPorts(static_cast<int>(count)));
        ranges.insert(ranges.end(), top.ranges().begin(), top.ranges().end());
      } else if (Problem p = ParseName(name, &ranges); !p.empty()) {
        return error("port", p);
      }
    }
    if (ranges.size() > kMaxRanges) {
      return InvalidArgument(
          "ports: more than {} ports and ranges, so most of them repeated; write each once",
          kMaxRanges);
    }
  }
  return PortSet::Of(std::move(ranges));
}

}  // namespace portolan
