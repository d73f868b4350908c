#include "common/dns/name_walk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace portolan {
namespace {

using Kind = FamilyResult::Kind;

bool Failed(const FamilyResult& result) {
  return result.kind == Kind::kServerFailed || result.kind == Kind::kNoAnswer;
}

std::string AliasDetail(const FamilyResult& result, std::string_view what) {
  return result.alias_of.empty()
             ? std::string()
             : fmt::format("it is an alias of {}, which {}", result.alias_of, what);
}

// What A and AAAA say together about one name.
NameAnswer Verdict(FamilyResult a, FamilyResult aaaa) {
  NameAnswer answer;
  answer.addresses = std::move(a.addresses);
  std::move(aaaa.addresses.begin(), aaaa.addresses.end(), std::back_inserter(answer.addresses));
  std::sort(answer.addresses.begin(), answer.addresses.end());
  answer.addresses.erase(std::unique(answer.addresses.begin(), answer.addresses.end()),
                         answer.addresses.end());
  const FamilyResult& failed = Failed(a) ? a : aaaa;
  if (!answer.addresses.empty()) {
    if (Failed(failed)) {
      answer.detail = fmt::format("its {} addresses are not known: {}",
                                  &failed == &a ? "IPv4" : "IPv6", failed.detail);
    }
  } else if (a.kind == Kind::kNoSuchName && aaaa.kind != Kind::kNoAddress) {
    answer.problem = LookupProblem::kNoSuchName;
    answer.detail = AliasDetail(a, "does not exist");
  } else if (aaaa.kind == Kind::kNoSuchName && a.kind != Kind::kNoAddress) {
    answer.problem = LookupProblem::kNoSuchName;
    answer.detail = AliasDetail(aaaa, "does not exist");
  } else if (Failed(failed)) {
    answer.problem = LookupProblem::kCouldNotAsk;
    answer.detail = failed.detail;
  } else {
    answer.problem = LookupProblem::kNoAddress;
    answer.detail = AliasDetail(a.alias_of.empty() ? aaaa : a, "has no address");
  }
  return answer;
}

// Which of two names' problems is told: "could not ask" leaves open what the others say for sure,
// and a name that exists without an address is closer than one that does not exist.
int Weight(LookupProblem problem) {
  switch (problem) {
    case LookupProblem::kCouldNotAsk:
      return 3;
    case LookupProblem::kNoAddress:
      return 2;
    case LookupProblem::kNoSuchName:
      return 1;
  }
  return 0;
}

}  // namespace

NameWalk::NameWalk(std::string_view name, const ResolverConfig& config)
    : plan_(PlanSearch(name, config)) {}

void NameWalk::Take(FamilyResult a, FamilyResult aaaa) {
  const bool as_it_is_first = at_ == 0 && plan_.as_it_is == 0;
  const bool silent = a.kind == Kind::kNoAnswer || aaaa.kind == Kind::kNoAnswer;
  NameAnswer verdict = Verdict(std::move(a), std::move(aaaa));
  if (!verdict.problem.has_value()) {
    answer_ = std::move(verdict);
    done_ = true;
    return;
  }
  const bool could_not_ask = verdict.problem == LookupProblem::kCouldNotAsk;
  if (!verdict_stands_ &&
      (!answer_.problem.has_value() || Weight(*verdict.problem) > Weight(*answer_.problem))) {
    answer_ = std::move(verdict);
  }
  if (as_it_is_first) verdict_stands_ = true;
  ++at_;
  // After silence, the other names would only wait for the same servers.
  if (at_ == plan_.names.size() || (could_not_ask && (silent || as_it_is_first))) Finish();
}

void NameWalk::Finish() {
  done_ = true;
  if (at_ > 1 && answer_.detail.empty()) {
    answer_.detail = fmt::format(
        "asked for {}", fmt::join(plan_.names.begin(),
                                  plan_.names.begin() + static_cast<std::ptrdiff_t>(at_), ", "));
  }
}

}  // namespace portolan
