#include "common/net/target_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/list_text.h"
#include "common/net/literal.h"
#include "common/net/octets.h"

namespace portolan {
namespace {

using literal::Printable;
using literal::Problem;

constexpr int kNoPort = -1;
constexpr size_t kMaxNames = 100'000;
constexpr std::string_view kOnePort =
    "a port can follow one address or name only; use -p for networks and ranges";

Problem ParsePort(std::string_view text, int* out) {
  uint32_t port;
  if (text.empty()) return "the port is missing after the colon; write such as 10.0.0.1:80";
  if (text.find_first_of(",-") != text.npos)
    return "one port a target; write it once for each port, or use -p";
  if (text.find_first_not_of("0123456789") != text.npos) {
    return fmt::format("port \"{}\" is not a number; write 0 to 65535", Printable(text));
  }
  if (!literal::ParseNumber(text, 65535, &port))
    return fmt::format("port {} is above 65535", Printable(text));
  *out = static_cast<int>(port);
  return {};
}

Problem ParseNetwork(std::string_view host, IpRange* range) {
  const std::string_view before = host.substr(0, host.find('/'));
  if (before.find(':') == before.npos && before.find_first_not_of("0123456789.") != before.npos) {
    if (before.find_first_not_of("0123456789.-,*") == before.npos)
      return "a mask follows one address; write a range or a network, not both";
    return "a mask follows an address, not a name; write such as 10.0.0.0/24";
  }
  return literal::ParseNetwork(host, /*strict_host_bits=*/false, range);
}

TargetList MakeList(std::vector<IpRange> ranges, std::vector<TargetList::Endpoint> endpoints) {
  TargetList list;
  const auto key = [](const TargetList::Endpoint& e) { return std::tie(e.address, e.port); };
  const auto below = [key](const auto& a, const auto& b) { return key(a) < key(b); };
  if (!std::is_sorted(endpoints.begin(), endpoints.end(), below))
    std::sort(endpoints.begin(), endpoints.end(), below);
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end(),
                              [key](const auto& a, const auto& b) { return key(a) == key(b); }),
                  endpoints.end());
  list.endpoints = std::move(endpoints);
  list.addresses = IpSet::Of(std::move(ranges));
  return list;
}

}  // namespace

// Reads the entries of one call. After its limits are exceeded nothing more is read.
class TargetParser {
 public:
  explicit TargetParser(size_t max_ranges) { out_.max_ranges_ = max_ranges; }

  absl::Status ParseExpression(std::string_view text, size_t index) {
    text_ = text;
    expression_ = index;
    ListReader reader(text);
    for (ListReader::Entry entry; reader.Next(&entry);) {
      ++out_.entry_count_;
      if (!HasRoomFor(1)) return TooManyRanges(entry);
      uint32_t v4;
      if (literal::ParseV4(entry.text, &v4)) {
        Add({IpAddress::V4(v4), IpAddress::V4(v4)}, kNoPort);
        continue;
      }
      full_ = false;
      if (Problem p = ParseEntry(entry); !p.empty()) AddProblem(entry, std::move(p));
      if (full_) return TooManyRanges(entry);
      if (out_.names_.size() > kMaxNames) {
        return ResourceExhausted(
            "target \"{}\": more than {} names; write addresses, or split the scan",
            Printable(entry.written), kMaxNames);
      }
    }
    return absl::OkStatus();
  }
  ParsedTargets Take() { return std::move(out_); }

 private:
  using Entry = ListReader::Entry;

  bool HasRoomFor(uint64_t ranges) const {
    const size_t used = out_.ranges_.size() + out_.endpoints_.size() + out_.uses_.size();
    return ranges <= out_.max_ranges_ && used <= out_.max_ranges_ - ranges;
  }
  absl::Status TooManyRanges(const Entry& entry) const {
    return ResourceExhausted(
        "target \"{}\": more than {} ranges in all; write networks, or split the scan",
        Printable(entry.written), out_.max_ranges_);
  }

  void AddProblem(const Entry& entry, Problem problem) {
    if (out_.problems_.full()) return out_.problems_.AddUnkept(std::nullopt);
    TargetProblem p;
    p.expression = expression_;
    p.at_character = refused_at_.has_value();
    p.place = PlaceOf(text_, entry.offset + refused_at_.value_or(0));
    p.entry = Printable(entry.written);
    p.problem = std::move(problem);
    out_.problems_.Add(std::move(p));
  }

