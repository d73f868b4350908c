#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/exposure/expectations.h"
#include "coordinator/exposure/subject.h"

namespace portolan {

// The numbers are stored: never change one.
enum class FindingKind : uint8_t {
  kMustNotBeOpen = 1,      // an expectation is broken: open
  kMustBeOpen = 2,         // an expectation is broken: really observed not open
  kRuleExpired = 3,        // an expectation that no longer applies
  kQuarantined = 4,        // a vantage fails its canaries
  kNoCanaries = 5,         // a vantage cannot be judged
  kNameUnresolved = 6,     // a name has no address: of older versions, for reading what they stored
  kAnswersEverywhere = 7,  // a host answers on every port
  kSynProxy = 8,           // a proxy completes every handshake for it
  kMassChange = 9,         // more changes than can be confirmed
  kFlapping = 10,          // a port changes too often
  kNameNotFound = 11,      // a name does not exist, or has no address
  kNameNotLookedUp = 12,   // names could not be looked up: one finding for all of them
  kNameOutOfScope = 13,    // a name leads to nothing but addresses that may not be scanned
};
inline constexpr FindingKind kLastFindingKind = FindingKind::kNameOutOfScope;
std::string_view FindingKindName(FindingKind k);  // "name-not-found"

// What a finding is about. The same over runs, so that it is one finding however often it is seen.
struct FindingKey {
  FindingKind kind = FindingKind::kMustNotBeOpen;
  std::string rule;     // the expectation's id; else the kind's name
  std::string vantage;  // empty: all
  // Without port: of a host. A host that was given as an address: its text.
  std::optional<TargetKey> target;
  std::optional<uint16_t> port;
  std::string ToString() const;  // "must-not-be-open/RULE/VANTAGE/TARGET/PORT", parts escaped
  friend auto operator<=>(const FindingKey&, const FindingKey&) = default;
};

struct Finding {
  FindingKey key;
  Severity severity = Severity::kInfo;
  IpAddress address;  // evidence
  WallTime since;     // of the cause: a port open since; a vantage quarantined since
  WallTime found;     // when this became a finding, of this severity or a higher one
  WallTime resolved;  // epoch 0: it is open
  std::string owner, text, remedy;
  friend bool operator==(const Finding&, const Finding&) = default;
};

// Which findings are open. At most `max_per_rule` of each rule are kept, those that are open
// already before others and these in the order in which they are offered; all are counted. One that
// is not kept is neither found nor resolved: it is only in the count.
class FindingBoard {
 public:
  using Rule = std::pair<FindingKind, std::string>;  // kind, FindingKey::rule
  struct State {
    std::map<FindingKey, Finding> open;
    std::map<Rule, uint64_t> total;  // as of the last round; all > 0
    friend bool operator==(const State&, const State&) = default;
  };
  struct Changes {
    // By key. One that has become more severe is found again: whoever hears only of severe ones
    // must hear of it.
    std::vector<Finding> found, resolved;
    void Add(Changes other);
    friend bool operator==(const Changes&, const Changes&) = default;
  };

  explicit FindingBoard(size_t max_per_rule) : max_per_rule_(max_per_rule) {}
  void Restore(State state) { state_ = std::move(state); }
  const State& state() const { return state_; }

  // A round: everything that is true now is offered, each key once; what is not is resolved by End.
  // `make` is called for those only that may be kept and fills in all but the key and the times
  // found and resolved; `since` too may be left out, it is then the time when it was found.
  void Begin();
  void Offer(const FindingKey& key, const std::function<Finding()>& make);
  Changes End(WallTime now);

 private:
  struct Round {
    std::map<FindingKey, Finding> kept;          // were open
    std::map<Rule, std::vector<Finding>> fresh;  // at most max_per_rule each
    std::map<Rule, size_t> kept_count;
    std::map<Rule, uint64_t> total;
  };
  size_t max_per_rule_;
  State state_;
  Round round_;
};

}  // namespace portolan
