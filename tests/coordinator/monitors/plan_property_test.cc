// Random histories of monitors: restarts at any point between the steps of the caller, pauses, runs
// by hand, changed specs, slow runs, a clock that jumps. Whatever happens, every run that was
// started has exactly one scan, and every slot of the schedule is accounted for exactly once.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "common/base/status.h"
#include "coordinator/monitors/monitor_set.h"
#include "tests/coordinator/monitors/plan_fixture.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Scan {
  RunOrder run;
  bool finished = false;
};

class World {
 public:
  World(uint64_t seed, bool jumps) : rng_(seed), jumps_(jumps), now_(At("2026-10-24")) {
    const int n = 1 + Below(4);
    for (int i = 0; i < n; ++i) {
      const std::string name = "m" + std::to_string(i);
      EXPECT_TRUE(set_.Apply(RandomSpec(name), now_).ok());
      created_[name] = now_;
    }
    Store();
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) Step();
    Settle();
  }

  void Check() {
    for (const std::string& name : set_.Names()) {
      const MonitorPlan& plan = *set_.Find(name);
      const MonitorPlanState& s = plan.state();
      // Numbers without gaps, each with one scan.
      std::map<uint64_t, int> numbers;
      for (const auto& [key, scan] : scans_) {
        if (scan.run.monitor == name) ++numbers[scan.run.number];
      }
      ASSERT_EQ(numbers.size(), s.next_number - 1) << name;
      for (const auto& [number, count] : numbers) ASSERT_EQ(count, 1) << name << " " << number;
      ASSERT_EQ(s.scheduled_runs + s.manual_runs, s.next_number - 1);
      if (jumps_ || rescheduled_.count(name) > 0) continue;
      // Slots, counted one by one.
      uint64_t slots = 0;
      for (auto t = plan.schedule().NextAfter(created_[name]); *t <= s.handled_until;
           t = plan.schedule().NextAfter(*t))
        ++slots;
      const bool waits = s.pending.has_value() && s.pending->trigger != RunTrigger::kManual;
      ASSERT_EQ(slots, s.scheduled_runs + s.skipped + s.missed + s.while_paused + (waits ? 1 : 0))
          << name;
      std::set<WallTime> seen;
      for (const auto& [key, scan] : scans_) {
        if (scan.run.monitor != name || scan.run.trigger == RunTrigger::kManual) continue;
        ASSERT_TRUE(seen.insert(scan.run.slot).second) << key << ": a slot ran twice";
      }
      ASSERT_EQ(s.clock_resets, 0u);
    }
  }

  // With jumps: whatever the clock did, monitors run on.
  void CheckAlive() {
    for (const std::string& name : set_.Names()) {
      EXPECT_TRUE(set_.Resume(name, now_).ok());
      if (set_.Find(name)->paused()) continue;  // by its spec
      const uint64_t before = set_.Find(name)->state().next_number;
      // The longest schedule here is daily; a jump back over one slot is waited out.
      for (int h = 0; h < 24 * 3; ++h) {
        now_ += hours(1);
        Turn(false);
        FinishAll();
      }
      ASSERT_GT(set_.Find(name)->state().next_number, before) << name;
    }
  }

 private:
  MonitorSpec RandomSpec(const std::string& name) {
    MonitorSpec s = IntervalSpec(name, minutes(10 + Below(180)));
    s.schedule.at.reset();
    if (Below(3) == 0) {
      s.schedule.every.reset();
      static const char* kCrons[] = {"*/30 * * * *", "30 2 * * *", "0 1-5 * * *", "@daily"};
      s.schedule.cron = kCrons[Below(4)];
      s.schedule.time_zone = Below(2) ? "Europe/Berlin" : "UTC";
    }
    if (Below(2)) s.schedule.jitter = minutes(Below(9));
    if (Below(2)) s.overlap = OverlapPolicy::kQueue;
    return s;
  }

  void Step() {
    const std::string name = "m" + std::to_string(Below(static_cast<int>(set_.size())));
    switch (Below(14)) {
      case 0:
        return Crash();
      case 1:
        EXPECT_TRUE(set_.Pause(name, now_).ok());
        return Store();
      case 2:
      case 3:
        EXPECT_TRUE(set_.Resume(name, now_).ok());
        return Store();
      case 4:
        (void)set_.RunNow(name, now_);  // refused while one is under way
        return Store();
      case 5: {
        MonitorSpec spec = set_.Find(name)->spec();
        if (Below(4) == 0) {
          spec = RandomSpec(name);
          if (!(spec.schedule == set_.Find(name)->spec().schedule)) rescheduled_.insert(name);
        }
        spec.ports = std::to_string(1 + Below(5));
        EXPECT_TRUE(set_.Apply(spec, now_).ok());
        return Store();
      }
      case 6:
        if (jumps_ && Below(2)) {
          const Duration jump = seconds(Below(8) == 0 ? Below(90 * 86'400) : Below(7200));
          now_ += std::chrono::duration_cast<std::chrono::microseconds>(Below(2) ? jump : -jump);
        } else if (Below(4) == 0) {
          now_ += hours(Below(60));  // the machine slept
        }
        return Turn(true);
      case 7:
      case 8:
        return FinishSome();
      default:
        now_ += seconds(Below(40 * 60));
        return Turn(true);
    }
  }

  // What a coordinator does; it may die between any two steps.
  void Turn(bool may_crash) {
    const std::vector<RunOrder> runs = set_.Poll(now_);
    if (may_crash && Below(20) == 0) return Crash();
    Store();
    for (const RunOrder& run : runs) {
      if (may_crash && Below(20) == 0) return Crash();
      CreateScan(run);
    }
  }

  void CreateScan(const RunOrder& run) { scans_.try_emplace(run.Key(), Scan{run}); }

  void FinishSome() {
    for (auto& [key, scan] : scans_) {
      if (scan.finished || Below(2) == 0) continue;
      scan.finished = true;
      if (Below(10) == 0) return Crash();  // nobody was told
      Tell(scan);
    }
    Store();
  }
  void FinishAll() {
    for (auto& [key, scan] : scans_) scan.finished = true;
    for (const std::string& name : set_.Names()) {
      if (set_.Find(name)->state().running.has_value())
        Tell(scans_.at(set_.Find(name)->state().running->Key()));
    }
    Store();
  }
  void Tell(const Scan& scan) {
    (void)set_.Ended(scan.run.monitor, scan.run.number,
                     Below(3) ? RunOutcome::kComplete : RunOutcome::kPartial, now_);
    if (Below(5) == 0) {
      EXPECT_FALSE(*set_.Ended(scan.run.monitor, scan.run.number, RunOutcome::kFailed, now_));
    }
  }

  void Store() {
    for (const std::string& name : set_.TakeChanged()) {
      const MonitorPlan& plan = *set_.Find(name);
      stored_[name] = {plan.state(), plan.spec()};
    }
  }

  void Crash() {
    set_ = MonitorSet({10, 2});
    if (Below(3) == 0) now_ += seconds(Below(20 * 3600));
    for (const auto& [name, kept] : stored_)
      ASSERT_TRUE(set_.Restore(kept.first, kept.second, now_).ok());
    Store();
    for (const auto& [name, kept] : stored_) {
      if (!kept.first.running.has_value()) continue;
      const RunOrder& run = *kept.first.running;
      CreateScan(run);
      const Scan& scan = scans_.at(run.Key());
      if (scan.finished) Tell(scan);
    }
    Store();
  }

  // Ends what is under way, so that numbers and scans can be compared.
  void Settle() {
    Turn(false);
    FinishAll();
  }

  int Below(int n) { return static_cast<int>(rng_() % static_cast<uint64_t>(n)); }

  std::mt19937_64 rng_;
  bool jumps_;
  WallTime now_;
  MonitorSet set_{{10, 2}};
  std::map<std::string, std::pair<MonitorPlanState, MonitorSpec>> stored_;
  std::map<std::string, Scan> scans_;  // by key: one scan a key, as the coordinator creates them
  std::map<std::string, WallTime> created_;
  std::set<std::string> rescheduled_;
};

TEST(MonitorPlanProperty, NoRunIsLostOrDoubledOverRestartsAndPauses) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed, /*jumps=*/false);
    world.Run(200);
    world.Check();
    if (HasFatalFailure()) return;
  }
}

TEST(MonitorPlanProperty, ClockThatJumpsLosesNoScanAndStopsNoMonitor) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed, /*jumps=*/true);
    world.Run(150);
    world.Check();
    world.CheckAlive();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace portolan
