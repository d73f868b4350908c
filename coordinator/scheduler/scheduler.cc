// What operators ask, and the forwarding of Scheduler's calls.
#include "coordinator/scheduler/scheduler.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "coordinator/scheduler/impl.h"

namespace portolan {

std::string_view StateText(ScanState s) {
  switch (s) {
    case ScanState::kRunning:
      return "running";
    case ScanState::kPaused:
      return "paused";
    case ScanState::kCancelling:
      return "being cancelled";
    case ScanState::kComplete:
      return "complete";
    case ScanState::kPartial:
      return "partial";
    case ScanState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

namespace {

absl::Status WrongState(const Scan& s) {
  return FailedPrecondition("scan {} is {}", s.id, StateText(s.state));
}

}  // namespace

Scan& Scheduler::Impl::AddScan(ScanRecord& record, Time now) {
  PORTOLAN_CHECK(scans.count(record.id) == 0 && record.spec != nullptr &&
                 record.spec->space != nullptr);
  auto& slot = scans[record.id];
  slot = std::make_unique<Scan>();
  Scan& s = *slot;
  s.id = record.id;
  s.spec = record.spec;
  s.state = record.state;
  s.overlay = std::move(record.overlay);
  s.created = record.created;
  s.started = record.started;
  s.finished = record.finished;
  if (s.spec->max_rate > 0) {
    s.rate = std::make_unique<Division>(s.spec->max_rate, now);
    s.rate->scans = {&s};
  }
  const ScanSpace& space = *s.spec->space;
  const uint64_t groups = space.group_count();
  for (size_t i = 0; i < record.lanes.size(); ++i) {
    LaneRecord& l = record.lanes[i];
    // Lanes begin at different groups, so that their agents do not come to an address at the same
    // time.
    const uint64_t group = i == 0 ? 0 : groups / record.lanes.size() * i;
    const uint64_t start = group == 0 ? 0 : space.GroupNumber(group).range.begin;
    s.lanes.push_back(std::make_unique<Lane>(s, l.id, l.vantage, space.size(), start));
    const bool added = lanes.emplace(l.id, s.lanes.back().get()).second;
    PORTOLAN_CHECK(added);
  }
  if (!IsFinished(s.state)) {
    active[s.id] = &s;
    JoinTargets(s, now);
  }
  return s;
}

absl::StatusOr<Scan*> Scheduler::Impl::FindUnfinished(const ScanId& id) {
  auto it = scans.find(id);
  if (it == scans.end()) return NotFound("scan {}: not known", id);
  if (IsFinished(it->second->state)) return WrongState(*it->second);
  return it->second.get();
}

void Scheduler::Impl::WakeHolders(Scan& s, bool changed) {
  for (auto& lane : s.lanes) {
    for (Token token : lane->leases) {
      AgentRecord& a = *leases[token].owner;
      a.changed |= changed;
      Wake(a);
    }
  }
}

Scheduler::Scheduler(SchedulerOptions options, Token next_token)
    : impl_(std::make_unique<Impl>(options, next_token)) {}
Scheduler::~Scheduler() = default;

absl::Status Scheduler::Submit(ScanRecord record, Time now, WallTime wall) {
  if (impl_->active.size() >= impl_->options.max_running_scans) {
    return ResourceExhausted("{} unfinished already: wait for one to end or cancel one",
                             Counted(impl_->active.size(), "scan is", "scans are"));
  }
  record.state = ScanState::kRunning;
  Scan& s = impl_->AddScan(record, now);
  for (auto& lane : s.lanes) {
    if (impl_->StrengthFor(*lane).agents == 0) lane->without_agent_since = now;
    impl_->Offer(*lane);
  }
  impl_->Schedule(now + std::chrono::seconds(1));
  impl_->changed_scans.insert(s.id);
  impl_->Settle(s, wall);
  return absl::OkStatus();
}

absl::Status Scheduler::Pause(const ScanId& id, Time, WallTime wall) {
  PORTOLAN_ASSIGN_OR_RETURN(Scan * s, impl_->FindUnfinished(id));
  if (s->state == ScanState::kCancelling) return WrongState(*s);
  if (s->state == ScanState::kPaused) return absl::OkStatus();
  impl_->SetState(*s, ScanState::kPaused, wall);
  for (auto& lane : s->lanes) lane->without_agent_since = kNever;
  s->ForEachDivision([](Division& d) { d.changed = true; });
  impl_->WakeHolders(*s, true);
  return absl::OkStatus();
}

absl::Status Scheduler::Resume(const ScanId& id, Time now, WallTime wall) {
  PORTOLAN_ASSIGN_OR_RETURN(Scan * s, impl_->FindUnfinished(id));
  if (s->state == ScanState::kCancelling) return WrongState(*s);
  if (s->state == ScanState::kRunning) return absl::OkStatus();
  impl_->SetState(*s, ScanState::kRunning, wall);
  s->ForEachDivision([](Division& d) { d.changed = true; });
  for (auto& lane : s->lanes) {
    if (lane->finished) continue;
    impl_->Offer(*lane);
    if (impl_->StrengthFor(*lane).agents == 0 && lane->leases.empty())
      lane->without_agent_since = now;
  }
  impl_->WakeHolders(*s, true);
  impl_->Schedule(now + std::chrono::seconds(1));
  return absl::OkStatus();
}

absl::Status Scheduler::Cancel(const ScanId& id, Time, WallTime wall) {
  auto it = impl_->scans.find(id);
  if (it != impl_->scans.end() && it->second->state == ScanState::kCancelled)
    return absl::OkStatus();
  PORTOLAN_ASSIGN_OR_RETURN(Scan * s, impl_->FindUnfinished(id));
  if (s->state == ScanState::kCancelling) return absl::OkStatus();
  impl_->SetState(*s, ScanState::kCancelling, wall);
  impl_->WakeHolders(*s, true);
  impl_->Settle(*s, wall);
  return absl::OkStatus();
}

absl::Status Scheduler::Exclude(const ScanId& id, std::vector<ScopeRule> rules, Time) {
  PORTOLAN_ASSIGN_OR_RETURN(Scan * s, impl_->FindUnfinished(id));
  if (rules.empty()) return absl::OkStatus();
  for (ScopeRule& rule : rules) s->overlay.rules.push_back(std::move(rule));
  ++s->overlay.version;
  impl_->changes.emplace_back(PutOverlay{s->id, s->overlay});
  impl_->changed_scans.insert(s->id);
  impl_->WakeHolders(*s, false);
  return absl::OkStatus();
}

absl::Status Scheduler::Remove(const ScanId& id) {
  auto it = impl_->scans.find(id);
  if (it == impl_->scans.end()) return NotFound("scan {}: not known", id);
  if (!IsFinished(it->second->state))
    return FailedPrecondition("scan {} is {}: cancel it first", id, StateText(it->second->state));
  for (auto& lane : it->second->lanes) impl_->lanes.erase(lane->id);
  impl_->changed_scans.erase(id);
  impl_->scans.erase(it);
  return absl::OkStatus();
}

absl::Status Scheduler::Drain(const std::string& agent, bool undo, Time) {
  AgentRecord* a = impl_->roster.Find(agent);
  if (a == nullptr) return NotFound("agent \"{}\": not known", agent);
  if (a->drain_wanted == !undo) return absl::OkStatus();
  a->drain_wanted = !undo;
  a->changed = true;
  if (impl_->roster.Recount(*a)) impl_->crew_changed = true;
  impl_->Wake(*a);
  return absl::OkStatus();
}

void Scheduler::SetConnected(const std::string& agent, bool connected, Time now) {
  AgentRecord* a = impl_->roster.Find(agent);
  if (a == nullptr) return;
  if (connected) {
    a->disconnected = kNever;
  } else if (a->disconnected == kNever) {
    a->disconnected = now;
  }
}

void Scheduler::Restore(ScanRecord record, Time now) { impl_->Restore(std::move(record), now); }
absl::StatusOr<SyncDecision> Scheduler::Synchronize(const AgentReport& report, Time now,
                                                    WallTime wall) {
  return impl_->Synchronize(report, now, wall);
}
ChunkVerdict Scheduler::Complete(const ChunkClaim& claim, Time now, WallTime wall) {
  return impl_->Complete(claim, now, wall);
}
void Scheduler::Tick(Time now, WallTime wall) { impl_->Tick(now, wall); }
Time Scheduler::NextEvent() const { return impl_->next_event; }
Token Scheduler::next_token() const { return impl_->next_token; }
const Scheduler::Counters& Scheduler::counters() const { return impl_->counters; }
std::vector<Change> Scheduler::TakeChanges() { return std::exchange(impl_->changes, {}); }

std::vector<std::string> Scheduler::TakeWoken() {
  impl_->ResolveOffers();
  std::vector<std::string> out(impl_->woken.begin(), impl_->woken.end());
  impl_->woken.clear();
  return out;
}

std::vector<ScanId> Scheduler::TakeChangedScans() {
  std::vector<ScanId> out(impl_->changed_scans.begin(), impl_->changed_scans.end());
  impl_->changed_scans.clear();
  return out;
}

}  // namespace portolan
