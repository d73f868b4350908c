#include "coordinator/exposure/subject.h"

#include <fmt/format.h>

#include "common/net/host_name.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

bool IsOutsideTheVantage(Symbol s) { return s == Symbol{State::kNotProbed, Reason::kAgentScope}; }

}  // namespace

TargetKey TargetKey::Of(const IpAddress& address) {
  TargetKey key;
  key.key_ = address;
  return key;
}

TargetKey TargetKey::OfName(std::string_view name) {
  TargetKey key;
  key.key_ = NormalisedName(name);
  return key;
}

TargetKey TargetKey::FromString(std::string_view text) {
  IpAddress address;
  return literal::ParseAddress(text, &address).empty() ? Of(address) : OfName(text);
}

std::string_view TargetKey::name() const {
  const std::string* name = std::get_if<std::string>(&key_);
  return name == nullptr ? std::string_view() : *name;
}

std::string TargetKey::ToString() const {
  return is_name() ? std::string(name()) : address()->ToString();
}

std::string Subject::ToString() const {
  return target.is_name() ? fmt::format("{}:{}", target.name(), port)
                          : FormatEndpoint(*target.address(), port);
}

bool IsObserved(Symbol s) {
  return s.state == State::kOpen || s.state == State::kClosed || s.state == State::kFiltered ||
         s.state == State::kUnreachable;
}

bool IsOpen(Symbol s) { return s.state == State::kOpen; }
bool IsGone(Symbol s) { return IsObserved(s) && !IsOpen(s); }

std::string SymbolText(Symbol s) {
  if (s == Symbol()) return "unknown";
  return fmt::format("{}/{}", StateName(s.state), ReasonName(s.reason));
}

std::optional<SubjectOutcome> JoinOutcomes(
    std::span<const std::optional<SubjectOutcome>> by_address) {
  const SubjectOutcome* best = nullptr;
  bool unknown = false;
  bool asked[2] = {false, false};  // by family: some address of it could be asked
  for (const std::optional<SubjectOutcome>& outcome : by_address) {
    if (outcome && !IsOutsideTheVantage(outcome->symbol)) asked[outcome->address.is_v6()] = true;
  }
  for (const std::optional<SubjectOutcome>& outcome : by_address) {
    if (outcome && IsOutsideTheVantage(outcome->symbol) && !asked[outcome->address.is_v6()])
      continue;
    if (!outcome || !IsObserved(outcome->symbol)) {
      unknown = true;
    } else if (best == nullptr || outcome->symbol.state < best->symbol.state) {
      best = &*outcome;  // states are numbered from open to unreachable
    }
  }
  if (best == nullptr || (unknown && !IsOpen(best->symbol))) return std::nullopt;
  return *best;
}

}  // namespace portolan
