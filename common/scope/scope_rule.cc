#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "common/base/status.h"
#include "common/net/list_text.h"
#include "common/net/literal.h"
#include "common/net/octets.h"
#include "common/scope/scope.h"

namespace portolan {
namespace {

using literal::Printable;
using literal::Problem;

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr size_t kMaxOctetRanges = 65'536;
constexpr std::string_view kBlank = " \t\r\n\f\v";

// Without comment and outer blanks.
std::string_view Strip(std::string_view s) {
  s = s.substr(0, s.find('#'));
  const size_t first = s.find_first_not_of(kBlank);
  if (first == s.npos) return {};
  return s.substr(first, s.find_last_not_of(kBlank) - first + 1);
}

Problem ParseAddresses(std::string_view text, IpSet* out) {
  IpRange range;
  if (text == "*") {
    *out = IpSet::Of({{IpAddress::V4(0), IpAddress::V4(0xffffffff)},
                      {IpAddress::V6(0), IpAddress::V6(~uint128{0})}});
    return {};
  }
  const size_t colons =
      text.size() - static_cast<size_t>(std::count(text.begin(), text.end(), ':'));
  const bool one_colon = colons + 1 == text.size();
  if (one_colon || text.find("]:") != text.npos)
    return "write ports after a blank: 10.0.0.1 80,443";
  Problem problem;
  if (text.find('/') != text.npos) {
    problem = literal::ParseNetwork(text, /*strict_host_bits=*/true, &range);
  } else if (text.find(':') == text.npos && text.find_first_not_of("0123456789.") == text.npos) {
    problem = literal::ParseAddress(text, &range.first);
    range.last = range.first;
  } else if (text.find_first_not_of("0123456789.-,*") == text.npos &&
             std::count(text.begin(), text.end(), '.') <= 3) {
    OctetExpression octets;
    problem = OctetExpression::Parse(text, &octets);
    if (problem.empty() && octets.range_count() > kMaxOctetRanges)
      problem = "too many ranges; write networks";
    if (!problem.empty()) return problem;
    std::vector<IpRange> ranges;
    octets.AppendTo(&ranges);
    *out = IpSet::Of(std::move(ranges));
    return {};
  } else if (text.find('-') != text.npos &&
             text.find_first_not_of("0123456789abcdefABCDEF:.-[]") == text.npos) {
    problem = literal::ParseAddressRange(text, &range);
  } else if (text.find_first_of(":[]%") != text.npos) {
    problem = literal::ParseAddress(text, &range.first);
    range.last = range.first;
  } else if (text.find(',') != text.npos) {
    problem = "one network a rule; write several rules";
  } else {
    problem = "a rule holds an address, a network or a range, not a name; write such as 10.0.0.0/8";
  }
  if (problem.empty()) *out = IpSet::Of({range});
  return problem;
}

}  // namespace

absl::StatusOr<ScopeRule> ParseScopeRule(std::string_view text) {
  const std::string_view rule = Strip(text);
  const auto error = [rule](const Problem& p) {
    return InvalidArgument("scope rule \"{}\": {}", Printable(rule), p);
  };
  if (rule.empty()) return error("empty; write such as 10.0.0.0/8 or 10.0.0.0/8 80,443");
  ScopeRule out;
  out.text = std::string(rule);
  if (rule == "none") return out;
  const size_t blank = rule.find_first_of(kBlank);
  if (Problem p = ParseAddresses(rule.substr(0, blank), &out.addresses); !p.empty())
    return error(p);
  if (blank != rule.npos) {
    auto ports = ParsePorts(rule.substr(blank));
    if (!ports.ok()) return error(std::string(Message(ports.status())));
    out.ports = *std::move(ports);
  }
  return out;
}

absl::StatusOr<std::vector<ScopeRule>> ReadScopeFile(const std::string& path) {
  const auto failed = [&path](int error) {
    return MakeStatus(absl::ErrnoToStatusCode(error),
                      fmt::format("scope file \"{}\": {}; give a file that can be read", path,
                                  std::strerror(error)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (file == nullptr) return failed(errno);
  std::string content;
  char buffer[65536];
  size_t got;
  errno = 0;
  while ((got = std::fread(buffer, 1, sizeof(buffer), file.get())) > 0) {
    content.append(buffer, got);
    if (content.size() > kMaxFileBytes) {
      return ResourceExhausted("scope file \"{}\": larger than {} MiB; write networks", path,
                               kMaxFileBytes >> 20);
    }
  }
  if (std::ferror(file.get()) != 0) return failed(errno);

  content = DecodeText(std::move(content));
  std::vector<ScopeRule> rules;
  size_t number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line = Strip(std::string_view(content).substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (line.empty()) continue;
    auto rule = ParseScopeRule(line);
    if (!rule.ok())
      return Annotate(rule.status(), fmt::format("scope file \"{}\" line {}", path, number));
    rules.push_back(*std::move(rule));
  }
  return rules;
}

}  // namespace portolan
