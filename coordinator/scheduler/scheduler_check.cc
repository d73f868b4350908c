// The invariants, checked the slow and independent way.
#include <algorithm>
#include <map>
#include <vector>

#include "common/base/status.h"
#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

struct Part {
  IndexRange range;
  uint64_t owner;  // kDone, kFree, or a token
};
constexpr uint64_t kDone = 0, kFree = UINT64_MAX;

void Append(std::vector<Part>& parts, const IntervalSet& set, uint64_t owner) {
  set.ForEach([&](IndexRange r) { parts.push_back({r, owner}); });
}

// Sorts, and joins neighbours of one owner. False: two overlap; `*overlap` is where.
bool Normalise(std::vector<Part>& parts, IndexRange* overlap) {
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.range.begin < b.range.begin; });
  std::vector<Part> out;
  for (const Part& p : parts) {
    if (!out.empty() && p.range.begin < out.back().range.end) {
      *overlap = {p.range.begin, std::min(p.range.end, out.back().range.end)};
      return false;
    }
    if (!out.empty() && p.range.begin == out.back().range.end && p.owner == out.back().owner) {
      out.back().range.end = p.range.end;
    } else {
      out.push_back(p);
    }
  }
  parts = std::move(out);
  return true;
}

}  // namespace

absl::Status Scheduler::Impl::CheckLane(const Lane& lane,
                                        const std::vector<const Lease*>& own) const {
  std::vector<Part> all, stale, mapped;
  uint64_t leased = 0;
  size_t live = 0;
  Append(all, lane.done(), kDone);
  Append(all, lane.pending(), kFree);
  lane.owed().ForEach([&](const History&, const IntervalSet& set) { Append(all, set, kFree); });
  for (const Lease* l : own) {
    if (l->valid.empty()) return Internal("lease {}: empty", l->token.value);
    if (l->live != (lane.leases.count(l->token) > 0))
      return Internal("lease {}: live {}, but its lane disagrees", l->token.value, l->live);
    Append(l->live ? all : stale, l->valid, l->token.value);
    live += l->live;
    if (l->live) leased += l->valid.size();
  }
  if (live != lane.leases.size())
    return Internal("lane {}: live leases listed: {} of {}", lane.id.value, lane.leases.size(),
                    live);

  IndexRange at;
  if (!Normalise(all, &at))
    return Internal("lane {}: [{}, {}) is in two places", lane.id.value, at.begin, at.end);
  uint64_t next = 0;
  for (const Part& p : all) {
    if (p.range.begin != next)
      return Internal("lane {}: [{}, {}) is nowhere", lane.id.value, next, p.range.begin);
    next = p.range.end;
  }
  if (next != lane.size)
    return Internal("lane {}: [{}, {}) is nowhere", lane.id.value, next, lane.size);

  // Expired leases: their positions are free, each is one lease's, and the lane's map says the
  // same.
  if (!Normalise(stale, &at))
    return Internal("lane {}: [{}, {}) has two newest tokens", lane.id.value, at.begin, at.end);
  for (const TokenMap::Piece& p : lane.stale.ToVector()) mapped.push_back({p.range, p.token.value});
  Normalise(mapped, &at);
  if (!std::equal(
          stale.begin(), stale.end(), mapped.begin(), mapped.end(),
          [](const Part& a, const Part& b) { return a.range == b.range && a.owner == b.owner; })) {
    return Internal("lane {}: its map of expired leases is wrong", lane.id.value);
  }
  for (const Part& p : stale) {
    auto in = std::upper_bound(all.begin(), all.end(), p.range.begin,
                               [](uint64_t x, const Part& part) { return x < part.range.begin; });
    if (in == all.begin() || std::prev(in)->owner != kFree ||
        std::prev(in)->range.end < p.range.end) {
      return Internal("lease {}: expired, but [{}, {}) is not free", p.owner, p.range.begin,
                      p.range.end);
    }
  }
  if (leased != lane.leased())
    return Internal("lane {}: counts {} leased of {}", lane.id.value, lane.leased(), leased);
  if (lane.ledger.Done() != lane.done().size()) {
    return Internal("lane {}: the ledger has {} of {} done", lane.id.value, lane.ledger.Done(),
                    lane.done().size());
  }
  if (lane.finished != lane.all_done())
    return Internal("lane {}: finished with {} of {}", lane.id.value, lane.done().size(),
                    lane.size);
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
    if (a == nullptr || a->leases.count(token) == 0)
      return Internal("lease {}: agent \"{}\" does not have it", token.value, l.agent);
    if (!a->live) return Internal("lease {}: live, but agent \"{}\" is not", token.value, l.agent);
    if (l.unprobed > l.valid.size())
      return Internal("lease {}: {} unprobed of {}", token.value, l.unprobed, l.valid.size());
  }
  for (const auto& [name, a] : roster.agents()) {
    if (a->leased != leased[name] || a->leases.size() != count[name]) {
      return Internal("agent \"{}\": counted positions: {} of {}, leases: {} of {}", name,
                      a->leased, leased[name], a->leases.size(), count[name]);
    }
    if (a->taking()) ++total.agents;
    if (a->taking() != a->counted) return Internal("agent \"{}\": miscounted", name);
  }
  if (total.agents != roster.total().agents)
    return Internal("agents that take work: {}, counted: {}", total.agents, roster.total().agents);
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::CheckDivision(const Division& d) const {
  const std::string& first = d.scans.front()->id;
  std::map<std::string, uint32_t> holders;
  for (const Scan* s : d.scans) {
    if (s->rate.get() != &d && s->targets.get() != &d)
      return Internal("scan {}: not of the division that lists it", s->id);
    for (const auto& lane : s->lanes) {
      for (Token token : lane->leases) ++holders[FindLease(token)->agent];
    }
  }
  if (holders != d.holders) return Internal("scan {}: its holders are miscounted", first);
  if (!d.shares.over() && d.shares.bound_sum() > d.shares.rate() * (1 + 1e-9)) {
    return Internal("scan {}: shares add up to {} of {}", first, d.shares.bound_sum(),
                    d.shares.rate());
  }
  return absl::OkStatus();
}

absl::Status Scheduler::CheckInvariants() const {
  std::map<const Lane*, std::vector<const Lease*>> own;
  for (const auto& [token, l] : impl_->leases) own[l.lane].push_back(&l);
  for (const auto& [id, lane] : impl_->lanes)
    PORTOLAN_RETURN_IF_ERROR(impl_->CheckLane(*lane, own[lane]));
  PORTOLAN_RETURN_IF_ERROR(impl_->CheckAgents());
  for (const auto& [id, s] : impl_->scans) {
    if (!IsFinished(s->state)) {
      if (s->rate != nullptr) PORTOLAN_RETURN_IF_ERROR(impl_->CheckDivision(*s->rate));
      if (s->targets != nullptr) PORTOLAN_RETURN_IF_ERROR(impl_->CheckDivision(*s->targets));
    }
    const bool all =
        std::all_of(s->lanes.begin(), s->lanes.end(), [](const auto& l) { return l->finished; });
    if (all != IsFinished(s->state))
      return Internal("scan {}: state {}, lanes: {}", id, static_cast<int>(s->state),
                      s->lanes.size());
    if (IsFinished(s->state) == (impl_->active.count(id) > 0))
      return Internal("scan {}: wrongly listed as active", id);
  }
  return absl::OkStatus();
}

}  // namespace portolan