  void Add(const IpRange& range, int port) {
    if (port == kNoPort) {
      out_.ranges_.push_back(range);
      out_.without_port_ = true;
    } else {
      out_.endpoints_.push_back({range.first, static_cast<uint16_t>(port)});
    }
  }

  Problem ParseEntry(const Entry& entry) {
    const std::string_view target = entry.text;
    refused_at_.reset();
    size_t at = 0;
    if (Problem p = CheckCharacters(entry.written, &at); !p.empty()) {
      refused_at_ = at;
      return p;
    }
    // One colon, or a colon after a bracket, sets off a port. More are an IPv6 address.
    std::string_view host = target;
    int port = kNoPort;
    const size_t colon = target.find(':');
    const size_t bracket = target.front() == '[' ? target.find(']') : target.npos;
    const bool bracketed = bracket != target.npos;
    const bool v6 =
        !bracketed && colon != target.npos && target.find(':', colon + 1) != target.npos;
    const size_t port_colon = bracketed ? bracket + 1 : v6 ? target.npos : colon;
    if (port_colon < target.size() && target[port_colon] == ':') {
      host = target.substr(0, port_colon);
      if (target.substr(port_colon).starts_with("://"))
        return "a URL is not a target; write only its host, and its port after a colon";
      if (!bracketed && host.find_first_of("/*,") != host.npos) return Problem(kOnePort);
      if (Problem p = ParsePort(target.substr(port_colon + 1), &port); !p.empty()) {
        // Behind a port, a mask or the end of a range is what people write next.
        const bool network =
            host.find('/') == host.npos && target.find('/', port_colon) != target.npos;
        return network ? Problem(kOnePort) : p;
      }
    }
    return ParseHost(entry, host, port);
  }

  Problem ParseHost(const Entry& entry, std::string_view host, int port) {
    const bool v6 = host.find_first_of(":[]%") != host.npos;
    const bool numeric = host.find_first_not_of("0123456789.-,*") == host.npos;
    if (host.empty()) return "the address is missing before the colon; write such as 10.0.0.1:80";
    if (host == "-")
      return "a dash alone is not a target; write the address before and behind it on one line";
    IpRange range;
    Problem problem;
    uint32_t v4;
    if (literal::ParseV4(host, &v4)) {
      range.first = range.last = IpAddress::V4(v4);
    } else if (host.find('/') != host.npos) {
      problem = ParseNetwork(host, &range);
    } else if (v6 && host.find('-') == host.npos) {
      problem = literal::ParseAddress(host, &range.first);
      if (!problem.empty() && port == kNoPort && host.front() != '[' &&
          problem.find("zone") == problem.npos) {
        problem += "; with a port write [2001:db8::1]:443";
      }
      range.last = range.first;
    } else if (v6 || (numeric && host.find('-') != host.npos &&
                      std::count(host.begin(), host.end(), '.') > 3)) {
      problem = literal::ParseAddressRange(host, &range);
      if (problem.empty() && port != kNoPort) problem = kOnePort;
    } else if (numeric) {
      return ParseOctets(host, port);
    } else {
      return AddName(entry, host, port);
    }
    if (problem.empty()) Add(range, port);
    return problem;
  }

  Problem ParseOctets(std::string_view host, int port) {
    OctetExpression octets;
    if (Problem p = OctetExpression::Parse(host, &octets); !p.empty()) return p;
    if (port != kNoPort) return Problem(kOnePort);
    if (!HasRoomFor(octets.range_count())) {
      full_ = true;
      return {};
    }
    octets.AppendTo(&out_.ranges_);
    out_.without_port_ = true;
    return {};
  }

  Problem AddName(const Entry& entry, std::string_view host, int port) {
    if (Problem p = CheckHostName(host); !p.empty()) return p;
    const auto [it, is_new] =
        name_index_.try_emplace(NormalisedName(host), static_cast<uint32_t>(out_.names_.size()));
    if (is_new) out_.names_.emplace_back(host);
    ParsedTargets::NameUse use;
    use.name = it->second;
    use.expression = static_cast<uint32_t>(expression_);
    // A list is one line after the other, or one entry each: counting is cheap in both.
    if (entry.offset < counted_.first || counted_.second != expression_) {
      counted_ = {0, expression_};
      place_ = {};
    }
    const TextPlace more = PlaceOf(text_.substr(counted_.first), entry.offset - counted_.first);
    place_.column = more.line > 1 ? more.column : place_.column + more.column - 1;
    place_.line += more.line - 1;
    counted_.first = entry.offset;
    use.place = place_;
    if (port == kNoPort) {
      out_.without_port_ = true;
    } else {
      use.port = static_cast<uint16_t>(port);
    }
    out_.uses_.push_back(use);
    return {};
  }

