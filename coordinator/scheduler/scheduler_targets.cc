// Which scans have targets in common: their limits on targets are divided as one.
#include <algorithm>
#include <set>
#include <utility>

#include "coordinator/scheduler/impl.h"

namespace portolan {
namespace {

// A probe thread obeys a little after its agent has said so, and timers are late.
constexpr Duration kLate = std::chrono::milliseconds(100);

bool LimitsTargets(const ProbeTiming& t) {
  return t.address_rate > 0 || t.address_in_flight > 0 || t.prefix_rate > 0;
}

}  // namespace

void Scheduler::Impl::JoinTargets(Scan& s, Time now) {
  if (!LimitsTargets(s.spec->timing)) return;
  s.footprint = Footprint::Of(*s.spec->space);
  if (s.footprint.empty()) return;  // loopback only
  s.targets = std::make_shared<Division>(1.0, now, s.spec->timing.timeout + kLate);
  for (auto& [id, other] : active) {
    if (other != &s && other->footprint.Intersects(s.footprint)) s.neighbours.push_back(other);
  }
  Division& joined = *s.targets;
  for (Scan* other : s.neighbours) {
    other->neighbours.push_back(&s);
    const std::shared_ptr<Division> theirs = other->targets;
    if (theirs == s.targets) continue;  // joined through another one
    joined.shares.Absorb(theirs->shares);
    for (const auto& [agent, leases_held] : theirs->holders) joined.holders[agent] += leases_held;
    for (Scan* one : theirs->scans) {
      one->targets = s.targets;
      joined.scans.push_back(one);
    }
  }
  joined.scans.push_back(&s);
  // Those who were held to two limits are told the one that is left.
  for (const auto& [agent, leases_held] : joined.holders) {
    AgentRecord* a = roster.Find(agent);
    if (a == nullptr || s.neighbours.size() < 2) continue;
    a->changed = true;
    Wake(*a);
  }
}

void Scheduler::Impl::LeaveTargets(Scan& s) {
  if (s.targets == nullptr) return;
  const std::shared_ptr<Division> left = std::exchange(s.targets, nullptr);
  left->changed = true;
  std::erase(left->scans, &s);
  for (Scan* other : s.neighbours) std::erase(other->neighbours, &s);
  const std::vector<Scan*> neighbours = std::exchange(s.neighbours, {});
  // Where nobody else holds it together it falls apart. What each agent was promised stays as it
  // is: of a part of the scans, fewer agents use no more.
  std::set<Scan*> seen;
  for (size_t i = 0; i + 1 < neighbours.size() && left->scans.size() > 1; ++i) {
    Scan* from = neighbours[i];
    if (!seen.insert(from).second) continue;
    std::vector<Scan*> part = {from};
    for (size_t next = 0; next < part.size(); ++next) {
      for (Scan* other : part[next]->neighbours) {
        if (seen.insert(other).second) part.push_back(other);
      }
    }
    if (part.size() == left->scans.size()) break;
    auto own = std::make_shared<Division>(1.0, left->divided_at, left->shares.linger());
    std::vector<std::string> agents;
    for (Scan* one : part) {
      one->targets = own;
      std::erase(left->scans, one);
      for (const auto& lane : one->lanes) {
        for (Token token : lane->leases) ++own->holders[FindLease(token)->agent];
      }
    }
    for (const auto& [agent, leases_held] : own->holders) {
      agents.push_back(agent);
      auto it = left->holders.find(agent);
      it->second -= leases_held;
      if (it->second == 0) left->holders.erase(it);
    }
    own->shares = left->shares.Of(agents);
    for (const std::string& agent : agents) {
      if (!left->Holds(agent)) left->shares.Release(agent);
    }
    own->scans = std::move(part);
  }
}

}  // namespace portolan
