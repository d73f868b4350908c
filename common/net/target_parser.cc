#include "common/net/target_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/literal.h"
#include "common/net/octets.h"

namespace portolan {
namespace {

using literal::Printable;
using literal::Problem;

constexpr std::string_view kBlank = " \t\r\n\f\v";
constexpr int kNoPort = -1;
// Names are looked up one after the other, milliseconds each.
constexpr size_t kMaxNames = 100'000;

std::string Ordinal(size_t n) {
  const bool teens = n % 100 >= 11 && n % 100 <= 13;
  const char* suffix = teens         ? "th"
                       : n % 10 == 1 ? "st"
                       : n % 10 == 2 ? "nd"
                       : n % 10 == 3 ? "rd"
                                     : "th";
  return fmt::format("{}{}", n, suffix);
}

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

// Reads the targets of one call. Names are only collected, so that a typing error in the last line
// is found before the first lookup.
class Parser {
 public:
  Parser(const Resolver& resolver, size_t max_ranges)
      : resolver_(resolver), max_ranges_(max_ranges) {}

  absl::Status ParseExpression(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      if (text[i] == '#') {
        i = std::min(text.find('\n', i), text.size());
      } else if (kBlank.find(text[i]) != kBlank.npos) {
        ++i;
      } else {
        const size_t end = std::min(text.find_first_of(" \t\r\n\f\v#", i), text.size());
        PORTOLAN_RETURN_IF_ERROR(ParseTarget(text.substr(i, end - i)));
        i = end;
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<TargetList> Finish() {
    PORTOLAN_RETURN_IF_ERROR(ResolveNames());
    const auto key = [](const TargetList::Endpoint& e) { return std::tie(e.address, e.port); };
    const auto below = [key](const auto& a, const auto& b) { return key(a) < key(b); };
    auto& endpoints = list_.endpoints;
    if (!std::is_sorted(endpoints.begin(), endpoints.end(), below))
      std::sort(endpoints.begin(), endpoints.end(), below);
    endpoints.erase(std::unique(endpoints.begin(), endpoints.end(),
                                [key](const auto& a, const auto& b) { return key(a) == key(b); }),
                    endpoints.end());
    list_.addresses = IpSet::Of(std::move(ranges_));
    return std::move(list_);
  }

 private:
  struct NameUse {
    size_t name;     // index into list_.names
    size_t ordinal;  // of the target
    int port;
  };

  absl::Status Error(std::string_view target, size_t ordinal, const Problem& problem) const {
    return InvalidArgument("target \"{}\" ({}): {}", Printable(target), Ordinal(ordinal), problem);
  }
  absl::Status TooMany(std::string_view target, size_t ordinal) const {
    return ResourceExhausted(
        "target \"{}\" ({}): more than {} ranges in all; write networks, or split the scan",
        Printable(target), Ordinal(ordinal), max_ranges_);
  }
  bool HasRoomFor(uint64_t ranges) const {
    return ranges <= max_ranges_ && ranges_.size() + list_.endpoints.size() <= max_ranges_ - ranges;
  }

  void Add(const IpRange& range, int port) {
    if (port == kNoPort) {
      ranges_.push_back(range);
    } else {
      list_.endpoints.push_back({range.first, static_cast<uint16_t>(port)});
    }
  }

  absl::Status ParseTarget(std::string_view target) {
    ++ordinal_;
    if (!HasRoomFor(1)) return TooMany(target, ordinal_);
    uint32_t v4;
    if (literal::ParseV4(target, &v4)) {
      Add({IpAddress::V4(v4), IpAddress::V4(v4)}, kNoPort);
      return absl::OkStatus();
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
      if (target.substr(port_colon).starts_with("://")) {
        return Error(target, ordinal_,
                     "a URL is not a target; write only its host, and its port after a colon");
      }
      if (!bracketed && host.find_first_of("/*,") != host.npos) {
        return Error(target, ordinal_,
                     "a port can follow one address or name only; use -p for networks and ranges");
      }
      if (Problem p = ParsePort(target.substr(port_colon + 1), &port); !p.empty()) {
        // Behind a port, a mask or the end of a range is what people write next.
        if (host.find('/') == host.npos && target.find('/', port_colon) != target.npos) {
          p = "a port can follow one address or name only; use -p for networks and ranges";
        }
        return Error(target, ordinal_, p);
      }
    }
    return ParseHost(target, host, port);
  }

  absl::Status ParseHost(std::string_view target, std::string_view host, int port) {
    const bool v6 = host.find_first_of(":[]%") != host.npos;
    const bool numeric = host.find_first_not_of("0123456789.-,*") == host.npos;
    if (host.empty())
      return Error(target, ordinal_,
                   "the address is missing before the colon; write such as 10.0.0.1:80");
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
      if (problem.empty() && port != kNoPort)
        problem = "a port can follow one address or name only; use -p for networks and ranges";
    } else if (numeric) {
      return ParseOctets(target, host, port);
    } else {
      return AddName(target, host, port);
    }
    if (!problem.empty()) return Error(target, ordinal_, problem);
    Add(range, port);
    return absl::OkStatus();
  }

  static Problem ParseNetwork(std::string_view host, IpRange* range) {
    const std::string_view before = host.substr(0, host.find('/'));
    if (before.find(':') == before.npos && before.find_first_not_of("0123456789.") != before.npos) {
      if (before.find_first_not_of("0123456789.-,*") == before.npos)
        return "a mask follows one address; write a range or a network, not both";
      return "a mask follows an address, not a name; write such as 10.0.0.0/24";
    }
    return literal::ParseNetwork(host, /*strict_host_bits=*/false, range);
  }

  absl::Status ParseOctets(std::string_view target, std::string_view host, int port) {
    OctetExpression octets;
    if (Problem p = OctetExpression::Parse(host, &octets); !p.empty()) {
      const bool list =
          host.find(',') != host.npos && std::count(host.begin(), host.end(), '.') > 3;
      return Error(target, ordinal_, list ? "separate targets by blanks, not by commas" : p);
    }
    if (port != kNoPort) {
      return Error(target, ordinal_,
                   "a port can follow one address or name only; use -p for networks and ranges");
    }
    if (!HasRoomFor(octets.range_count())) return TooMany(target, ordinal_);
    octets.AppendTo(&ranges_);
    return absl::OkStatus();
  }

  absl::Status AddName(std::string_view target, std::string_view host, int port) {
    if (Problem p = CheckHostName(host); !p.empty()) return Error(target, ordinal_, p);
    if (resolver_ == nullptr)
      return Error(target, ordinal_, "host names are not allowed here; write the address");
    const auto [it, is_new] = name_index_.try_emplace(NormalisedName(host), list_.names.size());
    if (is_new) {
      if (list_.names.size() >= kMaxNames) {
        return ResourceExhausted(
            "target \"{}\" ({}): more than {} names; write addresses, or split the scan",
            Printable(target), Ordinal(ordinal_), kMaxNames);
      }
      list_.names.push_back({std::string(host), {}});
    }
    uses_.push_back({it->second, ordinal_, port});
    return absl::OkStatus();
  }

  absl::Status ResolveNames() {
    for (const NameUse& use : uses_) {
      ResolvedName& name = list_.names[use.name];
      if (name.addresses.empty()) {
        auto addresses = resolver_(name.name);
        const std::string prefix =
            fmt::format("target \"{}\" ({})", name.name, Ordinal(use.ordinal));
        if (addresses.ok() && addresses->empty()) addresses = NotFound("the name has no address");
        if (!addresses.ok()) {
          // A name that is wrong is the user's mistake; a resolver that is down is not.
          const bool wrong =
              absl::IsNotFound(addresses.status()) || absl::IsInvalidArgument(addresses.status());
          return MakeStatus(wrong ? absl::StatusCode::kInvalidArgument : addresses.status().code(),
                            fmt::format("{}: {}; {}", prefix, Message(addresses.status()),
                                        wrong ? "correct the name or write the address"
                                              : "try again or write the address"));
        }
        // Resolvers may hand out ::ffff:a.b.c.d; it is the IPv4 address.
        for (IpAddress& a : *addresses) a = *IpAddress::FromBytes(a.ToBytes());
        std::sort(addresses->begin(), addresses->end());
        addresses->erase(std::unique(addresses->begin(), addresses->end()), addresses->end());
        name.addresses = *std::move(addresses);
      }
      if (!HasRoomFor(name.addresses.size())) return TooMany(name.name, use.ordinal);
      for (const IpAddress& a : name.addresses) Add({a, a}, use.port);
    }
    return absl::OkStatus();
  }

  const Resolver& resolver_;
  const size_t max_ranges_;
  size_t ordinal_ = 0;  // of the current target, counted from 1
  std::vector<IpRange> ranges_;
  std::vector<NameUse> uses_;
  std::unordered_map<std::string, size_t> name_index_;  // lower case -> index into list_.names
  TargetList list_;
};

}  // namespace

absl::StatusOr<TargetList> ParseTargets(const std::vector<std::string>& expressions,
                                        const Resolver& resolver, size_t max_ranges) {
  Parser parser(resolver, max_ranges);
  for (const std::string& expression : expressions)
    PORTOLAN_RETURN_IF_ERROR(parser.ParseExpression(expression));
  return parser.Finish();
}

}  // namespace portolan
