#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/target_parser.h"
#include "common/scope/scope.h"

namespace portolan {

// What is to be excluded from a running scan, as written: scope rules ("10.0.0.1 22,80") and target
// lists. Value type.
class ExclusionRequest {
 public:
  // InvalidArgument: with all texts that are neither, see ProblemsOf in
  // common/net/target_problem.h.
  static absl::StatusOr<ExclusionRequest> Parse(const std::vector<std::string>& texts);

  // Holds at once. Every rule's text parses back to the rule, because agents get the text.
  const std::vector<ScopeRule>& rules() const { return rules_; }
  // To be looked up, each once.
  const std::vector<std::string>& names() const { return targets_.names(); }

  // What names mean that led to addresses when the scan was created.
  std::vector<ScopeRule> KnownNames(const std::vector<ResolvedName>& names) const;
  // What the names mean now; exactly one answer for each of names(), in the same order.
  std::vector<ScopeRule> LookedUp(const std::vector<NameAnswer>& answers) const;
  // Names without an answer that the scan does not know either.
  TargetProblems Unknown(const std::vector<NameAnswer>& answers,
                         const std::vector<ResolvedName>& names) const;

 private:
  void AppendRules(size_t name, const std::vector<IpAddress>& addresses,
                   std::vector<ScopeRule>* out) const;

  std::vector<ScopeRule> rules_;
  ParsedTargets targets_;  // of the texts that are target lists; an empty text in place of others
  std::vector<std::vector<std::optional<uint16_t>>> ports_;  // of each name, wherever it is used
};

}  // namespace portolan
