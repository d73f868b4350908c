#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/strong_id.h"
#include "common/base/time.h"
#include "coordinator/scheduler/name_claim.h"
#include "coordinator/scheduler/types.h"

namespace portolan {

// What the scheduler knows of one agent.
struct AgentRecord {
  std::string name;
  std::string vantage;
  std::string incarnation;
  std::deque<std::string> superseded;  // earlier incarnations, newest last, at most kMaxSuperseded
  bool known = false;     // it has called this coordinator; else only restored leases tell of it
  bool live = false;      // answered within the lease term
  bool draining = false;  // its own wish
  bool drain_wanted = false;  // the operator's
  bool leaving = false;       // it ends once it holds nothing
  // It has ended after it drained. Kept for a while only because an operator had drained it, which
  // its next process is to honour.
  bool left = false;
  Time disconnected = kNever;  // since when it has had no connection; kNever: it has one
  NameClaim claim;             // other processes that call under its name
  Time last_seen, deadline;    // deadline: when its leases expire
  double measured_rate = 0, sent_rate = 0, max_rate = 0;
  uint64_t room = 0;

  std::set<Token> leases;  // live ones
  uint64_t leased = 0;     // positions in them
  uint64_t finished = 0;   // positions that it finished in this incarnation
  uint64_t begun = 0;      // of those in its leases, as it last said

  uint64_t revision = 0;       // of the desired state that it was last told
  uint64_t seen = 0;           // the highest that it said to have seen
  Time unseen_since = kNever;  // when it was first told a state that it has not confirmed yet
  bool changed = true;         // the desired state differs from `revision`
  bool hungry = false;         // wanted more work than there was
  bool idle = false;           // hungry, and has next to nothing left to do
  uint64_t low_water = 0;      // wake it when `leased` falls below; 0: never
  Time progress_at;            // it last finished or began something, or had nothing to do
  uint64_t unprobed = 0;       // over its leases, as it last said
  Time unprobed_at;            // when that last changed

  struct Told {
    uint64_t overlay = 0;
    uint64_t revision = 0;
  };
  std::map<ScanId, Told> contexts;  // sent and not yet listed by the agent
  std::vector<Token> disowned;      // listed by it, not wanted, and told so

  static constexpr size_t kMaxSuperseded = 32;
  bool taking() const { return known && live && !draining && !drain_wanted; }
  // Probes/s that it can be expected to do; 0: not known yet.
  double speed() const {
    if (measured_rate <= 0) return 0;
    return max_rate > 0 && max_rate < measured_rate ? max_rate : measured_rate;
  }

  // What the roster has counted it as.
  bool counted = false;
  double counted_speed = 0;
  std::string counted_vantage;
};

// The agents by name, in the order of their deadlines, and what each vantage has. Not thread-safe.
class Roster {
 public:
  // Agents that take work now, and their speeds.
  struct Strength {
    uint64_t agents = 0;
    uint64_t unknown = 0;  // of them, whose speed is not known yet
    double speed = 0;
    void Add(const Strength& s) { agents += s.agents, unknown += s.unknown, speed += s.speed; }
  };

  AgentRecord* Find(const std::string& name);
  const AgentRecord* Find(const std::string& name) const;
  AgentRecord& Add(const std::string& name);
  void Erase(const std::string& name);
  size_t size() const { return agents_.size(); }

  void SetDeadline(AgentRecord& a, Time deadline);
  // The live agent whose deadline comes first; nullptr: none is live.
  AgentRecord* FirstDeadline();
  void ClearDeadline(AgentRecord& a);

  // Call after anything that AgentRecord::taking(), speed() or vantage depend on. True: whether it
  // takes work, or where, changed.
  bool Recount(AgentRecord& a);
  void SetHungry(AgentRecord& a, bool hungry);

  Strength At(const std::string& vantage) const;
  const Strength& total() const { return total_; }
  // Names, ascending.
  const std::set<std::string>& HungryAt(const std::string& vantage) const;
  const std::map<std::string, std::set<std::string>>& hungry() const { return hungry_; }
  const std::map<std::string, std::unique_ptr<AgentRecord>>& agents() const { return agents_; }

 private:
  std::map<std::string, std::unique_ptr<AgentRecord>> agents_;
  std::set<std::pair<Time, std::string>> deadlines_;
  std::map<std::string, Strength> vantages_;
  std::map<std::string, std::set<std::string>> hungry_;  // by vantage
  Strength total_;
};

}  // namespace portolan
