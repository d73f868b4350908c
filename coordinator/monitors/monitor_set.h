#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/monitors/monitor_plan.h"

namespace portolan {

// All monitors of a coordinator: whose turn it is, and how many run at once. Pure; not thread-safe.
// Each change costs O(log n). After any call that changes something the caller polls, stores the
// state of the monitors that TakeChanged names, then creates the scans of the runs that Poll gave.
class MonitorSet {
 public:
  struct Limits {
    size_t max_monitors = 1000;
    size_t max_running = 20;  // runs under way at once, over all monitors
  };
  enum class ApplyResult { kCreated, kChanged, kUnchanged };
  struct Lagging {
    std::string monitor;
    MonitorLag lag;
    std::string text;
  };

  explicit MonitorSet(Limits limits) : limits_(limits) {}

  // `generation` of a new one: see MonitorPlan::Create. ResourceExhausted: max_monitors are there.
  absl::StatusOr<ApplyResult> Apply(const MonitorSpec& spec, WallTime now, uint64_t generation = 1);
  // AlreadyExists: it is there. Runs under way are in plan->state().running; they count.
  absl::Status Restore(MonitorPlanState state, MonitorSpec spec, WallTime now);
  // Its last state: a run under way is for the caller to cancel, and its generation to remember.
  absl::StatusOr<MonitorPlanState> Remove(std::string_view name);

  // Starts what is due, the most overdue first, as far as max_running allows.
  std::vector<RunOrder> Poll(WallTime now);
  // When to poll again, if nothing else happens; kNever: nullopt. May be in the past.
  std::optional<WallTime> NextWake() const;

  // NotFound names the monitor. Ended: false when the run is not under way.
  absl::StatusOr<bool> Ended(std::string_view name, uint64_t number, RunOutcome outcome,
                             WallTime now);
  absl::Status RunNow(std::string_view name, WallTime now);
  absl::Status Pause(std::string_view name, WallTime now);
  absl::Status Resume(std::string_view name, WallTime now);
  void SetMaxRunning(size_t n) { limits_.max_running = n; }

  const MonitorPlan* Find(std::string_view name) const;  // nullptr: none
  std::vector<std::string> Names() const;                // sorted
  size_t size() const { return entries_.size(); }
  size_t running() const { return running_; }
  size_t waiting() const { return ready_.size(); }  // due, and for want of a place not started
  // The monitors that are late by more than `tolerance`, the latest first. O(n).
  std::vector<Lagging> Behind(WallTime now, Duration tolerance) const;
  // Those whose state has changed since the last call, sorted; removed ones are not among them.
  std::vector<std::string> TakeChanged();

 private:
  using Turn = std::pair<WallTime, std::string>;
  struct Entry {
    explicit Entry(MonitorPlan p) : plan(std::move(p)) {}
    MonitorPlan plan;
    std::optional<WallTime> wake;   // its key in wakes_
    std::optional<WallTime> ready;  // its key in ready_
    bool running = false;           // counted in running_
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  absl::StatusOr<Entries::iterator> At(std::string_view name);
  void Insert(MonitorPlan plan);
  void Unindex(const std::string& name, Entry& entry);
  void Index(const std::string& name, Entry& entry);
  // Runs `f(plan)` and puts the monitor where it belongs afterwards.
  template <typename F>
  auto Change(Entries::iterator at, F f);

  Limits limits_;
  Entries entries_;
  std::set<Turn> wakes_;  // by the time of NextWake
  std::set<Turn> ready_;  // by the time they were due
  size_t running_ = 0;
  std::set<std::string> changed_;
  std::optional<WallTime> last_poll_;
};

}  // namespace portolan
