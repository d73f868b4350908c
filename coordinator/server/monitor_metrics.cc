#include "coordinator/server/monitor_metrics.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/net/service_catalogue.h"
#include "common/ops/metric_builder.h"

namespace portolan {
namespace {

using Labels = MetricBuilder::Labels;

double Seconds(WallTime t) { return static_cast<double>(ToUnixMicros(t)) / 1e6; }

void Exposed(const std::string& monitor, const std::string& vantage,
             const MonitorMetrics::Vantage& v, MetricBuilder& out) {
  // A count of zero is left out, except for those open everywhere: they show that the vantage is
  // counted at all. Ports that break no rule have no severity.
  auto exposed = v.exposed;
  for (const Expected e : {Expected::kUnspecified, Expected::kYes, Expected::kNo}) {
    exposed.try_emplace({ExposureClass::kOpenEverywhere, e}, 0);
  }
  const auto severity_label = [](std::optional<Severity> s) {
    return s.has_value() ? std::string(Name(*s)) : std::string();
  };
  for (const auto& [key, n] : exposed) {
    if (n == 0 && key.exposure != ExposureClass::kOpenEverywhere) continue;
    out.Gauge("portolan_exposed_ports",
              "Ports that are open from a vantage, by from where else they are open, whether the "
              "monitor's rules expect it, and how severe the rule is that they break (no severity "
              "where none is broken).",
              {{"monitor", monitor},
               {"vantage", vantage},
               {"class", std::string(ExposureClassName(key.exposure))},
               {"expected", std::string(ExpectedName(key.expected))},
               {"severity", severity_label(key.severity)}},
              MetricValue(n));
  }
  const auto missing = [&](std::optional<Severity> severity, uint64_t n) {
    out.Gauge("portolan_missing_expected_ports",
              "Ports that must be open and were really observed not to be, by how severe the rule "
              "is that they break (no severity in the series that counts none).",
              {{"monitor", monitor}, {"vantage", vantage}, {"severity", severity_label(severity)}},
              MetricValue(n));
  };
  missing(std::nullopt, 0);
  for (const auto& [severity, n] : v.missing_expected) missing(severity, n);
  for (int i = 0; i < kUnknownCauses; ++i) {
    out.Gauge("portolan_unknown_expected_ports",
              "Ports that must be open and of which it is not known whether they are, by why.",
              {{"monitor", monitor},
               {"vantage", vantage},
               {"cause", std::string(UnknownCauseName(static_cast<UnknownCause>(i)))}},
              MetricValue(v.unknown_expected[static_cast<size_t>(i)]));
  }
}

void Changes(const std::string& monitor, const std::string& vantage,
             const MonitorMetrics::Vantage& v, MetricBuilder& out) {
  for (int i = 0; i < kChangeKinds; ++i) {
    out.Counter("portolan_exposure_changes_total",
                "Confirmed changes that were told as events, since the coordinator started.",
                {{"monitor", monitor},
                 {"vantage", vantage},
                 {"change", std::string(ChangeKindName(static_cast<ChangeKind>(i + 1)))}},
                MetricValue(v.changes[static_cast<size_t>(i)]));
  }
  const auto settled = [&](const char* as, uint64_t n) {
    out.Counter("portolan_exposure_settled_total",
                "Differences that became no event, by why: transient (the probes did not see it), "
                "flapping (it changes too often), abandoned (the probes got no answer).",
                {{"monitor", monitor}, {"vantage", vantage}, {"result", as}}, MetricValue(n));
  };
  settled("transient", v.transient);
  settled("flapping", v.flapping);
  settled("abandoned", v.abandoned);
  out.Gauge("portolan_exposure_confirming", "Differences that are being probed again.",
            {{"monitor", monitor}, {"vantage", vantage}}, MetricValue(v.confirming));
  for (const CanaryState s :
       {CanaryState::kUnknown, CanaryState::kHealthy, CanaryState::kQuarantined}) {
    out.Gauge(
        "portolan_monitor_canary_state",
        "1 for what the canaries say of a vantage now, 0 for the other states. What a "
        "quarantined one sees is not believed.",
        {{"monitor", monitor}, {"vantage", vantage}, {"state", std::string(CanaryStateName(s))}},
        v.canaries == s ? 1 : 0);
  }
}

void Hosts(const MonitorMetrics& m, MetricBuilder& out) {
  const auto gauge = [&](const std::string& port, uint64_t n) {
    out.Gauge("portolan_exposed_hosts",
              "Targets with the port open from anywhere, for the 20 ports with most of them; "
              "\"other\" is the sum over all other ports.",
              {{"monitor", m.monitor}, {"port", port}}, MetricValue(n));
  };
  for (const auto& [port, n] : m.hosts_by_port.top) gauge(std::to_string(port), n);
  gauge("other", m.hosts_by_port.others);
}

void Runs(const MonitorMetrics& m, MetricBuilder& out) {
  const Labels labels{{"monitor", m.monitor}};
  const auto gauge = [&](const char* name, const char* help, double value) {
    out.Gauge(name, help, labels, value);
  };
  // Without a run of the kind there is no time, and 1970 would look like a very late one.
  if (m.last_success != WallTime{}) {
    gauge("portolan_monitor_last_success_timestamp_seconds",
          "When the last complete run ended, in seconds since the Unix epoch; absent: there was "
          "none yet.",
          Seconds(m.last_success));
  }
  if (m.last_started != WallTime{}) {
    gauge("portolan_monitor_last_start_timestamp_seconds",
          "When the last run started, in seconds since the Unix epoch; absent: there was none yet.",
          Seconds(m.last_started));
  }
  if (m.interval_s > 0) {
    gauge("portolan_monitor_interval_seconds",
          "How far apart the runs of the schedule are; absent: by cron.", m.interval_s);
  }
  gauge("portolan_monitor_paused", "1 while the schedule starts no runs.", m.paused ? 1 : 0);
  gauge("portolan_monitor_behind_seconds", "How late the run is that is due; 0: in time.",
        m.behind_s);
  const auto runs = [&](const char* state, uint64_t n) {
    out.Counter("portolan_monitor_runs_total",
                "Runs by how they ended: complete, partial (something was not looked at), failed "
                "(no scan could be made); and those that did not start: missed (the coordinator "
                "was down), skipped (the run before was under way).",
                {{"monitor", m.monitor}, {"state", state}}, MetricValue(n));
  };
  const auto count = [&](RunState s) {
    const auto it = m.runs.find(s);
    return it == m.runs.end() ? uint64_t{0} : it->second;
  };
  const uint64_t ended =
      count(RunState::kComplete) + count(RunState::kPartial) + count(RunState::kFailed);
  if (ended > 0 || m.last_success != WallTime{}) {
    gauge(
        "portolan_monitor_coverage_ratio",
        "How much of what the last run planned got a verdict, 0 to 1; absent: there was none yet.",
        m.coverage);
    gauge("portolan_monitor_run_duration_seconds",
          "How long the last run that ended took; absent: there was none yet.", m.run_duration_s);
  }
  runs("complete", count(RunState::kComplete));
  runs("partial", count(RunState::kPartial));
  runs("failed", count(RunState::kFailed));
  runs("missed", m.missed);
  runs("skipped", m.skipped);
  for (int i = 1; i <= static_cast<int>(m.unresolved_names.size()); ++i) {
    out.Gauge("portolan_monitor_unresolved_names",
              "Names of a monitor that lead nowhere, by why; could-not-ask: no name server "
              "answered, so nothing is known of the name.",
              {{"monitor", m.monitor},
               {"problem", std::string(NameProblemName(static_cast<NameProblem>(i)))}},
              MetricValue(m.unresolved_names[static_cast<size_t>(i - 1)]));
  }
  gauge("portolan_vantage_disagreements",
        "Ports that are open from some vantages and not from others.",
        MetricValue(m.disagreements));
}

void Findings(const MonitorMetrics& m, MetricBuilder& out) {
  for (const auto& [key, n] : m.findings) {
    out.Gauge(
        "portolan_findings", "Findings that are open, by severity and rule.",
        {{"monitor", m.monitor}, {"severity", std::string(Name(key.first))}, {"rule", key.second}},
        MetricValue(n));
  }
}

// Gives how many of `budget` are left.
size_t Ports(const MonitorMetrics& m, size_t budget, MetricBuilder& out) {
  const size_t shown = std::min(budget, m.open_ports.size());
  for (size_t i = 0; i < shown; ++i) {
    const MonitorMetrics::Port& p = m.open_ports[i];
    out.Gauge("portolan_port_open",
              "Always 1: a port of the baseline that is open from a vantage; service is by port "
              "number. There are as many as the series budget allows.",
              {{"monitor", m.monitor},
               {"target", p.subject.target.ToString()},
               {"port", std::to_string(p.subject.port)},
               {"service", std::string(ServiceName(p.subject.port))},
               {"vantage", p.vantage}},
              1);
  }
  out.Gauge("portolan_series_dropped",
            "Open ports that have no portolan_port_open, because the series budget is used up.",
            {{"monitor", m.monitor}},
            MetricValue(m.open_ports_total - std::min<uint64_t>(m.open_ports_total, shown)));
  return budget - shown;
}

void Receivers(const WebhookStats& stats, MetricBuilder& out) {
  for (const WebhookReceiverStats& r : stats.receivers) {
    const Labels labels{{"receiver", r.name}};
    out.Counter("portolan_webhook_sent_total", "Notifications that a receiver took.", labels,
                MetricValue(r.sent));
    out.Counter("portolan_webhook_messages_total",
                "Requests by which a receiver took them: a group of notifications is one.", labels,
                MetricValue(r.messages));
    out.Counter("portolan_webhook_retries_total", "Attempts that failed and are made again.",
                labels, MetricValue(r.retried));
    out.Counter("portolan_webhook_dead_letters_total",
                "Notifications that were given up: refused, or too old.", labels,
                MetricValue(r.failed));
    out.Gauge("portolan_webhook_pending",
              "Notifications that wait to be delivered, those that gather for a group too.", labels,
              MetricValue(r.waiting.pending));
    out.Gauge("portolan_webhook_gathering",
              "Notifications that wait until their group is complete.", labels,
              MetricValue(r.waiting.gathering));
    out.Gauge("portolan_webhook_dead_letters",
              "Notifications that were given up and wait for a person.", labels,
              MetricValue(r.waiting.dead));
    out.Gauge("portolan_webhook_oldest_pending_seconds",
              "Age of the oldest notification that waits, in a complete group since it was "
              "complete; 0: none does.",
              labels, ToSeconds(r.oldest_pending_age));
  }
  out.Counter("portolan_webhook_overflowed_total",
              "Notifications that were given up because too many waited.", {},
              MetricValue(stats.losses.overflowed));
  out.Counter("portolan_webhook_dropped_total",
              "Notifications that were given up and then dropped to make room for newer ones.", {},
              MetricValue(stats.losses.dropped));
}

class MonitorCollector final : public prometheus::Collectable {
 public:
  MonitorCollector(const Monitoring& monitoring, MonitorMetricsOptions options)
      : monitoring_(monitoring), options_(options) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const std::shared_ptr<const MonitoringMetrics> s = monitoring_.Metrics();
    if (s == nullptr) return {};
    MetricBuilder out;
    out.Gauge("portolan_monitors", "Monitors, paused ones too.", {},
              MetricValue(s->monitors.size()));
    out.Gauge("portolan_monitor_runs_active", "Runs under way, over all monitors.", {},
              MetricValue(s->running));
    out.Gauge("portolan_monitor_runs_waiting",
              "Runs that are due and wait, because as many as may be are under way.", {},
              MetricValue(s->waiting));
    out.Gauge("portolan_confirmation_scans", "Scans under way that probe differences again.", {},
              MetricValue(s->confirming_scans));
    out.Gauge("portolan_monitoring_updated_timestamp_seconds",
              "As of when all that monitors export is, in seconds since the Unix epoch.", {},
              Seconds(s->when));
    for (const MonitorMetrics& m : s->monitors) {
      for (const auto& [vantage, v] : m.vantages) {
        Exposed(m.monitor, vantage, v, out);
        Changes(m.monitor, vantage, v, out);
      }
      Findings(m, out);
      Hosts(m, out);
      Runs(m, out);
    }
    size_t budget = options_.series_budget;
    for (const MonitorMetrics& m : s->monitors) budget = Ports(m, budget, out);
    Receivers(monitoring_.Webhooks(), out);
    return out.Take();
  }

 private:
  const Monitoring& monitoring_;
  const MonitorMetricsOptions options_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MonitorMetricsOf(const Monitoring& monitoring,
                                                          MonitorMetricsOptions options) {
  return std::make_shared<MonitorCollector>(monitoring, options);
}

}  // namespace portolan
