#include "coordinator/monitors/monitor_set.h"

#include <algorithm>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/literal.h"

namespace portolan {

absl::StatusOr<MonitorSet::Entries::iterator> MonitorSet::At(std::string_view name) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) {
    return NotFound("monitor \"{}\": there is none of this name; list the monitors",
                    literal::Printable(name));
  }
  return at;
}

void MonitorSet::Unindex(const std::string& name, Entry& entry) {
  if (entry.wake) wakes_.erase({*entry.wake, name});
  if (entry.ready) ready_.erase({*entry.ready, name});
  if (entry.running) --running_;
  entry.wake.reset();
  entry.ready.reset();
  entry.running = false;
}

void MonitorSet::Index(const std::string& name, Entry& entry) {
  const MonitorPlan& plan = entry.plan;
  entry.wake = plan.NextWake();
  if (entry.wake) wakes_.emplace(*entry.wake, name);
  if (plan.ready()) entry.ready = plan.state().pending->due;
  if (entry.ready) ready_.emplace(*entry.ready, name);
  entry.running = plan.state().running.has_value();
  if (entry.running) ++running_;
}

template <typename F>
auto MonitorSet::Change(Entries::iterator at, F f) {
  Entry& entry = at->second;
  Unindex(at->first, entry);
  const MonitorPlanState before = entry.plan.state();
  auto result = f(entry.plan);
  if (!(entry.plan.state() == before)) changed_.insert(at->first);
  Index(at->first, entry);
  return result;
}

void MonitorSet::Insert(MonitorPlan plan) {
  const std::string name = plan.spec().name;
  const auto at = entries_.emplace(name, Entry(std::move(plan))).first;
  changed_.insert(name);
  Index(at->first, at->second);
}

absl::StatusOr<MonitorSet::ApplyResult> MonitorSet::Apply(const MonitorSpec& spec, WallTime now,
                                                          uint64_t generation) {
  const auto at = entries_.find(spec.name);
  if (at != entries_.end()) {
    const absl::StatusOr<bool> changed =
        Change(at, [&](MonitorPlan& plan) { return plan.Update(spec, now); });
    if (!changed.ok()) return changed.status();
    return *changed ? ApplyResult::kChanged : ApplyResult::kUnchanged;
  }
  if (entries_.size() >= limits_.max_monitors) {
    return ResourceExhausted(
        "monitor \"{}\": {} already; the limit is {}: delete one", literal::Printable(spec.name),
        Counted(entries_.size(), "monitor exists", "monitors exist"), limits_.max_monitors);
  }
  PORTOLAN_ASSIGN_OR_RETURN(MonitorPlan plan, MonitorPlan::Create(spec, now, generation));
  Insert(std::move(plan));
  return ApplyResult::kCreated;
}

absl::Status MonitorSet::Restore(MonitorPlanState state, MonitorSpec spec, WallTime now) {
  if (Find(spec.name) != nullptr)
    return AlreadyExists("monitor \"{}\": restored twice", literal::Printable(spec.name));
  PORTOLAN_ASSIGN_OR_RETURN(MonitorPlan plan,
                            MonitorPlan::Restore(std::move(state), std::move(spec), now));
  Insert(std::move(plan));
  return absl::OkStatus();
}

absl::StatusOr<MonitorPlanState> MonitorSet::Remove(std::string_view name) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto at, At(name));
  Unindex(at->first, at->second);
  MonitorPlanState state = at->second.plan.state();
  changed_.erase(at->first);
  entries_.erase(at);
  return state;
}

std::vector<RunOrder> MonitorSet::Poll(WallTime now) {
  // The clock went back: plans that wait for times of the former clock must look at the new one.
  if (last_poll_.has_value() && now < *last_poll_) {
    for (auto at = entries_.begin(); at != entries_.end(); ++at)
      Change(at, [&](MonitorPlan& plan) { return plan.Advance(now), 0; });
  }
  last_poll_ = now;
  while (!wakes_.empty() && wakes_.begin()->first <= now) {
    Change(entries_.find(wakes_.begin()->second),
           [&](MonitorPlan& plan) { return plan.Advance(now), 0; });
  }
  std::vector<RunOrder> out;
  while (running_ < limits_.max_running && !ready_.empty()) {
    out.push_back(Change(entries_.find(ready_.begin()->second),
                         [&](MonitorPlan& plan) { return plan.Start(now); }));
  }
  return out;
}

std::optional<WallTime> MonitorSet::NextWake() const {
  std::optional<WallTime> out;
  if (!wakes_.empty()) out = wakes_.begin()->first;
  if (running_ < limits_.max_running && !ready_.empty())
    out = std::min(out.value_or(WallTime::max()), ready_.begin()->first);
  return out;
}

absl::StatusOr<bool> MonitorSet::Ended(std::string_view name, uint64_t number, RunOutcome outcome,
                                       WallTime now) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto at, At(name));
  return Change(at, [&](MonitorPlan& plan) { return plan.End(number, outcome, now); });
}

absl::Status MonitorSet::RunNow(std::string_view name, WallTime now) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto at, At(name));
  return Change(at, [&](MonitorPlan& plan) { return plan.RunNow(now); });
}

absl::Status MonitorSet::Pause(std::string_view name, WallTime now) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto at, At(name));
  Change(at, [&](MonitorPlan& plan) { return plan.Pause(now), 0; });
  return absl::OkStatus();
}

absl::Status MonitorSet::Resume(std::string_view name, WallTime now) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto at, At(name));
  Change(at, [&](MonitorPlan& plan) { return plan.Resume(now), 0; });
  return absl::OkStatus();
}

const MonitorPlan* MonitorSet::Find(std::string_view name) const {
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : &at->second.plan;
}

std::vector<std::string> MonitorSet::Names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) out.push_back(name);
  return out;
}

std::vector<MonitorSet::Lagging> MonitorSet::Behind(WallTime now, Duration tolerance) const {
  std::vector<Lagging> out;
  for (const auto& [name, entry] : entries_) {
    const MonitorLag lag = entry.plan.Lag(now);
    if (lag.reason != LagReason::kNone && lag.late > tolerance)
      out.push_back({name, lag, entry.plan.LagText(now)});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Lagging& a, const Lagging& b) { return a.lag.late > b.lag.late; });
  return out;
}

std::vector<std::string> MonitorSet::TakeChanged() {
  std::vector<std::string> out(changed_.begin(), changed_.end());
  changed_.clear();
  return out;
}

}  // namespace portolan
