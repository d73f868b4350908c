#include "coordinator/scheduler/fairness.h"

#include <algorithm>

namespace portolan {

double Fairness::Weight(Priority p) {
  switch (p) {
    case Priority::kLow:
      return 1;
    case Priority::kNormal:
      return 4;
    case Priority::kHigh:
      return 16;
  }
  return 4;
}

double Fairness::Tag(const std::string& vantage, LaneId lane) const {
  auto q = queues_.find(vantage);
  if (q == queues_.end()) return 0;
  auto f = q->second.finish.find(lane);
  return f == q->second.finish.end() ? q->second.now : std::max(q->second.now, f->second);
}

void Fairness::Charge(const std::string& vantage, LaneId lane, uint64_t positions, double weight) {
  const double start = Tag(vantage, lane);
  Queue& q = queues_[vantage];
  q.now = start;
  q.finish[lane] = start + static_cast<double>(positions) / weight;
}

void Fairness::Forget(LaneId lane) {
  for (auto& [vantage, q] : queues_) q.finish.erase(lane);
}

}  // namespace portolan
