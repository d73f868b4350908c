#include "tests/simulation/sim_store.h"

#include <fmt/format.h>

#include <algorithm>

namespace portolan {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

bool Same(const Ledger& a, const Ledger& b) {
  return a.open == b.open && a.closed == b.closed && a.filtered == b.filtered &&
         a.unreachable == b.unreachable && std::equal(a.not_probed, a.not_probed + 5, b.not_probed);
}

}  // namespace

LaneRecord& SimStore::lane(LaneId id) {
  ScanRecord& scan = scans_.at(scan_of_.at(id));
  return *std::find_if(scan.lanes.begin(), scan.lanes.end(),
                       [&](const LaneRecord& l) { return l.id == id; });
}

void SimStore::Set(LaneId id, uint64_t index, Symbol symbol) {
  auto& all = outcomes_.at(id);
  if (index >= all.size())
    return Fail(fmt::format("lane {}: position {} does not exist", id.value, index));
  if (all[index].state != State::kOwed)
    return Fail(fmt::format("lane {}: position {} is counted twice", id.value, index));
  all[index] = symbol;
}

void SimStore::Commit(const Batch& batch) {
  for (const ScanRecord& scan : batch.new_scans) {
    scans_[scan.id] = scan;
    for (const LaneRecord& l : scan.lanes) {
      scan_of_[l.id] = scan.id;
      outcomes_[l.id].assign(scan.spec->space->size(), Symbol{});
    }
  }
  for (const Counted& c : batch.counted) {
    LaneRecord& l = lane(c.lane);
    for (const auto& [index, symbol] : c.outcomes) {
      Set(c.lane, index, symbol);
      l.done.Add({index, index + 1});
    }
    l.ledger.Add(c.counts);
  }
  for (const Change& change : batch.changes) Apply(change);
  if (batch.next_token) {
    if (batch.next_token < next_token_) Fail("the next token went backwards");
    next_token_ = batch.next_token;
  }
}

void SimStore::Apply(const Change& change) {
  std::visit(Overloaded{
                 [&](const PutLease& c) {
                   if (leases_.count(c.lease.token) == 0) {
                     if (c.lease.token <= newest_)
                       Fail(fmt::format("token {} is granted after {}", c.lease.token.value,
                                        newest_.value));
                     newest_ = c.lease.token;
                   }
                   if (c.lease.ranges.empty())
                     Fail(fmt::format("lease {} is stored empty", c.lease.token.value));
                   leases_[c.lease.token] = c.lease;
                 },
                 [&](const DropLease& c) { leases_.erase(c.token); },
                 [&](const PutGaps& c) {
                   LaneRecord& l = lane(c.lane);
                   for (const Gap& g : c.gaps) {
                     for (uint64_t i = g.range.begin; i < g.range.end; ++i)
                       Set(c.lane, i, {State::kNotProbed, g.cause});
                     l.done.Add(g.range);
                     l.gaps.push_back(g);
                     l.ledger.Count({State::kNotProbed, g.cause}, g.range.size());
                   }
                 },
                 [&](const PutAttempts& c) { lane(c.lane).attempts = c.attempts; },
                 [&](const FinishLane& c) { lane(c.lane).finished = true; },
                 [&](const PutScanState& c) {
                   ScanRecord& s = scans_.at(c.scan);
                   if (IsFinished(s.state)) Fail(fmt::format("scan {} ends twice", c.scan));
                   s.state = c.state;
                   s.started = c.started;
                   s.finished = c.finished;
                 },
                 [&](const PutOverlay& c) {
                   ScanRecord& s = scans_.at(c.scan);
                   if (c.overlay.version <= s.overlay.version) Fail("an overlay went backwards");
                   s.overlay = c.overlay;
                 },
             },
             change);
}

std::vector<ScanRecord> SimStore::Unfinished() const {
  std::vector<ScanRecord> out;
  for (const auto& [id, scan] : scans_) {
    if (IsFinished(scan.state)) continue;
    out.push_back(scan);
    for (const auto& [token, lease] : leases_) {
      if (scan_of_.at(lease.lane) == id) out.back().leases.push_back(lease);
    }
  }
  return out;
}

void SimStore::CheckFinished(const ScanRecord& scan) {
  if (!IsFinished(scan.state))
    return Fail(fmt::format("scan {} is not finished in the store", scan.id));
  bool missing = false;
  for (const LaneRecord& l : scan.lanes) {
    Ledger ledger;
    uint64_t index = 0;
    for (const Symbol& s : outcomes_.at(l.id)) {
      if (s.state == State::kOwed)
        return Fail(fmt::format("scan {}, lane {}: position {} was never counted", scan.id,
                                l.id.value, index));
      ledger.Count(s, 1);
      missing |= s.state == State::kNotProbed && s.reason != Reason::kExcluded;
      ++index;
    }
    if (!Same(ledger, l.ledger))
      Fail(fmt::format("lane {}: the ledger is not the count of the outcomes", l.id.value));
    if (!l.finished) Fail(fmt::format("lane {}: not finished", l.id.value));
  }
  for (const auto& [token, lease] : leases_) {
    if (scan_of_.at(lease.lane) == scan.id)
      Fail(fmt::format("scan {}: lease {} is left in the store", scan.id, token.value));
  }
  if (scan.state == ScanState::kComplete && missing)
    Fail(fmt::format("scan {}: complete, but something is missing", scan.id));
  if (scan.state == ScanState::kPartial && !missing)
    Fail(fmt::format("scan {}: partial, but nothing is missing", scan.id));
}

}  // namespace portolan
