#include "common/monitor/terms.h"

#include <array>

namespace portolan {
namespace {

constexpr std::array<std::string_view, 5> kSeverities = {"info", "low", "medium", "high",
                                                         "critical"};

}  // namespace

std::string_view Name(VantageRole role) {
  return role == VantageRole::kInside ? "inside" : "outside";
}

std::string_view Name(ExpectAction action) {
  switch (action) {
    case ExpectAction::kMustBeOpen:
      return "must-be-open";
    case ExpectAction::kMayBeOpen:
      return "may-be-open";
    case ExpectAction::kMustNotBeOpen:
      break;
  }
  return "must-not-be-open";
}

std::string_view Name(Severity severity) { return kSeverities[static_cast<size_t>(severity) - 1]; }

std::optional<Severity> ParseSeverity(std::string_view name) {
  for (size_t i = 0; i < kSeverities.size(); ++i) {
    if (kSeverities[i] == name) return static_cast<Severity>(i + 1);
  }
  return std::nullopt;
}

}  // namespace portolan
