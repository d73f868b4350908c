#include "tests/simulation/sim_world.h"

#include <fmt/format.h>

#include <algorithm>

namespace portolan {
namespace {

constexpr Duration kStep = std::chrono::milliseconds(100);
constexpr double kStepSeconds = 0.1;

}  // namespace

SimWorld::SimWorld(SimPlan plan, uint64_t seed)
    : plan_(std::move(plan)), chance_(seed), coordinator_(*this, store_, plan_.options) {
  for (const auto& traits : plan_.agents)
    agents_.push_back(std::make_unique<SimAgent>(*this, traits, chance_.Next()));
  agents_back_.assign(agents_.size(), Time());
}

void SimWorld::Fail(std::string what) {
  if (error_.empty()) error_ = fmt::format("at {:.1f} s: {}", ToSeconds(now_ - start_), what);
}

SimAgent* SimWorld::Find(const std::string& name, uint64_t incarnation) {
  for (auto& a : agents_) {
    if (a->traits().name == name && a->Owns(incarnation)) return a.get();
  }
  return nullptr;
}

// A process that is alone under its name is never sent away, however often it dies and comes back.
void SimWorld::NoteRefused(const SimAgent& agent) {
  for (size_t i = 0; i < agents_.size(); ++i) {
    if (agents_[i].get() == &agent) agents_back_[i] = now_ + std::chrono::seconds(5);
  }
  for (auto& a : agents_) {
    if (a.get() != &agent && a->traits().name == agent.traits().name) return;
  }
  Fail(agent.incarnation() + ": refused, and there is no other process of this name");
}

// The kernel closes the connections of a process that died, if its machine still runs.
void SimWorld::Disconnect(const SimAgent& agent) {
  if (chance_.Of(0.3)) return;
  Send([this, name = agent.traits().name, incarnation = agent.incarnation()] {
    coordinator_.OnDisconnected(name, incarnation);
  });
}

// Once all is well, who works under a name goes on to do so.
void SimWorld::CheckNames() {
  if (!coordinator_.up()) return;
  const Duration settled = 4 * plan_.options.lease_term;
  const Time healed = start_ + FromSeconds(plan_.troubles.seconds);
  for (const auto& view : coordinator_.scheduler().ListAgents()) {
    if (view.incarnation.empty()) continue;
    Holder& h = holders_[view.name];
    if (h.incarnation == view.incarnation) continue;
    if (healed_ && !h.incarnation.empty() && now_ - healed > settled)
      Fail(fmt::format("agent {}: {} works in place of {}, although all is well", view.name,
                       view.incarnation, h.incarnation));
    h = {view.incarnation, now_};
  }
}

void SimWorld::At(Time t, std::function<void()> f) { events_.push({t, order_++, std::move(f)}); }

void SimWorld::Send(std::function<void()> deliver) {
  const SimTroubles& t = plan_.troubles;
  const auto delay = [&] {
    if (!healed_ && chance_.Of(t.delay_long)) return chance_.Seconds(0.5, 15);
    return chance_.Seconds(0.0005, 0.05);
  };
  if (!healed_ && chance_.Of(t.lose)) return;
  if (!healed_ && chance_.Of(t.duplicate)) At(now_ + delay(), deliver);
  At(now_ + delay(), std::move(deliver));
}

// A call's connection is to one process: it does not outlive a coordinator.
void SimWorld::SendRequest(const SimAgent&, SimRequest request) {
  if (!coordinator_.up()) return;
  Send([this, epoch = coordinator_.epoch(), request = std::move(request)] {
    if (epoch == coordinator_.epoch()) coordinator_.OnRequest(request);
  });
}

// A frozen agent's kernel keeps what arrives until it wakes.
void SimWorld::SendAnswer(const std::string& agent, const std::string& incarnation,
                          SimAnswer answer) {
  Send([this, agent, incarnation, answer = std::move(answer)] {
    SimAgent* a = Find(agent, std::stoull(incarnation.substr(agent.size())));
    if (!a->frozen(now_)) {
      a->OnAnswer(answer, now_);
      return CheckFractions();
    }
    At(a->frozen_until(), [this, a, answer] { a->OnAnswer(answer, now_); });
  });
}

void SimWorld::SendChunk(const SimAgent& from, uint64_t incarnation, const SimChunk& chunk) {
  Send([this, name = from.traits().name, incarnation, chunk] {
    coordinator_.OnChunk(name, incarnation, chunk);
  });
}

void SimWorld::SendAck(const std::string& agent, uint64_t incarnation, uint64_t chunk, Token token,
                       bool fenced) {
  Send([this, agent, incarnation, chunk, token, fenced] {
    SimAgent* a = Find(agent, incarnation);
    if (!a->frozen(now_)) a->OnAck(incarnation, chunk, token, fenced);
  });
}

Symbol SimWorld::Truth(uint64_t index) const {
  const uint64_t h = (index * 0x9E3779B97F4A7C15u) >> 56;
  if (h < 16) return {State::kOpen, Reason::kSynAck};
  if (h < 128) return {State::kClosed, Reason::kConnRefused};
  return {State::kFiltered, Reason::kNoResponse};
}

bool SimWorld::IsExcluded(uint64_t index, uint64_t overlay_version) const {
  return index % 101 < overlay_version;
}

uint64_t SimWorld::GroupEnd(const ScanId& scan, uint64_t index) const {
  return specs_.at(scan)->space->GroupOf(index).range.end;
}

void SimWorld::NoteProbe(LaneId, uint64_t) { ++probes_; }

// The rates that agents really use, by their own clocks, never add up to more than the scan's.
void SimWorld::CheckRates() {
  for (const auto& [id, spec] : specs_) {
    if (spec->max_rate <= 0) continue;
    double sum = 0;
    for (const auto& a : agents_) sum += a->RateInForce(id, now_);
    if (sum > spec->max_rate * (1 + 1e-6))
      Fail(fmt::format("scan {}: agents use {} of {} probes/s", id, sum, spec->max_rate));
  }
}

// What agents may send to one address (the first and the last of each scan), or its /24, for all
// scans that probe it, never adds up to more than its limits allow.
void SimWorld::CheckFractions() {
  if (coordinator_.up()) {
    for (const auto& view : coordinator_.scheduler().ListAgents()) {
      heard_.insert(view.incarnation);
      for (const auto& a : agents_) {
        const std::string now = a->incarnation();
        if (a->traits().name == view.name && view.incarnation != now && heard_.count(now) > 0)
          displaced_.insert(now);
      }
    }
  }
  for (const auto& [id, spec] : specs_) {
    if (spec->timing.address_rate <= 0) continue;
    const IpRange whole = spec->space->blocks()[0].addresses.ranges()[0];
    for (const IpAddress& point : {whole.first, whole.last}) {
      const uint32_t prefix = static_cast<uint32_t>(point.value()) & 0xFFFFFF00u;
      double sum = 0;
      for (const auto& a : agents_) {
        if (displaced_.count(a->incarnation()) > 0) continue;
        double most = 0;
        for (const auto& [other, its] : specs_) {
          if (its->timing.address_rate > 0 &&
              its->space->blocks()[0].addresses.Intersects(
                  {IpAddress::V4(prefix), IpAddress::V4(prefix | 0xFF)}))
            most = std::max(most, a->FractionInForce(other, now_));
        }
        sum += most;
      }
      if (sum > 1 + 1e-6)
        Fail(fmt::format("{}: agents use {} of the limits on targets", point.ToString(), sum) +
             Describe());
    }
  }
}

void SimWorld::Trouble(double seconds) {
  const SimTroubles& t = plan_.troubles;
  if (chance_.Of(t.coordinator_crash * seconds) && coordinator_.up()) {
    coordinator_.Crash();
    coordinator_back_ = now_ + chance_.Seconds(0, 15);
  }
  for (size_t i = 0; i < agents_.size(); ++i) {
    SimAgent& a = *agents_[i];
    if (!a.up()) continue;
    if (chance_.Of(t.agent_crash * seconds)) {
      Disconnect(a);
      a.Crash();
      agents_back_[i] = now_ + chance_.Seconds(0, 30);
    } else if (chance_.Of(t.agent_freeze * seconds)) {
      a.Freeze(now_ + chance_.Seconds(1, 30));
    } else if (chance_.Of(t.agent_drain * seconds)) {
      a.SetDraining(!a.draining());
    }
  }
  if (specs_.empty() || !chance_.Of(t.operate * seconds)) return;
  auto it = specs_.begin();
  std::advance(it, static_cast<long>(chance_.Below(specs_.size())));
  const ScanId id = it->first;
  const uint64_t what = chance_.Below(t.cancel ? 8 : 7);
  coordinator_.Operate([&](Scheduler& s) {
    if (what < 2) return s.Pause(id, now_, wall());
    if (what < 5) return s.Resume(id, now_, wall());
    if (what == 5) return s.Exclude(id, {ScopeRule{{}, {}, "more"}}, now_);
    if (what == 6)
      return s.Drain(agents_[chance_.Below(agents_.size())]->traits().name, chance_.Of(0.6), now_);
    return s.Cancel(id, now_, wall());
  });
}

void SimWorld::Heal() {
  healed_ = true;
  coordinator_back_ = now_;
  for (size_t i = 0; i < agents_.size(); ++i) {
    agents_back_[i] = now_;
    agents_[i]->Freeze(now_);
    agents_[i]->SetDraining(false);
  }
}

std::string SimWorld::Describe() {
  std::string out;
  if (!coordinator_.up()) return "\ncoordinator: down";
  const Scheduler& s = coordinator_.scheduler();
  for (const ScanId& id : s.ListScans()) {
    const auto v = *s.GetScan(id);
    out += fmt::format("\nscan {} state {} max_rate {} max_attempts {}", id,
                       static_cast<int>(v.state), v.spec->max_rate, v.spec->max_attempts);
    for (const auto& l : v.lanes) {
      out += fmt::format("\n  lane {} \"{}\": planned {} done {} leased {} owed {} pending {}",
                         l.id.value, l.vantage, l.planned, l.ledger.Done(), l.leased, l.owed,
                         l.pending);
    }
  }
  for (const auto& l : s.ListLeases("", "")) {
    out += fmt::format(
        "\nlease {} {} of {}: {} positions, {} outstanding, {} unprobed, expires in {:.1f} s",
        l.token.value, l.scan, l.agent, l.positions, l.outstanding, l.unprobed,
        ToSeconds(l.expires - now_));
  }
  for (const auto& a : agents_) out += "\n" + a->Describe(now_);
  for (const auto& a : s.ListAgents())
    out += fmt::format("\nrecord {} live {} draining {} measured {}", a.name, a.live, a.draining,
                       a.measured_rate);
  return out;
}

bool SimWorld::AllEnded() {
  if (!healed_ || submitted_ < plan_.scans.size() || !coordinator_.up()) return false;
  for (const auto& [id, spec] : specs_) {
    if (ended_.count(id) == 0) return false;
  }
  return true;
}

void SimWorld::StepAll() {
  if (!coordinator_.up() && now_ >= coordinator_back_) coordinator_.Start();
  const double since_start = ToSeconds(now_ - start_);
  if (!healed_) Trouble(kStepSeconds);
  if (!healed_ && since_start >= plan_.troubles.seconds) Heal();
  if (healed_ && coordinator_.up()) {
    for (const auto& [id, spec] : specs_) {
      const auto view = coordinator_.scheduler().GetScan(id);
      if (view && view->state == ScanState::kPaused) {
        coordinator_.Operate([&, scan = id](Scheduler& s) { return s.Resume(scan, now_, wall()); });
      }
    }
    for (const auto& a : coordinator_.scheduler().ListAgents()) {
      if (a.draining)
        coordinator_.Operate([&](Scheduler& s) { return s.Drain(a.name, true, now_); });
    }
  }
  while (coordinator_.up() && submitted_ < plan_.scans.size() &&
         since_start >= plan_.scans[submitted_].at) {
    const auto& planned = plan_.scans[submitted_];
    ScanRecord record;
    record.id = fmt::format("scan{}", submitted_);
    record.spec = std::make_shared<const ScanSpec>(planned.spec);
    for (const std::string& vantage : planned.lanes) {
      LaneRecord lane;
      lane.id = LaneId{(submitted_ + 1) * 100 + record.lanes.size()};
      lane.vantage = vantage;
      record.lanes.push_back(std::move(lane));
    }
    const ScanId id = record.id;
    // Stored first, as the service does: a crash cannot forget it.
    store_.Commit({{record}, {}, {}, Token{}});
    specs_[id] = record.spec;
    ++submitted_;
    coordinator_.Submit(std::move(record));
  }
  for (size_t i = 0; i < agents_.size(); ++i) {
    if (!agents_[i]->up() && !agents_[i]->refused() && now_ >= agents_back_[i]) agents_[i]->Start();
    agents_[i]->Step(now_);
  }
  coordinator_.Poll();
  CheckRates();
  CheckFractions();
  CheckNames();
  for (const auto& [id, scan] : store_.scans()) {
    if (IsFinished(scan.state) && ended_.count(id) == 0) {
      ended_[id] = since_start;
      store_.CheckFinished(scan);
    }
  }
  if (AllEnded() && all_ended_at_ == kNever) all_ended_at_ = now_;
}

std::string SimWorld::Run() {
  coordinator_.Start();
  for (size_t i = 0; i < agents_.size(); ++i) agents_back_[i] = now_ + chance_.Seconds(0, 5);
  const Time give_up = start_ + FromSeconds(plan_.troubles.seconds + plan_.give_up);
  Time next_step = now_;
  while (error_.empty()) {
    if (store_.error().size() > 0) Fail(store_.error());
    if (now_ > give_up) {
      std::string open;
      for (const auto& [id, spec] : specs_) {
        if (ended_.count(id) == 0) open += " " + id;
      }
      Fail("still unfinished:" + open + Describe());
      break;
    }
    // Some time after the end nobody may still hold anything.
    if (all_ended_at_ != kNever && now_ - all_ended_at_ > std::chrono::seconds(30)) {
      for (const auto& a : agents_) {
        if (a->leases() > 0)
          Fail("agent " + a->traits().name + " still holds a lease of a finished scan");
      }
      break;
    }
    if (!events_.empty() && events_.top().at <= next_step) {
      Event e = events_.top();
      events_.pop();
      now_ = std::max(now_, e.at);
      e.run();
    } else {
      now_ = next_step;
      next_step += kStep;
      StepAll();
    }
  }
  return error_;
}

}  // namespace portolan
