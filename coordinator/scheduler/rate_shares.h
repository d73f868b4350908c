#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace portolan {

// Divides a limit over the agents that are held to it, so that all of them together never exceed
// it, whatever messages are lost: one scan's rate, or (as fractions of 1) the limits on targets of
// the scans that share some.
//
// For each agent there is a target (what it should get), a promise (what it was last told) and a
// bound (the most that it may be using: the largest of what it was told since it last confirmed).
// Invariant: the bounds never add up to more than the rate. So a promise is lowered at once, but
// its bound falls only when the agent has confirmed and what it had begun by then is over
// (`linger`, the longest that something in flight may last; 0: only beginning is limited); and it
// is raised only by what the others' bounds leave.
//
// Targets are even, but an agent that cannot use its even part gets what it can use, and the others
// divide the rest (max-min fairness). Rates are probes/s. Not thread-safe.
class RateShares {
 public:
  explicit RateShares(double rate, Duration linger = Duration::zero())
      : rate_(rate), linger_(linger) {}

  struct Claimant {
    std::string agent;
    double cap = 0;  // the most it can use; 0: no limit known
  };
  // Replaces the targets. An agent that is not named has the target 0.
  void SetTargets(std::vector<Claimant> claimants);
  double Target(const std::string& agent) const;

  // Moves the agent's promise towards its target as far as the others' bounds allow, to be told
  // with `revision`. True: it changed. Differences under 5 % are left alone, unless an agent has
  // less than half of its target.
  bool Promise(const std::string& agent, uint64_t revision, Time now);
  double Promised(const std::string& agent) const;  // 0: none
  Time PromisedSince(const std::string& agent) const;

  // The agent has seen `revision`: if that told it the present promise, its bound falls to it,
  // after linger(). True: others may now get more.
  bool Confirm(const std::string& agent, uint64_t revision, Time now);
  // Lets the bounds fall whose time has come. True: others may now get more.
  bool Lapse(Time now);
  Time next_lapse() const { return next_lapse_; }  // kNever: none is to fall
  Duration linger() const { return linger_; }
  // The agent uses nothing any more: it holds no lease of the scan, so has nothing in flight, and
  // gets none. True: others may now get more.
  bool Release(const std::string& agent);

  void Clear();

  // The division of two limits becomes one: those who used either use it now, at most as much as
  // they used of one of them. The bounds may then add up to more than the rate; until they have
  // fallen, nobody is promised more than the others leave. An agent that was in both must be told
  // its promise anew: the next Promise is true.
  void Absorb(const RateShares& other);
  // Those of `agents` alone, as they stand: when one limit falls apart into several.
  RateShares Of(const std::vector<std::string>& agents) const;
  // `agent` does not obey promises: it counts as using all until it is released.
  void AssumeAll(const std::string& agent);

  // After a restart: `agent` holds leases of the scan, and what it uses is unknown until it calls.
  // Until then nobody's promise rises.
  void Expect(const std::string& agent);
  // `agent` called and said what it uses. What it used before and has in flight is not known, so
  // nobody's promise rises for linger().
  void Adopt(const std::string& agent, double in_use, Time now);

  // Agents whose promise should change and could: above their target, or below it while there is
  // something left.
  std::vector<std::string> Unsettled() const;
  bool Knows(const std::string& agent) const { return entries_.count(agent) > 0; }
  std::vector<std::string> Agents() const;
  double rate() const { return rate_; }
  // At most rate(), but for rounding; and but for the time after Absorb and AssumeAll in which
  // over() is true.
  double bound_sum() const;
  bool over() const { return over_; }
  bool AnyStarving() const { return starving_ > 0; }
  double promised_sum() const;

 private:
  struct Entry {
    double target = 0;
    double promised = 0;
    double bound = 0;
    uint64_t revision = 0;  // that told `promised`
    bool untold = false;    // `promised` was not told yet
    bool expected = false;  // in use: unknown
    Time since;             // of `promised`
    // What `bound` will be, and when: each later and lower than the one before, none below
    // `promised`.
    struct Fall {
      Time at;
      double to;
    };
    std::deque<Fall> falls;
  };
  // Of one agent; beyond them the last is put off.
  static constexpr size_t kMaxFalls = 4;
  static constexpr double kTolerance = 0.05;
  static constexpr double kStarving = 0.5;
  double Free() const;  // what no bound holds; 0 while somebody is expected or was adopted just now
  bool IsStarving(const Entry& e) const { return e.promised < kStarving * e.target; }
  void Recount();
  void Update(Entry& e, double promised, double bound);

  double rate_;
  Duration linger_;
  Time next_lapse_ = kNever;     // or later than this
  Time adopted_until_ = kNever;  // somebody was adopted; kNever: nobody
  std::map<std::string, Entry> entries_;
  double bound_sum_ = 0;
  size_t starving_ = 0;
  size_t expected_ = 0;
  bool over_ = false;
};

}  // namespace portolan
