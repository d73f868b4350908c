#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "common/monitor/terms.h"
#include "common/net/ip_address.h"
#include "common/scan/observation.h"

// The words of exposure monitoring. docs/exposure.md explains them to operators.
namespace portolan {

// What a target is followed by over time: the host name when it was given as a name, else the
// address. The addresses behind a name are evidence and may change without anything having happened
// to the target. Ordered: addresses as numbers, then names. Value type.
class TargetKey {
 public:
  TargetKey() = default;  // 0.0.0.0
  static TargetKey Of(const IpAddress& address);
  // In lower case and without the final dot, as DNS compares names.
  static TargetKey OfName(std::string_view name);
  // The inverse of ToString: what reads as an address is one.
  static TargetKey FromString(std::string_view text);

  bool is_name() const { return key_.index() == 1; }
  const IpAddress* address() const { return std::get_if<IpAddress>(&key_); }  // nullptr: a name
  std::string_view name() const;                                              // "": an address
  std::string ToString() const;

  friend auto operator<=>(const TargetKey&, const TargetKey&) = default;

 private:
  std::variant<IpAddress, std::string> key_;
};

// What is compared, followed and expected something of.
struct Subject {
  TargetKey target;
  uint16_t port = 0;
  std::string ToString() const;  // "10.0.0.1:80", "[2001:db8::1]:80", "www.example:80"
  friend auto operator<=>(const Subject&, const Subject&) = default;
};

// What one vantage knows of a subject. Owed and not-probed are not known.
struct SubjectOutcome {
  Symbol symbol;
  IpAddress address;  // evidence: where it was asked
  uint32_t rtt_us = 0;
  WallTime when;
  std::string agent;
  friend bool operator==(const SubjectOutcome&, const SubjectOutcome&) = default;
};

// Whether the port was really observed: a verdict about the port, not about our own work.
bool IsObserved(Symbol s);
bool IsOpen(Symbol s);
// Observed, and not open.
bool IsGone(Symbol s);
// "open/syn-ack"; "unknown" for the default Symbol.
std::string SymbolText(Symbol s);

// The outcome of one subject in a run; nullopt: none. Called while a run is folded, for subjects
// that are covered by it; never kept.
using OutcomeLookup = std::function<std::optional<SubjectOutcome>(const Subject&)>;

// What a name is, from the outcomes at each of its addresses (nullopt: that address has none): open
// where any is open; unknown while any is unknown, because that one might be open; else the one
// that says most, closed before filtered before unreachable. A family of addresses that no agent of
// the vantage may or can ask at all (agent-scope: a host without IPv6) is not part of what this
// vantage sees, so the other family decides alone; without an observation there the name is
// unknown.
std::optional<SubjectOutcome> JoinOutcomes(
    std::span<const std::optional<SubjectOutcome>> by_address);

}  // namespace portolan
