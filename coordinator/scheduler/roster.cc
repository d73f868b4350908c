#include "coordinator/scheduler/roster.h"

#include "common/base/check.h"

namespace portolan {

AgentRecord* Roster::Find(const std::string& name) {
  auto it = agents_.find(name);
  return it == agents_.end() ? nullptr : it->second.get();
}

const AgentRecord* Roster::Find(const std::string& name) const {
  auto it = agents_.find(name);
  return it == agents_.end() ? nullptr : it->second.get();
}

AgentRecord& Roster::Add(const std::string& name) {
  auto& slot = agents_[name];
  PORTOLAN_CHECK(slot == nullptr);
  slot = std::make_unique<AgentRecord>();
  slot->name = name;
  return *slot;
}

void Roster::Erase(const std::string& name) {
  AgentRecord* a = Find(name);
  if (a == nullptr) return;
  SetHungry(*a, false);
  ClearDeadline(*a);
  a->live = false;
  Recount(*a);
  agents_.erase(name);
}

void Roster::SetDeadline(AgentRecord& a, Time deadline) {
  if (a.live) deadlines_.erase({a.deadline, a.name});
  a.deadline = deadline;
  a.live = true;
  deadlines_.insert({deadline, a.name});
}

void Roster::ClearDeadline(AgentRecord& a) {
  if (a.live) deadlines_.erase({a.deadline, a.name});
  a.live = false;
}

AgentRecord* Roster::FirstDeadline() {
  return deadlines_.empty() ? nullptr : Find(deadlines_.begin()->second);
}

bool Roster::Recount(AgentRecord& a) {
  const bool count = a.taking();
  const double speed = count ? a.speed() : 0;
  const bool moved = count != a.counted || (count && a.vantage != a.counted_vantage);
  if (!moved && speed == a.counted_speed) return false;
  const auto apply = [&](Strength& s, int sign, double v) {
    s.agents += static_cast<uint64_t>(sign);
    if (v <= 0) s.unknown += static_cast<uint64_t>(sign);
    s.speed = s.agents == 0 ? 0 : s.speed + sign * v;
  };
  if (a.counted) {
    auto it = vantages_.find(a.counted_vantage);
    apply(it->second, -1, a.counted_speed);
    apply(total_, -1, a.counted_speed);
    if (it->second.agents == 0) vantages_.erase(it);
  }
  if (count) {
    apply(vantages_[a.vantage], 1, speed);
    apply(total_, 1, speed);
  }
  a.counted = count;
  a.counted_speed = speed;
  a.counted_vantage = a.vantage;
  return moved;
}

void Roster::SetHungry(AgentRecord& a, bool hungry) {
  if (a.hungry && !hungry) {
    auto it = hungry_.find(a.vantage);
    if (it != hungry_.end()) {
      it->second.erase(a.name);
      if (it->second.empty()) hungry_.erase(it);
    }
  }
  if (hungry && !a.hungry) hungry_[a.vantage].insert(a.name);
  a.hungry = hungry;
}

Roster::Strength Roster::At(const std::string& vantage) const {
  auto it = vantages_.find(vantage);
  return it == vantages_.end() ? Strength{} : it->second;
}

const std::set<std::string>& Roster::HungryAt(const std::string& vantage) const {
  static const std::set<std::string>& kNone = *new std::set<std::string>;
  auto it = hungry_.find(vantage);
  return it == hungry_.end() ? kNone : it->second;
}

}  // namespace portolan
