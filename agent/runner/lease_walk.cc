#include "agent/runner/lease_walk.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace portolan {
namespace {

// Opening a group resolves up to 4,096 addresses; for fewer positions each is cheaper by itself.
constexpr uint64_t kViewPays = 1024;

}  // namespace

LeaseWalk::LeaseWalk(AgentLease lease, std::shared_ptr<const ScanSpace> space)
    : lease_(std::move(lease)), space_(std::move(space)), todo_(lease_.ranges) {}

LeaseWalk::Next LeaseWalk::Peek() {
  if (run_.empty()) {
    PORTOLAN_CHECK(!todo_.empty());
    const uint64_t begin = *todo_.First();
    const ScanSpace::Group group = space_->GroupOf(begin);
    IntervalSet run = todo_.TakeFront(group.range.end - begin, /*max_ranges=*/1);
    run_ = run.ToVector().front();
    fresh_run_ = true;
    if (!view_ || view_->group().range != group.range) {
      view_.reset();
      if (run_.size() >= kViewPays) view_.emplace(space_, group);
    }
  }
  return {run_.begin, view_ ? view_->At(run_.begin) : space_->At(run_.begin), fresh_run_};
}

bool LeaseWalk::Take() {
  PORTOLAN_CHECK(!run_.empty());
  ++run_.begin;
  fresh_run_ = false;
  return run_.empty();
}

bool LeaseWalk::Shrink(const IntervalSet& desired) {
  IntervalSet unbegun = todo_;
  unbegun.Add(run_);
  IntervalSet given_up = unbegun;
  given_up.Remove(desired);
  if (given_up.empty()) return false;
  lease_.ranges.Remove(given_up);
  const bool cut = given_up.Intersects(run_);
  todo_.Remove(given_up);
  if (cut) {
    IntervalSet left{run_};
    left.Remove(given_up);
    todo_.Add(left);
    run_ = {};
  }
  return cut;
}

void LeaseWalk::GiveBack() { Shrink({}); }

}  // namespace portolan
