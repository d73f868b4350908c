#pragma once

#include <cstdint>
#include <string>

#include "common/base/interval_set.h"
#include "common/base/strong_id.h"
#include "common/base/time.h"
#include "coordinator/scheduler/history.h"

namespace portolan {

class Lane;
struct AgentRecord;

// Positions that one agent may report on. Live: the agent is to probe them, they are leased in the
// lane. Expired: the agent fell silent and the positions are pending or owed again, but until one
// is granted anew, this token is its newest and a late report of it counts.
struct Lease {
  Token token;
  Lane* lane = nullptr;
  std::string agent;
  AgentRecord* owner = nullptr;  // its record, while live
  History history;               // of its positions, before this grant
  IntervalSet valid;  // positions without a verdict for which this token is the newest. Never
                      // empty: then the lease is gone.
  bool live = true;

  // ---- what the agent knows; live leases only ----
  // the ranges in the desired state: as granted, less what was cut off or given back
  IntervalSet told;
  uint64_t granted_in = 0;  // revision that told the agent of it; 0: a former coordinator did
  bool shrinking = false;   // `told` was cut, and the agent has not confirmed
  uint64_t shrunk_in = 0;   // revision that told the cut; 0: not told yet
  bool revoked = false;     // told that it should not hold it
  Time revoked_at;
  uint64_t unprobed = 0;  // as the agent last said, at most valid.size()
  Time granted_at;
};

}  // namespace portolan
