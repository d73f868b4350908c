#include "coordinator/service/monitor_convert.h"

#include <algorithm>

#include "common/base/counted.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/net/service_catalogue.h"
#include "common/rpc/convert.h"
#include "coordinator/exposure/explain.h"
#include "coordinator/monitors/schedule.h"

namespace portolan {
namespace {

// Beyond the two slots: for the run itself to end.
constexpr Duration kRunGrace = std::chrono::minutes(10);

std::string AddressText(const IpAddress& address) {
  return address == IpAddress() ? "" : address.ToString();
}

v1::MonitorRun::State StateToProto(RunState s) {
  switch (s) {
    case RunState::kRunning:
      return v1::MonitorRun::STATE_RUNNING;
    case RunState::kComplete:
      return v1::MonitorRun::STATE_COMPLETE;
    case RunState::kPartial:
      return v1::MonitorRun::STATE_PARTIAL;
    case RunState::kFailed:
      return v1::MonitorRun::STATE_FAILED;
  }
  return v1::MonitorRun::STATE_UNSPECIFIED;
}

void FillRun(const RunRecord& run, v1::MonitorRun* out) {
  out->set_number(run.number);
  out->set_state(StateToProto(run.state));
  out->set_due_unix_us(ToUnixMicros(run.due));
  out->set_started_unix_us(ToUnixMicros(run.started));
  out->set_finished_unix_us(ToUnixMicros(run.finished));
  out->set_scan_id(run.scan);
  out->set_message(run.message);
  out->set_positions(run.positions);
  out->set_known(run.known);
  out->set_generation(run.generation);
  out->set_trigger(std::string(RunTriggerName(run.trigger)));
  out->set_candidates(run.candidates);
  for (const UnresolvedName& n : run.unresolved) {
    v1::MonitorRun::UnresolvedName* name = out->add_unresolved_names();
    name->set_name(n.name);
    name->set_problem(TroubleText(n.trouble));
  }
}

void FillVantage(const VantageStatus& v, v1::MonitorVantageStatus* out) {
  out->set_vantage(v.vantage);
  out->set_side(std::string(Name(v.side)));
  out->set_canaries(std::string(CanaryStateName(v.canaries)));
  out->set_canary_reason(v.canary_reason);
  out->set_since_unix_us(ToUnixMicros(v.since));
  out->set_open(v.open);
  out->set_last_complete_unix_us(ToUnixMicros(v.last_complete));
  out->set_mass_change(v.mass_change);
  out->set_confirming(v.confirming);
  for (const Canary& c : v.chosen) {
    v1::MonitorVantageStatus::Canary* canary = out->add_chosen();
    canary->set_target(c.subject.target.ToString());
    canary->set_port(c.subject.port);
    canary->set_address(AddressText(c.address));
    canary->set_open(c.open);
    canary->set_given(c.given);
  }
}

void FillSight(const VantageSight& sight, v1::SubjectState* out) {
  out->set_vantage(sight.vantage);
  out->set_side(std::string(Name(sight.side)));
  out->set_since_unix_us(ToUnixMicros(sight.since));
  out->set_last_seen_unix_us(ToUnixMicros(sight.last_seen));
  out->set_expected(std::string(ExpectedName(sight.expected)));
  out->set_rule(sight.rule);
  if (!sight.outcome || !IsObserved(sight.outcome->symbol)) {
    out->set_unknown_reason(sight.unknown && !sight.unknown->text.empty() ? sight.unknown->text
                                                                          : "it was not observed");
    return;
  }
  const SubjectOutcome& o = *sight.outcome;
  out->set_state(ToProto(o.symbol.state));
  out->set_reason(std::string(ReasonName(o.symbol.reason)));
  out->set_rtt_us(o.rtt_us);
  out->set_address(AddressText(o.address));
  out->set_unix_us(ToUnixMicros(o.when));
  out->set_agent(o.agent);
}

}  // namespace

std::string ScheduleText(const MonitorSchedule& schedule) {
  std::string out;
  if (schedule.every) {
    out = "every " + DurationText(*schedule.every);
    if (schedule.at) out += " at " + DurationText(*schedule.at);
  } else {
    out = "cron " + schedule.cron + " " + schedule.time_zone;
  }
  if (schedule.jitter > Duration::zero()) out += ", jitter " + DurationText(schedule.jitter);
  return out;
}

std::string NoDataReason(const MonitorStatus& status, WallTime now) {
  const WallTime never;
  // Whatever else is fresh: of these nothing is known.
  if (status.unresolved_names > 0) {
    return fmt::format("{} with nothing to look at: {}",
                       status.unresolved_names == 1
                           ? "one name"
                           : Counted(status.unresolved_names, "name", "names"),
                       status.unresolved_text);
  }
  if (status.plan.last_success == never) return "no run of it has been complete yet";
  for (const VantageStatus& v : status.vantages) {
    if (v.last_complete == never)
      return fmt::format("no run of it from vantage {} has been complete yet", v.vantage);
  }
  const absl::StatusOr<Schedule> schedule =
      Schedule::Create(status.spec.schedule, status.spec.name);
  if (!schedule.ok())
    return fmt::format("its schedule cannot be read: {}", Message(schedule.status()));
  const auto late = [&](WallTime last) {
    const std::optional<WallTime> next = schedule->NextAfter(last);
    const std::optional<WallTime> second = next ? schedule->NextAfter(*next) : std::nullopt;
    // The second slot's run may start `jitter` late; a schedule that has ended is never late.
    return second && now - *second > status.spec.schedule.jitter + kRunGrace;
  };
  const auto since = [&](WallTime last) {
    return fmt::format("{} ago, and two more were due since{}",
                       DurationText(std::chrono::floor<std::chrono::minutes>(now - last)),
                       status.paused ? " (it is paused)" : "");
  };
  if (late(status.plan.last_success))
    return "its last complete run ended " + since(status.plan.last_success);
  for (const VantageStatus& v : status.vantages) {
    if (late(v.last_complete)) {
      return fmt::format("its last complete run from vantage {} ended {}", v.vantage,
                         since(v.last_complete));
    }
  }
  return "";
}

void ToProto(const MonitorStatus& status, WallTime now, v1::Monitor* out) {
  out->set_name(status.spec.name);
  out->set_yaml(status.yaml);
  out->set_generation(status.generation);
  out->set_paused(status.paused);
  out->set_owner(status.spec.owner);
  for (const auto& [key, value] : status.spec.labels) (*out->mutable_labels())[key] = value;
  if (status.next_due) out->set_next_due_unix_us(ToUnixMicros(*status.next_due));
  out->set_behind_s(status.behind_s);
  out->set_behind_reason(status.behind_text);
  for (const RunRecord& run : status.runs) FillRun(run, out->add_runs());
  for (const VantageStatus& v : status.vantages) FillVantage(v, out->add_vantages());
  out->set_open_findings(status.open_findings);
  out->set_events(status.events);
  const MonitorPlanState& plan = status.plan;
  out->set_last_success_unix_us(ToUnixMicros(plan.last_success));
  out->set_missed_runs(plan.missed);
  out->set_skipped_runs(plan.skipped);
  out->set_runs_while_paused(plan.while_paused);
  out->set_failures_in_row(plan.failures_in_row);
  out->set_manager(status.manager);
  out->set_schedule(ScheduleText(status.spec.schedule));
  if (plan.pending) out->set_waiting(std::string(RunTriggerName(plan.pending->trigger)));
  out->set_next_run(plan.next_number);
  out->set_no_data(NoDataReason(status, now));
}

void ToProto(const ApplyResult& result, v1::ApplyMonitorsResponse::Result* out) {
  out->set_monitor(result.monitor);
  out->set_action(static_cast<v1::ApplyMonitorsResponse::Action>(result.action));
  for (const std::string& line : result.diff) out->add_diff(line);
}

void ToProto(const ExposureRow& row, v1::Exposure* out) {
  out->set_monitor(row.monitor);
  out->set_target(row.subject.target.ToString());
  out->set_port(row.subject.port);
  out->set_service(std::string(ServiceName(row.subject.port)));
  out->set_exposure_class(std::string(ExposureClassName(row.comparison.exposure)));
  out->set_barrier(std::string(ExposureBarrierName(row.comparison.barrier)));
  out->set_open(row.comparison.open);
  out->set_not_open(row.comparison.not_open);
  out->set_unknown(row.comparison.unknown);
  for (const VantageSight& sight : row.sights) FillSight(sight, out->add_states());
}

void ToProto(const StoredEvent& stored, v1::ExposureEvent* out) {
  const ExposureEvent& e = stored.event;
  out->set_id(e.id);
  out->set_sequence(stored.sequence);
  out->set_monitor_sequence(e.sequence);
  out->set_unix_us(ToUnixMicros(e.time));
  out->set_monitor(e.monitor);
  out->set_vantage(e.vantage);
  out->set_target(e.subject.target.ToString());
  out->set_address(AddressText(e.address));
  out->set_port(e.subject.port);
  out->set_service(std::string(ServiceName(e.subject.port)));
  out->set_change(std::string(ChangeKindName(e.kind)));
  out->set_from(SymbolText(e.from));
  out->set_to(SymbolText(e.to));
  for (const TrailStep& step : e.trail) {
    v1::EventTrailStep* t = out->add_trail();
    t->set_what(std::string(TrailStepName(step.what)));
    t->set_unix_us(ToUnixMicros(step.when));
    t->set_vantage(step.vantage);
    t->set_agent(step.agent);
    t->set_address(AddressText(step.address));
    t->set_seen(SymbolText(step.symbol));
    t->set_rtt_us(step.rtt_us);
    t->set_changes(step.changes);
  }
}

void ToProto(const MonitorFinding& found, v1::ExposureFinding* out) {
  const Finding& f = found.finding;
  out->set_key(f.key.ToString());
  out->set_monitor(found.monitor);
  out->set_kind(std::string(FindingKindName(f.key.kind)));
  out->set_severity(std::string(Name(f.severity)));
  out->set_rule(f.key.rule);
  out->set_vantage(f.key.vantage);
  if (f.key.target) out->set_target(f.key.target->ToString());
  if (f.key.port) {
    out->set_port(*f.key.port);
    out->set_service(std::string(ServiceName(*f.key.port)));
  }
  out->set_address(AddressText(f.address));
  out->set_owner(f.owner);
  out->set_text(f.text);
  out->set_remedy(f.remedy);
  out->set_since_unix_us(ToUnixMicros(f.since));
  out->set_found_unix_us(ToUnixMicros(f.found));
  out->set_resolved_unix_us(ToUnixMicros(f.resolved));
}

void ToProto(const FindingList& list, v1::ListFindingsResponse* out) {
  for (const MonitorFinding& f : list.findings) ToProto(f, out->add_findings());
  for (const auto& [rule, total] : list.totals) {
    v1::ListFindingsResponse::RuleTotal* t = out->add_totals();
    t->set_monitor(rule.first);
    t->set_rule(rule.second);
    t->set_total(total);
  }
}

void ToProto(const DeadLetter& letter, v1::DeadLetter* out) {
  out->set_number(letter.number);
  out->set_receiver(letter.receiver);
  out->set_notification_id(letter.notification.id);
  out->set_queued_unix_us(ToUnixMicros(letter.queued));
  out->set_died_unix_us(ToUnixMicros(letter.died));
  out->set_attempts(letter.attempts);
  out->set_http_status(letter.status > 0 ? static_cast<uint32_t>(letter.status) : 0);
  out->set_error(letter.error);
  out->set_kind(letter.grouped ? "group"
                               : std::string(NotificationKindName(letter.notification.kind)));
  out->set_monitor(letter.notification.monitor);
  out->set_text(letter.notification.text);
}

void ToProto(const Explanation& explanation, const std::vector<MonitorSpec>& specs,
             v1::ExplainResponse* out) {
  const Subject& subject = explanation.subject;
  out->set_target(subject.target.ToString());
  out->set_port(subject.port);
  if (const Service* service = FindService(subject.port); service != nullptr) {
    out->set_service(std::string(service->name));
    out->set_service_class(std::string(ServiceClassName(service->service_class)));
  }
  out->set_service_text(ServiceText(subject.port));
  for (const ExposureRow& row : explanation.rows) ToProto(row, out->add_exposures());
  for (const MonitorFinding& f : explanation.findings) ToProto(f, out->add_findings());
  for (const StoredEvent& e : explanation.events) ToProto(e, out->add_events());
  for (const std::string& m : explanation.uncovered_by) out->add_uncovered_by(m);

  // Each rule that decides for some vantage, once; by it, what the vantages should see.
  std::vector<ExplainedSight> sights;
  for (const ExposureRow& row : explanation.rows) {
    const auto spec = std::find_if(specs.begin(), specs.end(),
                                   [&](const MonitorSpec& s) { return s.name == row.monitor; });
    const std::vector<ExpectationRule> rules =
        spec == specs.end() ? std::vector<ExpectationRule>() : AllRules(*spec);
    std::vector<std::string> named;
    for (const VantageSight& s : row.sights) {
      ExplainedSight sight{s.vantage,    s.side, s.outcome, s.unknown ? s.unknown->text : "",
                           std::nullopt, s.rule};
      const auto rule = std::find_if(rules.begin(), rules.end(),
                                     [&](const ExpectationRule& r) { return r.name == s.rule; });
      if (rule != rules.end()) {
        sight.action = rule->action;
      } else if (s.expected == Expected::kNo && s.outcome) {  // the rule is gone from the spec
        sight.action =
            IsOpen(s.outcome->symbol) ? ExpectAction::kMustNotBeOpen : ExpectAction::kMustBeOpen;
      }
      sights.push_back(std::move(sight));
      if (rule == rules.end() || std::find(named.begin(), named.end(), s.rule) != named.end())
        continue;
      named.push_back(s.rule);
      v1::ExplainResponse::Rule* r = out->add_rules();
      r->set_monitor(row.monitor);
      r->set_name(rule->name);
      r->set_action(std::string(Name(rule->action)));
      r->set_severity(std::string(Name(rule->severity)));
      r->set_owner(rule->owner);
      r->set_reason(RuleReason(rule->services, rule->reason, subject.port));
      if (rule->expires) r->set_expires_unix_us(ToUnixMicros(*rule->expires));
      r->set_profile(std::none_of(spec->expectations.begin(), spec->expectations.end(),
                                  [&](const ExpectationRule& own) { return own.name == s.rule; }));
    }
  }
  // Of several monitors that look at it, the first one's comparison; the sights are of all.
  const Comparison comparison =
      explanation.rows.empty() ? Comparison() : explanation.rows.front().comparison;
  for (std::string& step : NextSteps(subject, comparison, sights))
    out->add_next_steps(std::move(step));
}

}  // namespace portolan
