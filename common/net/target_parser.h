#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_set.h"
#include "common/net/name_lookup.h"
#include "common/net/port_set.h"
#include "common/net/target_problem.h"

namespace portolan {

// A host name and every address that it had when the scan was created.
struct ResolvedName {
  std::string name;
  std::vector<IpAddress> addresses;
};

// A name that was left out because it has no address or could not be looked up.
struct SkippedName {
  std::string name;
  LookupProblem problem = LookupProblem::kNoSuchName;
};

// What target expressions mean. Addresses under `addresses` are probed on the scan's ports; those
// under `endpoints` on their own ports (and on the scan's too, when they are under both).
struct TargetList {
  IpSet addresses;
  struct Endpoint {
    IpAddress address;
    uint16_t port;
  };
  std::vector<Endpoint> endpoints;
  std::vector<ResolvedName> names;
};

// What ParseTargets read: entries without names, which are complete, names to be looked up, and
// what is wrong. Value type; the expressions are not borrowed.
class ParsedTargets {
 public:
  // Entries that are not valid. Nothing else of the list should be used when there are any.
  const TargetProblems& problems() const { return problems_; }
  // The names to look up, in the order in which they appear: each once, in its first spelling.
  const std::vector<std::string>& names() const { return names_; }
  // Every entry that is a name, in order.
  struct NameUse {
    uint32_t name = 0;        // index into names()
    uint32_t expression = 0;  // index of the expression that holds it
    TextPlace place;          // in the expression
    std::optional<uint16_t> port;
  };
  const std::vector<NameUse>& name_uses() const { return uses_; }
  // Whether an entry has no port of its own.
  bool has_entry_without_port() const { return without_port_; }
  // Entries, valid or not; 0: there is nothing but blanks and comments.
  uint64_t entry_count() const { return entry_count_; }

  // What the entries without names mean.
  TargetList WithoutNames() const;

  struct Completed {
    TargetList targets;                // names that are skipped are not among them
    std::vector<SkippedName> skipped;  // each once; only where skipping was asked for
    TargetProblems problems;           // of names; then `targets` should not be used
  };
  // Puts the answers, one for each of names() in the same order, into place. ResourceExhausted:
  // more ranges in all than ParseTargets was given.
  absl::StatusOr<Completed> Complete(const std::vector<NameAnswer>& answers,
                                     bool skip_unresolved) const;

 private:
  friend class TargetParser;

  size_t max_ranges_ = 0;
  std::vector<IpRange> ranges_;
  std::vector<TargetList::Endpoint> endpoints_;
  std::vector<std::string> names_;
  std::vector<NameUse> uses_;
  bool without_port_ = false;
  uint64_t entry_count_ = 0;
  TargetProblems problems_;
};

// The most separate ranges that one list may have, unless a caller allows less.
inline constexpr size_t kMaxTargetRanges = 4'000'000;

// Parses target expressions. Pure: names are collected, not looked up. Each expression is a list in
// the syntax of list_text.h, each entry one of
//   10.0.0.1 | 10.0.0.0/24 | 10.0.0.0/255.255.255.0 | 10.0.0.1-10.0.1.9 | nmap octets
//   (10.0.0-5.1,3-4, 10.0.*.1) | 2001:db8::1 | 2001:db8::/64 | 2001:db8::1-2001:db8::ff |
//   host.example | and with a port: 10.0.0.1:80, [2001:db8::1]:443, host.example:22
// Strict: a bad mask, a reversed range, an octet above 255 is a problem, which names the entry and
// the remedy; reading goes on behind it, so that all problems of a list are known at once.
// ResourceExhausted: more than `max_ranges` ranges or 100,000 different names.
absl::StatusOr<ParsedTargets> ParseTargets(const std::vector<std::string>& expressions,
                                           size_t max_ranges = kMaxTargetRanges);

// The same for lists without names: a name is InvalidArgument, like everything that is a problem.
absl::StatusOr<TargetList> ParseAddressTargets(const std::vector<std::string>& expressions,
                                               size_t max_ranges = kMaxTargetRanges);

// Says in a clause, with the remedy, why a name has no address.
std::string LookupProblemText(LookupProblem problem, std::string_view detail = {});

}  // namespace portolan
