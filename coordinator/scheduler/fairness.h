#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/base/strong_id.h"
#include "common/scan/scan_spec.h"

namespace portolan {

// Says which lane an agent should be given work of next: start-time fair queueing (Goyal et al.,
// SIGCOMM 1996) over granted positions, one queue for each vantage, since only lanes that one agent
// could serve compete. A lane's tag grows by positions / weight with each grant; the lowest tag is
// next. A lane that is new, was paused, or could not be served (its rate used up) starts at the
// queue's present time: it neither owes nor is owed anything, so nobody can be starved by credit
// that somebody saved. Not thread-safe.
class Fairness {
 public:
  static double Weight(Priority p);  // 1, 4, 16

  // Lower is next. Equal tags: by lane id.
  double Tag(const std::string& vantage, LaneId lane) const;
  void Charge(const std::string& vantage, LaneId lane, uint64_t positions, double weight);
  void Forget(LaneId lane);
  void ForgetVantage(const std::string& vantage) { queues_.erase(vantage); }

 private:
  struct Queue {
    double now = 0;  // start tag of the last grant
    // tag of each lane after its last grant; below `now` counts as `now`
    std::map<LaneId, double> finish;
  };
  std::map<std::string, Queue> queues_;
};

}  // namespace portolan
