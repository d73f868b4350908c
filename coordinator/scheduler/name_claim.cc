#include "coordinator/scheduler/name_claim.h"

#include <algorithm>

namespace portolan {
namespace {

constexpr int kMostTerms = 2;
// Of the lease term. A process that lives and has lost its connection is back sooner than this.
constexpr int kGoneFraction = 10;

}  // namespace

NameClaim::Challenger* NameClaim::Find(const std::string& incarnation, Duration lease_term,
                                       Time now) {
  // Who has not called for so long has ended, or begins anew: what the holder proved then is stale.
  std::erase_if(challengers_,
                [&](const Challenger& c) { return now - c.called > kMostTerms * lease_term; });
  const auto it = std::find_if(challengers_.begin(), challengers_.end(),
                               [&](const Challenger& c) { return c.incarnation == incarnation; });
  if (it != challengers_.end()) return &*it;
  if (challengers_.size() >= kMaxChallengers) return nullptr;
  return &challengers_.emplace_back(Challenger{incarnation, now, now, 0});
}

NameClaim::Answer NameClaim::Challenge(const std::string& incarnation, const Holder& holder,
                                       uint64_t next_revision, Duration lease_term, Time now) {
  if (!holder.live) return {Verdict::kTakeOver, {}, false};
  const Duration soon = lease_term / kGoneFraction;
  if (holder.disconnected != kNever && now - holder.disconnected >= soon)
    return {Verdict::kTakeOver, {}, false};
  const Answer wait{Verdict::kWait, soon, false};
  Challenger* c = Find(incarnation, lease_term, now);
  if (c == nullptr) return wait;
  c->called = now;
  if (holder.leaving) return wait;
  if (c->asked_in != 0 && holder.seen >= c->asked_in) return {Verdict::kRefuse, {}, false};
  if (now - c->since >= kMostTerms * lease_term) return {Verdict::kTakeOver, {}, false};
  if (c->asked_in != 0) return wait;
  c->asked_in = next_revision;
  return {Verdict::kWait, soon, true};
}

}  // namespace portolan
