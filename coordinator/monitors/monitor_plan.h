#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/monitor/monitor_spec.h"
#include "coordinator/monitors/schedule.h"

namespace portolan {

enum class RunTrigger : uint8_t {
  kSchedule = 1,
  kManual = 2,  // somebody asked for it
  kCatchUp = 3  // was due while nobody looked: the coordinator was down, or its machine slept
};
enum class RunOutcome : uint8_t { kNone = 0, kComplete = 1, kPartial = 2, kFailed = 3 };

// One run of a monitor.
struct RunOrder {
  std::string monitor;
  uint64_t generation = 0;  // of the spec that it runs
  uint64_t number = 0;      // from 1, over all generations, without gaps
  RunTrigger trigger = RunTrigger::kSchedule;
  WallTime slot{};  // of the schedule; kManual: when it was asked for
  WallTime due{};   // slot and jitter
  WallTime started{};
  // "web/3/41": the scan's idempotency key; at most 64 characters.
  std::string Key() const;
  friend bool operator==(const RunOrder&, const RunOrder&) = default;
};

// Why a run did not start when it was due.
enum class LagReason : uint8_t {
  kNone = 0,
  kOverlap = 1,  // the run before it is under way
  kLimit = 2,    // as many runs as may be are under way
  kDown = 3      // nobody looked
};
struct MonitorLag {
  Duration late{};  // zero: it keeps up
  LagReason reason = LagReason::kNone;
};

// All that a plan remembers, for a store. Every slot of the schedule in (creation, handled_until]
// is in exactly one of scheduled_runs, skipped, missed, while_paused and a `pending` that is not
// manual (until the clock or the schedule is set otherwise).
struct MonitorPlanState {
  struct Pending {
    RunTrigger trigger = RunTrigger::kSchedule;
    WallTime slot{}, due{};
    friend bool operator==(const Pending&, const Pending&) = default;
  };
  uint64_t generation = 1;
  uint64_t next_number = 1;
  WallTime handled_until{};
  bool paused = false;  // by an operator; besides the spec's own
  std::optional<Pending> pending;
  std::optional<RunOrder> running;
  std::optional<WallTime> overrun_since;  // first slot that was skipped for the run under way
  uint64_t scheduled_runs = 0, manual_runs = 0;
  uint64_t skipped = 0;  // the run before was under way, or waited for a place
  uint64_t missed = 0;   // nobody looked; of a cron schedule at most 10,000 are counted at once
  uint64_t while_paused = 0;
  uint64_t clock_resets = 0;  // the wall clock went back, and times came again
  RunOutcome last_outcome = RunOutcome::kNone;
  WallTime last_started{}, last_ended{}, last_success{};  // success: complete
  uint64_t failures_in_row = 0;
  friend bool operator==(const MonitorPlanState&, const MonitorPlanState&) = default;
};

// Decides when one monitor runs. Pure: the caller gives the wall clock's time, which may jump.
// Not thread-safe.
//
// So that no run is lost or made twice, the caller stores state() after each Start and End and
// before it creates the run's scan, which it creates under Key(). After a restart it restores the
// state and, if a run is under way, creates its scan again: the key makes that one scan.
//
// Times that passed unseen give one run, for the newest of them; the others are counted as missed.
// When the wall clock goes back, slots that were handled are not handled again, unless it went back
// by more than 10 minutes and over two slots or more: then it was wrong before, and what it shows
// now counts.
class MonitorPlan {
 public:
  // `generation`: above all that a removed monitor of this name had, since keys are made of it.
  // The first run is at the first slot after `now`.
  static absl::StatusOr<MonitorPlan> Create(MonitorSpec spec, WallTime now,
                                            uint64_t generation = 1);
  // `spec`: the one that was stored with the state. What was due since is one catch-up run.
  static absl::StatusOr<MonitorPlan> Restore(MonitorPlanState state, MonitorSpec spec,
                                             WallTime now);

  const MonitorSpec& spec() const { return spec_; }
  const MonitorPlanState& state() const { return state_; }
  const Schedule& schedule() const { return schedule_; }
  bool paused() const { return state_.paused || spec_.paused; }

  // Handles what has become due. Afterwards NextWake() is above `now`.
  void Advance(WallTime now);
  // When Advance has something to do next; nullopt: not before another call.
  std::optional<WallTime> NextWake() const;

  // A run is due and none is under way.
  bool ready() const { return state_.pending.has_value() && !state_.running.has_value(); }
  RunOrder Start(WallTime now);  // ready()
  // The run of this number has ended. False: it is not under way (it was told before).
  bool End(uint64_t number, RunOutcome outcome, WallTime now);

  // Due at once, paused or not. FailedPrecondition: a run is under way and the spec says skip, or
  // one is queued already.
  absl::Status RunNow(WallTime now);
  // A run under way goes on; one that waits is given up.
  void Pause(WallTime now);
  void Resume(WallTime now);  // slots in between are not made up for

  // True: it differs, and is a new generation. A run under way goes on with the old one. After a
  // change of the schedule the next slot is the new schedule's first after `now`.
  // InvalidArgument: another name, or not a valid schedule; nothing has changed.
  absl::StatusOr<bool> Update(MonitorSpec spec, WallTime now);

  MonitorLag Lag(WallTime now) const;
  // "12m late: run 17 is still under way; ..."; "" when it keeps up.
  std::string LagText(WallTime now) const;

 private:
  MonitorPlan(MonitorSpec spec, const Schedule& schedule)
      : spec_(std::move(spec)), schedule_(schedule) {}
  void Account(WallTime now, bool restored);
  void NoticeClock(WallTime now);
  void DropPending();

  MonitorSpec spec_;
  Schedule schedule_;
  MonitorPlanState state_;
};

}  // namespace portolan
