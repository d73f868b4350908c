#include "common/base/status.h"
#include "coordinator/monitor_store/exposure_codec.h"
#include "coordinator/monitor_store/record.h"

namespace portolan {
namespace {

constexpr uint8_t kPlanVersion = 1;

RunTrigger GetTrigger(RecordReader& r) {
  return r.GetEnum(RunTrigger::kSchedule, RunTrigger::kCatchUp);
}

void PutOrder(RecordWriter& w, const RunOrder& o) {
  w.PutName(o.monitor);
  w.Varint(o.generation);
  w.Varint(o.number);
  w.PutEnum(o.trigger);
  w.PutTime(o.slot);
  w.PutTime(o.due);
  w.PutTime(o.started);
}

RunOrder GetOrder(RecordReader& r) {
  RunOrder o;
  o.monitor = r.GetName();
  o.generation = r.Varint();
  o.number = r.Varint();
  o.trigger = GetTrigger(r);
  o.slot = r.GetTime();
  o.due = r.GetTime();
  o.started = r.GetTime();
  return o;
}

}  // namespace

std::string EncodePlan(const MonitorPlanState& p) {
  RecordWriter w(kPlanVersion);
  w.Varint(p.generation);
  w.Varint(p.next_number);
  w.PutTime(p.handled_until);
  w.PutBool(p.paused);
  w.PutBool(p.pending.has_value());
  if (p.pending) {
    w.PutEnum(p.pending->trigger);
    w.PutTime(p.pending->slot);
    w.PutTime(p.pending->due);
  }
  w.PutBool(p.running.has_value());
  if (p.running) PutOrder(w, *p.running);
  w.PutBool(p.overrun_since.has_value());
  if (p.overrun_since) w.PutTime(*p.overrun_since);
  for (const uint64_t n : {p.scheduled_runs, p.manual_runs, p.skipped, p.missed, p.while_paused,
                           p.clock_resets, p.failures_in_row}) {
    w.Varint(n);
  }
  w.PutEnum(p.last_outcome);
  for (const WallTime t : {p.last_started, p.last_ended, p.last_success}) w.PutTime(t);
  return w.Seal();
}

absl::StatusOr<MonitorPlanState> DecodePlan(std::string_view bytes) {
  RecordReader r(bytes, kPlanVersion);
  MonitorPlanState p;
  p.generation = r.Varint();
  p.next_number = r.Varint();
  p.handled_until = r.GetTime();
  p.paused = r.GetBool();
  if (r.GetBool()) {
    MonitorPlanState::Pending pending;
    pending.trigger = GetTrigger(r);
    pending.slot = r.GetTime();
    pending.due = r.GetTime();
    p.pending = pending;
  }
  if (r.GetBool()) p.running = GetOrder(r);
  if (r.GetBool()) p.overrun_since = r.GetTime();
  for (uint64_t* n : {&p.scheduled_runs, &p.manual_runs, &p.skipped, &p.missed, &p.while_paused,
                      &p.clock_resets, &p.failures_in_row}) {
    *n = r.Varint();
  }
  p.last_outcome = r.GetEnum(RunOutcome::kNone, RunOutcome::kFailed);
  for (WallTime* t : {&p.last_started, &p.last_ended, &p.last_success}) *t = r.GetTime();
  if (!r.done()) return DamagedRecord("schedule of a monitor", bytes.size());
  return p;
}

}  // namespace portolan