  std::string_view text_;  // the current expression
  size_t expression_ = 0;
  std::optional<size_t> refused_at_;  // of the current entry: the offset of a character
  bool full_ = false;                 // the current entry is more than there is room for
  // The place of the last name, and what of which expression was counted for it.
  std::pair<size_t, size_t> counted_{0, 0};
  TextPlace place_;
  std::unordered_map<std::string, uint32_t> name_index_;  // normalised -> index into names_
  ParsedTargets out_;
};

absl::StatusOr<ParsedTargets> ParseTargets(const std::vector<std::string>& expressions,
                                           size_t max_ranges) {
  TargetParser parser(max_ranges);
  for (size_t i = 0; i < expressions.size(); ++i)
    PORTOLAN_RETURN_IF_ERROR(parser.ParseExpression(expressions[i], i));
  return parser.Take();
}

absl::StatusOr<TargetList> ParseAddressTargets(const std::vector<std::string>& expressions,
                                               size_t max_ranges) {
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseTargets(expressions, max_ranges));
  TargetProblems problems = parsed.problems();
  for (const ParsedTargets::NameUse& use : parsed.name_uses()) {
    TargetProblem p;
    p.expression = use.expression;
    p.place = use.place;
    p.entry = Printable(parsed.names()[use.name]);
    p.problem = "host names are not allowed here; write the address";
    problems.Add(std::move(p));
  }
  if (!problems.empty()) return problems.ToStatus();
  return parsed.WithoutNames();
}

TargetList ParsedTargets::WithoutNames() const { return MakeList(ranges_, endpoints_); }

absl::StatusOr<ParsedTargets::Completed> ParsedTargets::Complete(
    const std::vector<NameAnswer>& answers, bool skip_unresolved) const {
  if (answers.size() != names_.size())
    return Internal("{} for {}", Counted(answers.size(), "answer", "answers"),
                    Counted(names_.size(), "name", "names"));
  Completed out;
  std::vector<IpRange> ranges = ranges_;
  std::vector<TargetList::Endpoint> endpoints = endpoints_;
  for (const NameUse& use : uses_) {
    const NameAnswer& answer = answers[use.name];
    if (answer.addresses.empty() && !skip_unresolved) {
      const LookupProblem why = answer.problem.value_or(LookupProblem::kNoAddress);
      if (out.problems.full()) {
        out.problems.AddUnkept(why);
        continue;
      }
      TargetProblem p;
      p.expression = use.expression;
      p.place = use.place;
      p.entry = Printable(names_[use.name]);
      if (use.port) p.entry += fmt::format(":{}", *use.port);
      p.problem = LookupProblemText(why, answer.detail);
      p.lookup = why;
      out.problems.Add(std::move(p));
    }
    if (answer.addresses.size() > max_ranges_ ||
        ranges.size() + endpoints.size() > max_ranges_ - answer.addresses.size()) {
      return ResourceExhausted(
          "target \"{}\": more than {} ranges in all; write networks, or split the scan",
          Printable(names_[use.name]), max_ranges_);
    }
    for (const IpAddress& a : answer.addresses) {
      if (use.port) {
        endpoints.push_back({a, *use.port});
      } else {
        ranges.push_back({a, a});
      }
    }
  }
  if (!out.problems.empty()) return out;
  out.targets = MakeList(std::move(ranges), std::move(endpoints));
  for (size_t i = 0; i < names_.size(); ++i) {
    if (answers[i].addresses.empty()) {
      out.skipped.push_back({names_[i], answers[i].problem.value_or(LookupProblem::kNoAddress)});
    } else {
      out.targets.names.push_back({names_[i], answers[i].addresses});
    }
  }
  return out;
}

std::string LookupProblemText(LookupProblem problem, std::string_view detail) {
  const std::string why = detail.empty() ? "" : fmt::format(" ({})", Printable(detail));
  switch (problem) {
    case LookupProblem::kNoSuchName:
      return fmt::format("there is no such name{}; correct it, or write the address", why);
    case LookupProblem::kNoAddress:
      return fmt::format("the name exists but has no address{}; correct it, or write the address",
                         why);
    case LookupProblem::kCouldNotAsk:
      break;
  }
  return fmt::format(
      "no name server could be asked{}, so nothing is known about the name; try again, or write "
      "the address",
      why);
}

}  // namespace portolan
