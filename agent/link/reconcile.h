#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/runner/types.h"

// What an agent does with the coordinator's answer: the step from "what I hold" to "what I should
// hold". Pure: no proto, I/O or clock.
namespace portolan {

struct DesiredLease {
  Token token;
  LaneId lane;
  std::string scan;
  IntervalSet ranges;
  uint32_t attempt = 1;
};

struct DesiredContext {
  std::string scan;
  std::shared_ptr<const ScanSpace> space;  // null: only the overlay is new
  ProbeTiming timing;
  std::shared_ptr<const DenyOverlay> overlay;  // never null
  PortSet confirm_ports{};
};

// A whole SynchronizeResponse, validated: tokens are unique, ranges lie within their scan's space.
struct DesiredState {
  uint64_t epoch = 0;
  uint64_t revision = 0;
  Duration lease_term{};
  std::vector<DesiredLease> leases;
  std::map<std::string, double> shares;     // negative: no limit
  std::map<std::string, double> fractions;  // of the limits on targets; none: all
  std::vector<DesiredContext> contexts;
  bool drain = false;
  // Not zero: another process works under this agent's name. This one is not registered and holds
  // nothing; it calls again after this long.
  Duration wait{};
};

// What the request said that is answered now.
struct AgentStatement {
  std::set<Token> leases;
  std::set<std::string> scans;
};

// What the agent holds, as far as the coordinator is concerned. How far each lease has been walked
// is the runner's.
struct LinkState {
  struct Lease {
    std::string scan;
    LaneId lane;
    IntervalSet ranges;  // as granted, less what was taken back
    Time deadline;
    bool revoked = false;  // stays until what was begun is reported and acknowledged
  };
  uint64_t epoch = 0;
  uint64_t revision = 0;
  Token highest;  // ever seen in this epoch
  bool drain = false;
  std::map<Token, Lease> leases;
  std::map<std::string, std::shared_ptr<const ScanContext>> contexts;
  std::map<std::string, Time> unused_since;  // contexts that no lease needs
  std::map<std::string, double> shares;
  std::map<std::string, double> fractions;  // none: all

  AgentStatement Says() const;
  // Contexts that no lease needed for `keep`, taken out. To be called just before a request is
  // made, and only then: the answer to a request that lists a scan does not bring its context
  // again.
  std::vector<std::string> DropUnusedContexts(Time now, Duration keep);
};

// In the order in which they are to be carried out.
struct Actions {
  std::vector<Token> revoke;
  std::vector<std::pair<Token, IntervalSet>> shrink;         // what may be kept
  std::vector<std::shared_ptr<const ScanContext>> contexts;  // new, or with a newer overlay
  std::vector<AgentLease> grant;
  std::vector<std::pair<Token, Time>> renew;
  std::vector<std::string> problems;  // for the log: what of the answer was not followed, and why
  bool stale = false;  // nothing was done: the answer is of a coordinator that was replaced
};

// Brings `state` to what the answer wants and tells what to do for it. `asked`: what the request
// listed; `sent`: when it was sent, from which the leases' new deadlines count.
//
// - A listed token that is not held is a grant when it is higher than any seen before. Otherwise it
//   is one that was finished or given up since, and not listing it next time gives it back. Tokens
//   begin anew with an empty data directory, told by an epoch or a revision that is not the
//   successor of the one seen: then only what this request listed is known to be given up.
// - A held token that is missing is revoked, once; it stays in `state` and in requests, so that
//   what was begun still counts. One that the request did not list (it cannot have been seen by the
//   coordinator) is left alone.
// - A held token with fewer ranges is shrunk; never widened.
// - A lower epoch is a replaced coordinator's while any lease is still in force; after that, a new
//   data directory's.
Actions Reconcile(LinkState& state, const AgentStatement& asked, const DesiredState& desired,
                  Time sent);

}  // namespace portolan
