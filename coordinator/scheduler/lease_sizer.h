#pragma once

#include <cstdint>

#include "coordinator/scheduler/roster.h"
#include "coordinator/scheduler/scheduler.h"

namespace portolan {

// How many positions an agent should have before it of one lane, and so how large its next lease
// is.
//   - lease_target seconds of what it can do: its measured speed, its own limit, its share of the
//     scan's rate;
//   - before its speed is known, first_lease; and never more than that and four times what it has
//     begun so far, so that one odd measurement cannot hand it the whole scan;
//   - towards the end no more than its part, by speed, of half of what remains (guided
//     self-scheduling, Polychronopoulos and Kuck 1987): then all agents finish at about the same
//     time. Not below a tenth of a second's work, which would cost more in round trips than it
//     evens out; and an agent that is alone takes all.
// share < 0: no limit by the scan. `remaining`: positions of the lane that nobody holds.
uint64_t LeaseGoal(const SchedulerOptions& options, const AgentRecord& agent, double share,
                   uint64_t remaining, const Roster::Strength& agents);

// The same over all scans, without an end: when an agent has this much before it, it needs nothing
// more.
uint64_t TotalGoal(const SchedulerOptions& options, const AgentRecord& agent);

}  // namespace portolan
