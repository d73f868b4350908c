#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/target_parser.h"

// Targets as texts, and names that lead to what a table says: for tests of lists of targets.
namespace portolan {

using Strings = std::vector<std::string>;

// Knows a few names.
inline std::vector<NameAnswer> Answers(const Strings& names) {
  const std::map<std::string, Strings> table = {
      {"one.example", {"198.18.0.1"}},
      {"two.example", {"198.18.0.2", "2001:db8::2"}},
      {"under_score.example", {"198.18.0.9"}},
  };
  std::vector<NameAnswer> answers;
  for (const std::string& name : names) {
    NameAnswer& answer = answers.emplace_back();
    const auto it = table.find(NormalisedName(name));
    if (it != table.end()) {
      for (const std::string& a : it->second) answer.addresses.push_back(*IpAddress::Parse(a));
    } else if (name == "down.example") {
      answer.problem = LookupProblem::kCouldNotAsk;
      answer.detail = "no answer from 198.18.0.53 within 5 s";
    } else {
      answer.problem =
          name == "none.example" ? LookupProblem::kNoAddress : LookupProblem::kNoSuchName;
    }
  }
  return answers;
}

inline absl::StatusOr<TargetList> ParseAndLookUp(const Strings& expressions,
                                                 size_t max_ranges = kMaxTargetRanges) {
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseTargets(expressions, max_ranges));
  if (!parsed.problems().empty()) return parsed.problems().ToStatus();
  PORTOLAN_ASSIGN_OR_RETURN(ParsedTargets::Completed completed,
                            parsed.Complete(Answers(parsed.names()), false));
  if (!completed.problems.empty()) return completed.problems.ToStatus();
  return std::move(completed.targets);
}

inline std::string Show(const absl::StatusOr<TargetList>& list) {
  if (!list.ok()) return "error: " + std::string(Message(list.status()));
  std::string out = list->addresses.ToString();
  for (const auto& e : list->endpoints)
    out += (out.empty() ? "" : " ") + FormatEndpoint(e.address, e.port);
  return out;
}
inline std::string Parse(const Strings& expressions) { return Show(ParseAndLookUp(expressions)); }
inline std::string Parse(const char* expression) { return Parse(Strings{expression}); }

}  // namespace portolan
