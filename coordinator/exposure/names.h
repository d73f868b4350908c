#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/base/time.h"

// Names of a monitor's targets that lead nowhere.
namespace portolan {

// Why a name leads to nothing that can be probed. That it does not exist and that nobody could be
// asked are different facts. The numbers are stored: never change one; the first three are those of
// LookupProblem.
enum class NameProblem : uint8_t {
  kNoSuchName = 1,   // the name servers say that it does not exist
  kNoAddress = 2,    // it exists and has neither an A nor an AAAA record
  kCouldNotAsk = 3,  // no name server answered: nothing is known about the name
  kOutOfScope = 4,   // all its addresses are outside of what may be scanned
};
// "no-such-name", "no-address", "could-not-ask", "out-of-scope": a closed set, for labels.
std::string_view NameProblemName(NameProblem p);

struct NameTrouble {
  NameProblem problem = NameProblem::kCouldNotAsk;
  std::string detail;  // one clause for people; may be empty
  // it is an exclusion of the monitor: while it leads nowhere, no run is made
  bool excludes = false;
  WallTime since;  // when it was first seen to be so, with no address in between
  friend bool operator==(const NameTrouble&, const NameTrouble&) = default;
};
// "no such name", "no address", "could not ask: no answer from 198.18.0.1 within 5 s",
// "out of scope: 203.0.113.7".
std::string TroubleText(const NameTrouble& trouble);

// By name, in the spelling of TargetKey::OfName.
using NameTroubles = std::map<std::string, NameTrouble, std::less<>>;

}  // namespace portolan
