#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Why it is not known what a subject is from a vantage.
namespace portolan {

enum class UnknownCause : uint8_t {
  kNoCompleteRun,      // no run from the vantage has been complete yet
  kQuarantined,        // the vantage fails its canaries: nothing that it sees is believed
  kAnswersEverywhere,  // the host answers on every port, so an open one says nothing
  kNameNotFound,       // the name does not exist, or has no address
  kNameNotLookedUp,    // the name could not be looked up
  kNameOutOfScope,     // the name leads to nothing but addresses that may not be scanned
  kNotCovered,         // the last complete run from the vantage was not to look at it
  kNoOutcome,          // it was, and the baseline keeps no outcome of it
};
inline constexpr int kUnknownCauses = 8;
// "no-complete-run", "name-not-looked-up": a closed set, for labels.
std::string_view UnknownCauseName(UnknownCause c);

struct Unknown {
  UnknownCause cause = UnknownCause::kNoOutcome;
  std::string text;  // one clause for people: "the name www.example does not exist"
  friend bool operator==(const Unknown&, const Unknown&) = default;
};

}  // namespace portolan
