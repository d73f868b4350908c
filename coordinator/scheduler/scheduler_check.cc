// The invariants, checked the slow and independent way.
#include <algorithm>

#include "common/base/status.h"
#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

std::string Text(const IntervalSet& set) {
  std::string out;
  for (const IndexRange& r : set.ToVector()) {
    if (out.size() > 100) return out + " ...";
    out += fmt::format(" [{}, {})", r.begin, r.end);
  }
  return out;
}

}  // namespace

absl::Status Scheduler::Impl::CheckLane(const Lane& lane) const {
  IntervalSet all = lane.done();
  const auto add = [&](const IntervalSet& part, std::string_view what) -> absl::Status {
    if (all.Intersects(part)) return Internal("lane {}: {} overlaps:{}", lane.id.value, what, Text(all.Intersection(part)));
    all.Add(part);
    return absl::OkStatus();
  };
  PORTOLAN_RETURN_IF_ERROR(add(lane.pending(), "pending"));
  const IntervalSet owed = lane.owed().All();
  if (owed.size() != lane.owed().size()) return Internal("lane {}: owed counts {} of {}", lane.id.value, lane.owed().size(), owed.size());
  PORTOLAN_RETURN_IF_ERROR(add(owed, "owed"));
  uint64_t leased = 0;
  IntervalSet stale;
  for (const auto& [token, l] : leases) {
    if (l.lane != &lane) continue;
    if (l.valid.empty()) return Internal("lease {}: empty", token.value);
    if (l.live != (lane.leases.count(token) > 0)) return Internal("lease {}: live, but not in its lane", token.value);
    if (l.live) {
      PORTOLAN_RETURN_IF_ERROR(add(l.valid, fmt::format("lease {}", token.value)));
      leased += l.valid.size();
      continue;
    }
    // Expired: its positions are free, and nobody else's.
    if (stale.Intersects(l.valid)) return Internal("lease {}: a position has two newest tokens", token.value);
    stale.Add(l.valid);
    IntervalSet free = lane.pending().Intersection(l.valid);
    free.Add(owed.Intersection(l.valid));
    if (!(free == l.valid)) return Internal("lease {}: expired, but not all of it is free: {} of {}", token.value, free.size(), l.valid.size());
    IntervalSet mapped;
    for (const TokenMap::Piece& p : lane.stale.ToVector()) {
      if (p.token == token) mapped.Add(p.range);
    }
    if (!(mapped == l.valid)) return Internal("lease {}: the lane maps {} of its {} positions", token.value, mapped.size(), l.valid.size());
  }
  for (const TokenMap::Piece& p : lane.stale.ToVector()) {
    if (!stale.Contains(p.range)) return Internal("lane {}: maps [{}, {}) to a lease that is gone", lane.id.value, p.range.begin, p.range.end);
  }
  if (!(all == IntervalSet{{0, lane.size}})) {
    return Internal("lane {}: nowhere:{}", lane.id.value, Text(all.Complement({0, lane.size})));
  }
  if (leased != lane.leased()) return Internal("lane {}: counts {} leased of {}", lane.id.value, lane.leased(), leased);
  if (lane.ledger.Done() != lane.done().size()) {
    return Internal("lane {}: the ledger has {} of {} done", lane.id.value, lane.ledger.Done(), lane.done().size());
  }
  if (lane.finished != lane.all_done()) return Internal("lane {}: finished with {} of {}", lane.id.value, lane.done().size(), lane.size);
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::CheckAgents() const {
  Roster::Strength total;
  std::map<std::string, uint64_t> leased, count;
  for (const auto& [token, l] : leases) {
    if (!l.live) continue;
    leased[l.agent] += l.valid.size();
    ++count[l.agent];
    const AgentRecord* a = roster.Find(l.agent);
    if (a == nullptr || a->leases.count(token) == 0) return Internal("lease {}: agent \"{}\" does not have it", token.value, l.agent);
    if (!a->live) return Internal("lease {}: live, but agent \"{}\" is not", token.value, l.agent);
    if (l.unprobed > l.valid.size()) return Internal("lease {}: {} unprobed of {}", token.value, l.unprobed, l.valid.size());
  }
  for (const auto& [name, a] : roster.agents()) {
    if (a->leased != leased[name] || a->leases.size() != count[name]) {
      return Internal("agent \"{}\": counts {} positions of {}, {} leases of {}", name, a->leased, leased[name], a->leases.size(), count[name]);
    }
    if (a->taking()) ++total.agents;
    if (a->taking() != a->counted) return Internal("agent \"{}\": miscounted", name);
  }
  if (total.agents != roster.total().agents) return Internal("{} agents take work, counted {}", total.agents, roster.total().agents);
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::CheckShares(const Scan& s) const {
  if (!s.shares) return absl::OkStatus();
  if (s.shares->bound_sum() > s.spec->max_rate * (1 + 1e-9)) {
    return Internal("scan {}: shares add up to {} of {}", s.id, s.shares->bound_sum(), s.spec->max_rate);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::CheckInvariants() const {
  for (const auto& [id, lane] : impl_->lanes) PORTOLAN_RETURN_IF_ERROR(impl_->CheckLane(*lane));
  PORTOLAN_RETURN_IF_ERROR(impl_->CheckAgents());
  for (const auto& [id, s] : impl_->scans) {
    PORTOLAN_RETURN_IF_ERROR(impl_->CheckShares(*s));
    const bool all = std::all_of(s->lanes.begin(), s->lanes.end(), [](const auto& l) { return l->finished; });
    if (all != IsFinished(s->state)) return Internal("scan {}: state {} with {} lanes", id, static_cast<int>(s->state), s->lanes.size());
    if (IsFinished(s->state) == (impl_->active.count(id) > 0)) return Internal("scan {}: wrongly listed as active", id);
  }
  return absl::OkStatus();
}

}  // namespace portolan
