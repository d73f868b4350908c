#include "agent/runner/probe_thread.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace portolan {
namespace {

// With nothing to do the thread sleeps until a command wakes it; this is only so that a forgotten
// wake-up could not last for ever.
constexpr Duration kLongestSleep = std::chrono::minutes(1);

}  // namespace

ProbeThread::ProbeThread(std::unique_ptr<ProbeEngine> engine, ReportSink& sink, Scope scope,
                         const Clock& clock, RunnerOptions options, TableReader table)
    : clock_(clock),
      engine_(std::move(engine)),
      engine_name_(engine_->name()),
      window_(engine_->window()),
      limited_by_(engine_->limited_by()),
      table_(std::move(table)),
      runner_(*engine_, sink, std::move(scope), options),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "probe");
}

ProbeThread::~ProbeThread() { Stop(); }

void ProbeThread::Post(Command command) {
  {
    MutexLock lock(mu_);
    if (stop_) return;
    commands_.push_back(std::move(command));
  }
  engine_->Wake();
}

ProbeThread::Snapshot ProbeThread::Ask() {
  // The command may run after this call has returned (when the thread stops), so it owns what it
  // writes to.
  struct Answer {
    Snapshot snapshot;
    bool ready = false;
  };
  auto answer = std::make_shared<Answer>();  // shared by this call and the command
  Post([this, answer](Runner& runner, Time) {
    Snapshot snapshot;
    snapshot.leases = runner.Progress();
    snapshot.scans = runner.KnownScans();
    snapshot.counters = runner.counters();
    snapshot.engine = engine_->counters();
    snapshot.in_flight = engine_->in_flight();
    snapshot.open_chunks = runner.open_chunks();
    snapshot.open_positions = runner.open_positions();
    snapshot.idle = runner.idle() && !runner.has_work();
    MutexLock lock(mu_);
    answer->snapshot = std::move(snapshot);
    answer->ready = true;
    answered_.NotifyAll();
  });
  MutexLock lock(mu_);
  while (!answer->ready && !stopped_) answered_.Wait(mu_);
  return answer->snapshot;
}

void ProbeThread::Stop() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  engine_->Wake();
  if (thread_.joinable()) thread_.join();
}

bool ProbeThread::Obey() {
  std::vector<Command> commands;
  {
    MutexLock lock(mu_);
    commands.swap(commands_);
    if (stop_) return false;
  }
  if (commands.empty()) return true;
  const Time now = clock_.Now();
  for (Command& command : commands) command(runner_, now);
  return true;
}

Time ProbeThread::Look(Time now) {
  if (table_ == nullptr || (runner_.idle() && !runner_.has_work())) return kNever;
  if (now < next_look_) return next_look_;
  next_look_ = now + TableGuard::kLook;
  const std::optional<ConntrackTable> table = table_();
  if (table.has_value() && table->dropped.has_value())
    runner_.ObserveTable({table->entries, table->max, *table->dropped}, now);
  return next_look_;
}

void ProbeThread::Run() {
  std::vector<ProbeOutcome> outcomes;
  while (Obey()) {
    Time now = clock_.Now();
    const Time look = Look(now);
    const Time next = std::min(look, runner_.Step(now, clock_.Wall()));
    const Duration wait = next <= now ? Duration::zero() : std::min(next - now, kLongestSleep);
    now = engine_->Poll(wait, outcomes);
    if (outcomes.empty()) continue;
    const WallTime wall = clock_.Wall();
    for (const ProbeOutcome& outcome : outcomes) runner_.OnOutcome(outcome, now, wall);
    outcomes.clear();
  }
  engine_->Cancel();
  MutexLock lock(mu_);
  stopped_ = true;
  answered_.NotifyAll();
}

}  // namespace portolan
