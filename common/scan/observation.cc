#include "common/scan/observation.h"

#include "common/base/check.h"

namespace portolan {
namespace {

struct StateEntry {
  State state;
  std::string_view name;
};
constexpr StateEntry kStates[] = {
    {State::kOpen, "open"},
    {State::kClosed, "closed"},
    {State::kFiltered, "filtered"},
    {State::kUnreachable, "unreachable"},
    {State::kNotProbed, "not-probed"},
    {State::kOwed, "owed"},
};

// Each reason belongs to one state.
struct ReasonEntry {
  Reason reason;
  State state;
  std::string_view name;
};
constexpr ReasonEntry kReasons[] = {
    {Reason::kNone, State::kOwed, "none"},
    {Reason::kSynAck, State::kOpen, "syn-ack"},
    {Reason::kResetAfterAccept, State::kOpen, "reset-after-accept"},
    {Reason::kConnRefused, State::kClosed, "conn-refused"},
    {Reason::kSelfConnect, State::kClosed, "self-connect"},
    {Reason::kNoResponse, State::kFiltered, "no-response"},
    {Reason::kAdminProhibited, State::kFiltered, "admin-prohibited"},
    {Reason::kPortUnreachable, State::kFiltered, "port-unreach"},
    {Reason::kProtoUnreachable, State::kFiltered, "proto-unreach"},
    {Reason::kThrottled, State::kFiltered, "throttled"},
    {Reason::kHostUnreachable, State::kUnreachable, "host-unreach"},
    {Reason::kNetUnreachable, State::kUnreachable, "net-unreach"},
    {Reason::kTtlExceeded, State::kUnreachable, "ttl-exceeded"},
    {Reason::kExcluded, State::kNotProbed, "excluded"},
    {Reason::kAgentScope, State::kNotProbed, "agent-scope"},
    {Reason::kNoAgent, State::kNotProbed, "no-agent"},
    {Reason::kAttempts, State::kNotProbed, "attempts"},
    {Reason::kCancelled, State::kNotProbed, "cancelled"},
    {Reason::kLocalFailure, State::kOwed, "local-failure"},
    {Reason::kChunkClosed, State::kOwed, "chunk-closed"},
    {Reason::kHostThrottles, State::kOwed, "host-throttles"},
    {Reason::kRefusedByScope, State::kOwed, "refused-by-scope"},
};

}  // namespace

std::string_view StateName(State s) {
  for (const StateEntry& e : kStates) {
    if (e.state == s) return e.name;
  }
  return "unknown";
}

std::string_view ReasonName(Reason r) {
  for (const ReasonEntry& e : kReasons) {
    if (e.reason == r) return e.name;
  }
  return "unknown";
}

std::optional<State> StateFromName(std::string_view name) {
  for (const StateEntry& e : kStates) {
    if (e.name == name) return e.state;
  }
  return std::nullopt;
}

std::optional<Reason> ReasonFromName(std::string_view name) {
  for (const ReasonEntry& e : kReasons) {
    if (e.name == name) return e.reason;
  }
  return std::nullopt;
}

bool IsValid(State s, Reason r) {
  for (const ReasonEntry& e : kReasons) {
    if (e.reason == r) return e.state == s;
  }
  return false;
}

uint64_t Ledger::NotProbed() const {
  uint64_t sum = 0;
  for (uint64_t n : not_probed) sum += n;
  return sum;
}

void Ledger::Count(Symbol s, uint64_t n) {
  PORTOLAN_CHECK(IsValid(s.state, s.reason) && s.state != State::kOwed);
  switch (s.state) {
    case State::kOpen:
      open += n;
      break;
    case State::kClosed:
      closed += n;
      break;
    case State::kFiltered:
      filtered += n;
      break;
    case State::kUnreachable:
      unreachable += n;
      break;
    case State::kNotProbed:
      not_probed[static_cast<int>(s.reason) - static_cast<int>(Reason::kExcluded)] += n;
      break;
    case State::kOwed:
      break;
  }
}

void Ledger::Add(const Ledger& other) {
  open += other.open;
  closed += other.closed;
  filtered += other.filtered;
  unreachable += other.unreachable;
  for (int i = 0; i < kCauses; ++i) not_probed[i] += other.not_probed[i];
  extra += other.extra;
}

}  // namespace portolan
