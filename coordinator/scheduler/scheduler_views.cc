// Looking inside.
#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "coordinator/scheduler/impl.h"

namespace portolan {

std::optional<Scheduler::ScanView> Scheduler::GetScan(const ScanId& id) const {
  auto it = impl_->scans.find(id);
  if (it == impl_->scans.end()) return std::nullopt;
  const Scan& s = *it->second;
  ScanView v{s.id, s.spec, s.state, s.overlay, s.created, s.started, s.finished, {}, {}, 0};
  std::unordered_set<std::string_view> agents;  // of the leases
  for (const auto& lane : s.lanes) {
    LaneView l;
    l.id = lane->id;
    l.vantage = lane->vantage;
    l.ledger = lane->ledger;
    l.planned = lane->size;
    l.leased = lane->leased();
    l.owed = lane->owed().size();
    l.pending = lane->pending().size();
    l.finished = lane->finished;
    l.gaps = lane->gaps;
    l.without_agent_since = lane->without_agent_since;
    v.ledger.Add(lane->ledger);
    v.lanes.push_back(std::move(l));
    for (Token token : lane->leases) agents.insert(impl_->FindLease(token)->agent);
  }
  v.agents = static_cast<uint32_t>(agents.size());
  return v;
}

std::optional<Scheduler::ScanContext> Scheduler::GetContext(const ScanId& id) const {
  auto it = impl_->scans.find(id);
  if (it == impl_->scans.end()) return std::nullopt;
  return ScanContext{it->second->spec, &it->second->overlay};
}

std::vector<ScanId> Scheduler::ListScans() const {
  std::vector<ScanId> out;
  for (const auto& entry : impl_->scans) out.push_back(entry.first);
  return out;
}

std::vector<Scheduler::AgentView> Scheduler::ListAgents() const {
  std::vector<AgentView> out;
  for (const auto& [name, a] : impl_->roster.agents()) {
    out.push_back({a->name, a->vantage, a->incarnation, a->live, a->draining || a->drain_wanted,
                   a->left, a->disconnected, a->last_seen, a->measured_rate, a->max_rate,
                   static_cast<uint32_t>(a->leases.size()), a->leased});
  }
  return out;
}

std::vector<Scheduler::LeaseView> Scheduler::ListLeases(const ScanId& scan,
                                                        const std::string& agent) const {
  std::vector<LeaseView> out;
  for (const auto& [token, l] : impl_->leases) {
    if (!l.live || (!scan.empty() && l.lane->scan.id != scan) ||
        (!agent.empty() && l.agent != agent))
      continue;
    const AgentRecord* a = impl_->roster.Find(l.agent);
    out.push_back({l.token, l.lane->id, l.lane->scan.id, l.agent, l.told.ToVector(), l.told.size(),
                   l.valid.size(), l.unprobed, l.history.attempts + 1,
                   a == nullptr ? Time() : a->deadline});
  }
  return out;
}

std::vector<std::string> Scheduler::LiveVantages() const {
  std::set<std::string> out;
  for (const auto& [name, a] : impl_->roster.agents()) {
    if (a->live && a->known) out.insert(a->vantage);
  }
  return {out.begin(), out.end()};
}

std::optional<Scheduler::TokenInfo> Scheduler::Lookup(Token token, const std::string& agent) const {
  const Lease* l = impl_->FindLease(token);
  if (l == nullptr || l->agent != agent) return std::nullopt;
  return TokenInfo{l->lane->id, l->lane->scan.id, l->history.attempts + 1};
}

bool Scheduler::AcceptsRow(Token token, const std::string& agent, uint64_t index) const {
  const Lease* l = impl_->FindLease(token);
  return l != nullptr && l->agent == agent && l->valid.Contains(index);
}

bool Scheduler::IsDone(LaneId lane, IndexRange range) const {
  auto it = impl_->lanes.find(lane);
  return it != impl_->lanes.end() && it->second->done().Contains(range);
}

}  // namespace portolan
