#include "coordinator/exposure/names.h"

namespace portolan {

std::string_view NameProblemName(NameProblem p) {
  switch (p) {
    case NameProblem::kNoSuchName:
      return "no-such-name";
    case NameProblem::kNoAddress:
      return "no-address";
    case NameProblem::kCouldNotAsk:
      return "could-not-ask";
    case NameProblem::kOutOfScope:
      return "out-of-scope";
  }
  return "unknown";
}

std::string TroubleText(const NameTrouble& trouble) {
  std::string text;
  switch (trouble.problem) {
    case NameProblem::kNoSuchName:
      return "no such name";
    case NameProblem::kNoAddress:
      return "no address";
    case NameProblem::kCouldNotAsk:
      text = "could not ask";
      break;
    case NameProblem::kOutOfScope:
      text = "out of scope";
      break;
  }
  return trouble.detail.empty() ? text : text + ": " + trouble.detail;
}

}  // namespace portolan
