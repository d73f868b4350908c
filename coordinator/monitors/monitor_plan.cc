#include "coordinator/monitors/monitor_plan.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/monitor/date_text.h"

namespace portolan {
namespace {

constexpr auto kClockTolerance = std::chrono::minutes(10);

WallTime Plus(WallTime t, Duration d) {
  return t + std::chrono::duration_cast<std::chrono::microseconds>(d);
}

}  // namespace

std::string RunOrder::Key() const { return fmt::format("{}/{}/{}", monitor, generation, number); }

absl::StatusOr<MonitorPlan> MonitorPlan::Create(MonitorSpec spec, WallTime now,
                                                uint64_t generation) {
  PORTOLAN_ASSIGN_OR_RETURN(const Schedule schedule, Schedule::Create(spec.schedule, spec.name));
  MonitorPlan plan(std::move(spec), schedule);
  plan.state_.generation = std::max<uint64_t>(generation, 1);
  plan.state_.handled_until = now;
  return plan;
}

absl::StatusOr<MonitorPlan> MonitorPlan::Restore(MonitorPlanState state, MonitorSpec spec,
                                                 WallTime now) {
  PORTOLAN_ASSIGN_OR_RETURN(const Schedule schedule, Schedule::Create(spec.schedule, spec.name));
  MonitorPlan plan(std::move(spec), schedule);
  plan.state_ = std::move(state);
  plan.Account(now, /*restored=*/true);
  return plan;
}

void MonitorPlan::Advance(WallTime now) { Account(now, /*restored=*/false); }

void MonitorPlan::NoticeClock(WallTime now) {
  if (state_.handled_until - now <= kClockTolerance) return;
  if (schedule_.Between(now, state_.handled_until).count < 2) return;
  state_.handled_until = now;
  ++state_.clock_resets;
}

void MonitorPlan::Account(WallTime now, bool restored) {
  NoticeClock(now);
  // While it is paused, slots pass without waiting for their jitter.
  const Duration jitter = paused() ? Duration::zero() : schedule_.JitterOf(state_.next_number);
  const WallTime until = Plus(now, -jitter);
  const Schedule::Slots slots = schedule_.Between(state_.handled_until, until);
  if (slots.count == 0) return;
  state_.handled_until = slots.count >= Schedule::kMaxCounted ? until : slots.newest;
  if (paused()) {
    state_.while_paused += slots.count;
    return;
  }
  const MonitorPlanState::Pending newest{RunTrigger::kSchedule, slots.newest,
                                         Plus(slots.newest, jitter)};
  if (state_.running.has_value()) {
    const bool queue = spec_.overlap == OverlapPolicy::kQueue && !state_.pending.has_value();
    if (queue) state_.pending = newest;
    const uint64_t skipped = slots.count - (queue ? 1 : 0);
    state_.skipped += skipped;
    if (skipped > 0 && !state_.overrun_since.has_value()) state_.overrun_since = newest.due;
    return;
  }
  if (state_.pending.has_value()) {
    state_.skipped += slots.count;
    return;
  }
  state_.pending = newest;
  state_.missed += slots.count - 1;
  if (restored || slots.count > 1) state_.pending->trigger = RunTrigger::kCatchUp;
}

std::optional<WallTime> MonitorPlan::NextWake() const {
  if (paused()) return std::nullopt;
  const std::optional<WallTime> next = schedule_.NextAfter(state_.handled_until);
  if (!next.has_value()) return std::nullopt;
  return Plus(*next, schedule_.JitterOf(state_.next_number));
}

RunOrder MonitorPlan::Start(WallTime now) {
  PORTOLAN_CHECK(ready());
  const MonitorPlanState::Pending& p = *state_.pending;
  RunOrder run{spec_.name, state_.generation, state_.next_number++, p.trigger, p.slot, p.due, now};
  ++(p.trigger == RunTrigger::kManual ? state_.manual_runs : state_.scheduled_runs);
  state_.pending.reset();
  state_.overrun_since.reset();
  state_.last_started = now;
  state_.running = run;
  return run;
}

bool MonitorPlan::End(uint64_t number, RunOutcome outcome, WallTime now) {
  if (!state_.running.has_value() || state_.running->number != number) return false;
  // What became due while it was under way overlapped with it, seen by now or not.
  Account(now, /*restored=*/false);
  state_.running.reset();
  state_.overrun_since.reset();
  state_.last_outcome = outcome;
  state_.last_ended = now;
  if (outcome == RunOutcome::kComplete) {
    state_.last_success = now;
    state_.failures_in_row = 0;
  } else {
    ++state_.failures_in_row;
  }
  return true;
}

absl::Status MonitorPlan::RunNow(WallTime now) {
  Account(now, /*restored=*/false);
  if (state_.running.has_value()) {
    if (spec_.overlap == OverlapPolicy::kSkip) {
      return FailedPrecondition(
          "monitor \"{}\": run {} is under way; wait for its end, or set overlap: queue",
          spec_.name, state_.running->number);
    }
    if (state_.pending.has_value()) {
      return FailedPrecondition(
          "monitor \"{}\": run {} is under way and the next is queued already; wait for its end",
          spec_.name, state_.running->number);
    }
  }
  // One that is due anyway is the run that was asked for.
  if (!state_.pending.has_value())
    state_.pending = MonitorPlanState::Pending{RunTrigger::kManual, now, now};
  return absl::OkStatus();
}

void MonitorPlan::DropPending() {
  if (!state_.pending.has_value()) return;
  if (state_.pending->trigger != RunTrigger::kManual) ++state_.while_paused;
  state_.pending.reset();
}

void MonitorPlan::Pause(WallTime now) {
  Account(now, /*restored=*/false);
  state_.paused = true;
  DropPending();
}

void MonitorPlan::Resume(WallTime now) {
  Account(now, /*restored=*/false);  // as paused
  state_.paused = false;
  // A slot that has begun but whose jitter has not passed counts as passed in the pause.
}

absl::StatusOr<bool> MonitorPlan::Update(MonitorSpec spec, WallTime now) {
  if (spec.name != spec_.name) {
    return InvalidArgument("monitor \"{}\" cannot become \"{}\"; apply it as a new one", spec_.name,
                           spec.name);
  }
  if (spec == spec_) return false;
  PORTOLAN_ASSIGN_OR_RETURN(const Schedule schedule, Schedule::Create(spec.schedule, spec.name));
  Account(now, /*restored=*/false);
  const bool rescheduled = !(spec.schedule == spec_.schedule);
  spec_ = std::move(spec);
  ++state_.generation;
  if (rescheduled) {
    schedule_ = schedule;
    state_.handled_until = now;
  }
  if (paused()) DropPending();
  return true;
}

MonitorLag MonitorPlan::Lag(WallTime now) const {
  const auto since = [&](WallTime due, LagReason reason) -> MonitorLag {
    if (now <= due) return {};
    return {now - due, reason};
  };
  if (state_.pending.has_value()) {
    const auto& p = *state_.pending;
    return since(p.due, state_.running.has_value()          ? LagReason::kOverlap
                        : p.trigger == RunTrigger::kCatchUp ? LagReason::kDown
                                                            : LagReason::kLimit);
  }
  if (state_.running.has_value() && state_.overrun_since.has_value())
    return since(*state_.overrun_since, LagReason::kOverlap);
  return {};
}

std::string MonitorPlan::LagText(WallTime now) const {
  const MonitorLag lag = Lag(now);
  const std::string late = DurationText(std::chrono::floor<std::chrono::seconds>(lag.late));
  switch (lag.reason) {
    case LagReason::kNone:
      break;
    case LagReason::kOverlap:
      return fmt::format(
          "{} late: run {} is still under way since {} UTC; run it less often, or with fewer "
          "targets "
          "or a higher rate",
          late, state_.running->number, DateText(state_.running->started));
    case LagReason::kLimit:
      return fmt::format(
          "{} late: as many runs as may be are under way; raise the limit, or spread the monitors",
          late);
    case LagReason::kDown:
      return fmt::format("{} late: it was due while the coordinator was down; it runs next", late);
  }
  return "";
}

}  // namespace portolan
