#pragma once

#include <memory>
#include <optional>

#include "agent/runner/types.h"

namespace portolan {

// One lease and how far it has been walked. Positions are taken in order; a run ends where its
// interval or its group ends, and a chunk with it. Pure; not thread-safe.
class LeaseWalk {
 public:
  LeaseWalk(AgentLease lease, std::shared_ptr<const ScanSpace> space);

  const AgentLease& lease() const { return lease_; }
  void set_deadline(Time deadline) { lease_.deadline = deadline; }
  Time deadline() const { return lease_.deadline; }

  // Positions not begun.
  uint64_t unbegun() const { return todo_.size() + run_.size(); }
  // The next position, looked at but not taken. Unless Done. `new_run`: it does not follow the one
  // taken last in the same run.
  struct Next {
    uint64_t index = 0;
    ScanSpace::Endpoint endpoint;
    bool new_run = false;
  };
  Next Peek();
  // Takes the position that Peek has shown. Returns whether its run is over.
  bool Take();

  // Gives up what is neither begun nor `desired`. Returns whether the current run was cut.
  bool Shrink(const IntervalSet& desired);
  // Gives up all that was not begun.
  void GiveBack();
  const IntervalSet& ranges() const { return lease_.ranges; }

 private:
  AgentLease lease_;
  const std::shared_ptr<const ScanSpace> space_;  // shared with the scan's context and other leases
  IntervalSet todo_;                              // after run_
  IndexRange run_;                                // within one interval and one group
  bool fresh_run_ = true;                         // nothing of run_ is taken
  std::optional<GroupView> view_;  // of the group of run_, when it is long enough to pay for one
};

}  // namespace portolan
