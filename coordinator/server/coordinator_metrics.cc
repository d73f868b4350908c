#include "coordinator/server/coordinator_metrics.h"

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "common/ops/metric_builder.h"

namespace portolan {
namespace {

constexpr size_t kMaxAgentSeries = 1000;

void Outcomes(const Scheduler::Counters& c, const Ingest::Counters& ingest, MetricBuilder& out) {
  const char* const name = "portolan_probes_total";
  const char* const help =
      "Positions (address and port) whose outcome was counted, by state, since the coordinator "
      "started.";
  out.Counter(name, help, {{"state", "open"}}, MetricValue(c.outcomes.open));
  out.Counter(name, help, {{"state", "closed"}}, MetricValue(c.outcomes.closed));
  out.Counter(name, help, {{"state", "filtered"}}, MetricValue(c.outcomes.filtered));
  out.Counter(name, help, {{"state", "unreachable"}}, MetricValue(c.outcomes.unreachable));
  out.Counter(name, help, {{"state", "not-probed"}}, MetricValue(c.outcomes.NotProbed()));
  out.Counter("portolan_extra_probes_total",
              "Probes that agents sent beyond the plan, to confirm what they saw.", {},
              MetricValue(c.outcomes.extra));

  const char* const chunks = "portolan_chunks_total";
  const char* const chunks_help =
      "Chunks of outcomes that agents reported, by what became of them: accepted; trimmed (a part "
      "was counted before); duplicate (all of it "
      "was); fenced (revoked or granted anew, refused).";
  out.Counter(chunks, chunks_help, {{"verdict", "accepted"}}, MetricValue(c.chunks_accepted));
  out.Counter(chunks, chunks_help, {{"verdict", "trimmed"}}, MetricValue(c.chunks_trimmed));
  out.Counter(chunks, chunks_help, {{"verdict", "duplicate"}}, MetricValue(c.chunks_duplicate));
  out.Counter(chunks, chunks_help, {{"verdict", "fenced"}}, MetricValue(c.chunks_fenced));

  out.Counter("portolan_ingest_batches_total", "Batches of results that agents sent.", {},
              MetricValue(ingest.batches));
  out.Counter("portolan_ingest_rejected_batches_total",
              "Batches that were malformed and dropped: a bug or an attack.", {},
              MetricValue(ingest.rejected_batches));
  out.Counter("portolan_ingest_rows_total", "Open ports that were taken in as rows.", {},
              MetricValue(ingest.rows));
  out.Counter("portolan_ingest_rows_refused_total",
              "Open ports of leases that were no longer valid.", {},
              MetricValue(ingest.rows_refused));
  for (size_t i = 0; i < std::size(ingest.findings); ++i) {
    out.Counter("portolan_host_findings_total",
                "Findings about hosts as a whole that agents reported and that were taken in, by "
                "kind; one that is repeated counts again.",
                {{"kind", std::string(HostFindingName(static_cast<HostFindingKind>(i + 1)))}},
                MetricValue(ingest.findings[i]));
  }
  out.Counter("portolan_host_findings_refused_total",
              "Findings about hosts under leases that were no longer valid.", {},
              MetricValue(ingest.findings_refused));
}

void Leases(const Scheduler::Counters& c, size_t leases, MetricBuilder& out) {
  const char* const name = "portolan_leases_total";
  const char* const help = "What happened to leases, by event.";
  out.Counter(name, help, {{"event", "granted"}}, MetricValue(c.leases_granted));
  out.Counter(name, help, {{"event", "completed"}}, MetricValue(c.leases_completed));
  out.Counter(name, help, {{"event", "expired"}}, MetricValue(c.leases_expired));
  out.Counter(name, help, {{"event", "revoked"}}, MetricValue(c.leases_revoked));
  out.Counter(name, help, {{"event", "returned"}}, MetricValue(c.leases_returned));
  out.Counter(name, help, {{"event", "shrunk"}}, MetricValue(c.leases_shrunk));
  out.Gauge("portolan_leases", "Leases that agents hold now.", {}, MetricValue(leases));
}

// `missed`: vantages that should have an agent, so that one without any shows as 0.
void Agents(const std::vector<AgentStatus>& agents, const std::set<std::string>& missed,
            MetricBuilder& out) {
  std::map<std::pair<std::string, bool>, size_t> counts;
  const auto count = [&](const std::string& vantage, bool live, size_t n) {
    counts[{vantage, live}] += n;
    counts.try_emplace({vantage, !live}, 0);
  };
  for (const AgentStatus& a : agents) {
    // Only leases from before a restart tell of it: it has not said yet where it is.
    if (a.vantage.empty()) continue;
    count(a.vantage, a.live, a.left ? 0 : 1);
  }
  for (const std::string& vantage : missed) count(vantage, true, 0);
  for (const auto& [key, n] : counts) {
    out.Gauge("portolan_agents",
              "Agents by vantage, and whether they have called within the lease term; both are 0 "
              "for a vantage whose last agent has left, or that a scan or monitor names.",
              {{"vantage", key.first}, {"live", key.second ? "true" : "false"}}, MetricValue(n));
  }
}

// Processes that had to end because another one uses their name; hosts only, so that a service
// manager that starts one again and again makes no new series.
void Rivals(const AgentStatus& a, MetricBuilder& out) {
  std::vector<std::string> rivals = a.rival_peers;
  if (rivals.empty()) rivals.emplace_back();  // the series exists, with 0 and without a rival
  for (const std::string& rival : rivals) {
    out.Gauge(
        "portolan_fleet_name_conflict",
        "1 while two agents use one name: the host of the one that works, and of one that had "
        "to end within the last hour.",
        {{"agent", a.name},
         {"vantage", a.vantage},
         {"peer", PeerHost(a.details.peer)},
         {"rival", rival}},
        rival.empty() ? 0 : 1);
  }
}

void Fleet(const std::vector<AgentStatus>& agents, MetricBuilder& out) {
  size_t shown = 0;
  for (const AgentStatus& a : agents) {
    if (++shown > kMaxAgentSeries) break;
    const MetricBuilder::Labels labels{{"agent", a.name}, {"vantage", a.vantage}};
    Rivals(a, out);
    if (a.clock_skew_s.has_value()) {
      out.Gauge(
          "portolan_fleet_clock_skew_seconds",
          "How far an agent's clock is ahead of the coordinator's; negative: behind. Times are "
          "corrected by less than 300 s, and replaced by the time of receipt beyond.",
          labels, *a.clock_skew_s);
    }
    const AgentDetails& d = a.details;
    out.Counter("portolan_fleet_probes_sent_total",
                "SYNs that an agent has sent, as it says itself.", labels,
                MetricValue(d.probes_sent));
    out.Counter("portolan_fleet_retries_total",
                "Probes that an agent repeated after silence; over the probes it sent, about its "
                "losses and what is filtered.",
                labels, MetricValue(d.retries));
    const auto outcome = [&](const char* state, uint64_t n) {
      MetricBuilder::Labels with = labels;
      with.emplace_back("state", state);
      out.Counter(
          "portolan_fleet_outcomes_total",
          "Positions whose outcome an agent found out, by state; owed ones are to be probed "
          "again.",
          std::move(with), MetricValue(n));
    };
    outcome("open", d.open);
    outcome("closed", d.closed);
    outcome("filtered", d.filtered);
    outcome("unreachable", d.unreachable);
    outcome("owed", d.owed);
    out.Counter("portolan_fleet_local_failures_total",
                "Probes that failed on the agent's own machine (files, ports, memory) and were "
                "tried again.",
                labels, MetricValue(d.local_failures));
    out.Gauge("portolan_fleet_in_flight", "Probes of an agent that wait for an answer.", labels,
              MetricValue(d.in_flight));
    out.Gauge("portolan_fleet_measured_rate",
              "Probes a second that an agent has measured while it had work.", labels,
              a.measured_rate);
    out.Gauge("portolan_fleet_max_rate",
              "Probes a second that an agent will not exceed; 0: no limit of its own.", labels,
              a.max_rate);
    out.Gauge("portolan_fleet_window", "Probes that an agent can have in flight at once.", labels,
              d.window);
    out.Gauge(
        "portolan_fleet_limited",
        "1 while something limits an agent (files, its spool, the machine); `portolan agents` "
        "says what.",
        labels, d.limited_by.empty() ? 0 : 1);
    out.Gauge("portolan_fleet_leased_positions", "Positions that an agent is to probe.", labels,
              MetricValue(a.leased_positions));
    out.Gauge("portolan_fleet_last_seen_timestamp_seconds",
              "When an agent last called, in seconds since the Unix epoch.", labels,
              static_cast<double>(ToUnixMicros(a.last_seen)) / 1e6);
    out.Gauge("portolan_fleet_spool_bytes",
              "Results that an agent holds until they are acknowledged.", labels,
              MetricValue(d.spool_bytes));
    out.Gauge("portolan_fleet_spool_limit_bytes",
              "How much an agent can hold before it stops probing.", labels,
              MetricValue(d.spool_limit_bytes));
  }
}

void Scans(const Control::Snapshot& s, MetricBuilder& out) {
  const auto count = [&](ScanState state) {
    const auto it = s.scans.find(state);
    return it == s.scans.end() ? 0.0 : MetricValue(it->second);
  };
  const char* const help = "Scans that have not finished, by state.";
  out.Gauge("portolan_scans", help, {{"state", "running"}}, count(ScanState::kRunning));
  out.Gauge("portolan_scans", help, {{"state", "paused"}}, count(ScanState::kPaused));
  out.Gauge("portolan_scans", help, {{"state", "cancelling"}}, count(ScanState::kCancelling));
  for (const auto& p : s.progress) {
    out.Gauge("portolan_scan_progress_ratio",
              "How much of a scan is done, 0 to 1 (at most 100 scans are shown).", {{"scan", p.id}},
              p.done);
    out.Gauge("portolan_scan_probes_per_second",
              "Outcomes a second of a scan, a mean of the last 10 s (at most 100 scans are shown).",
              {{"scan", p.id}}, p.rate);
  }
}

void Queues(const Control::Snapshot& s, MetricBuilder& out) {
  const char* const help =
      "Tasks that wait, by queue: control (the coordinator's one thread), read (results), plan "
      "(new scans), compact (groups).";
  out.Gauge("portolan_queue_depth", help, {{"queue", "control"}}, MetricValue(s.control_queue));
  out.Gauge("portolan_queue_depth", help, {{"queue", "read"}}, MetricValue(s.read_queue));
  out.Gauge("portolan_queue_depth", help, {{"queue", "plan"}}, MetricValue(s.plan_queue));
  out.Gauge("portolan_queue_depth", help, {{"queue", "compact"}}, MetricValue(s.compactor.queued));
  out.Gauge(
      "portolan_ingest_bytes",
      "Results in memory that are not committed yet. Above the limit agents are not read from.", {},
      MetricValue(s.ingest_bytes));
  out.Gauge("portolan_rpc_parked", "Calls of agents that wait for news.", {},
            MetricValue(s.parked));
  out.Gauge("portolan_rpc_report_streams", "Streams of results that are open.", {},
            MetricValue(s.report_streams));
  out.Gauge("portolan_rpc_watchers", "Calls that watch a scan.", {}, MetricValue(s.watchers));
}

void Names(const NameLookupStats& n, MetricBuilder& out) {
  const char* const name = "portolan_names_total";
  const char* const help =
      "Host names of scans, exclusions and monitors that were looked up, by what came of it; those "
      "of a list count when all of it is answered. could-not-ask: nothing is known of the name.";
  out.Counter(name, help, {{"result", "found"}}, MetricValue(n.found));
  out.Counter(name, help, {{"result", "no-such-name"}}, MetricValue(n.no_such_name));
  out.Counter(name, help, {{"result", "no-address"}}, MetricValue(n.no_address));
  out.Counter(name, help, {{"result", "could-not-ask"}}, MetricValue(n.could_not_ask));
  out.Counter(name, help, {{"result", "cancelled"}}, MetricValue(n.cancelled));
  out.Gauge("portolan_names_under_way",
            "Host names that are being looked up, or wait for it, and have no answer yet.", {},
            MetricValue(n.under_way));
  out.Histogram("portolan_name_list_seconds",
                "How long it took to look up the host names of a list (of a scan, an exclusion or "
                "a run of a monitor).",
                {}, NameLookupStats::kBucketsS, n.list_buckets, n.list_seconds_total);
}

void StoreMetrics(const Control::Snapshot& s, bool healthy, MetricBuilder& out) {
  const Store::Stats& st = s.store;
  out.Histogram("portolan_store_commit_seconds", "How long a commit took.", {},
                Store::kCommitBucketsS, st.commit_buckets, st.commit_seconds_total);
  out.Counter("portolan_store_rows_total", "Open ports written.", {}, MetricValue(st.rows));
  out.Counter("portolan_store_chunks_total", "Chunks written.", {}, MetricValue(st.chunks));
  out.Counter("portolan_store_outcome_bytes_total", "Bytes of encoded outcomes written.", {},
              MetricValue(st.outcome_bytes));
  out.Counter("portolan_store_compacted_groups_total", "Groups brought into their final form.", {},
              MetricValue(st.compacted_groups));
  out.Counter("portolan_store_host_findings_total", "Findings about hosts written.", {},
              MetricValue(st.findings));
  out.Counter("portolan_store_host_findings_dropped_total",
              "Findings about hosts that were dropped because the lane had as many as are kept.",
              {}, MetricValue(st.findings_dropped));
  out.Counter("portolan_store_retries_total",
              "Commits that failed and were tried again: the disk is full or failing.", {},
              MetricValue(st.retries));
  out.Gauge("portolan_store_backlog_bytes", "Bytes that wait to be written.", {},
            MetricValue(s.store_backlog));
  out.Gauge("portolan_store_database_bytes", "Size of the database with its write-ahead log.", {},
            MetricValue(st.database_bytes));
  out.Gauge("portolan_store_healthy", "1 while writes succeed; 0: see /readyz for the reason.", {},
            healthy ? 1 : 0);
}

class CoordinatorCollector final : public prometheus::Collectable {
 public:
  CoordinatorCollector(Control& control, const CountedNameLookup& names,
                       std::function<std::vector<std::string>()> named)
      : control_(control), names_(names), named_(std::move(named)) {}
  std::vector<prometheus::MetricFamily> Collect() const override {
    MetricBuilder out;
    const std::optional<Control::Snapshot> s = control_.TakeSnapshot();
    if (!s.has_value()) return {};
    Outcomes(s->scheduler, s->ingest, out);
    Leases(s->scheduler, s->leases, out);
    std::set<std::string> vantages(s->vantages.begin(), s->vantages.end());
    if (named_) {
      for (std::string& v : named_()) {
        if (vantages.size() < Control::kMaxListedVantages) vantages.insert(std::move(v));
      }
    }
    Agents(s->agents, vantages, out);
    out.Counter("portolan_agent_name_conflicts_total",
                "Agents that had to end because another one with their name is at work.", {},
                MetricValue(s->name_conflicts));
    Fleet(s->agents, out);
    Scans(*s, out);
    Queues(*s, out);
    Names(names_.stats(), out);
    StoreMetrics(*s, control_.Ready().ok(), out);
    return out.Take();
  }

 private:
  Control& control_;
  const CountedNameLookup& names_;
  const std::function<std::vector<std::string>()> named_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> CoordinatorMetrics(
    Control& control, const CountedNameLookup& names,
    std::function<std::vector<std::string>()> monitored_vantages) {
  return std::make_shared<CoordinatorCollector>(control, names, std::move(monitored_vantages));
}

}  // namespace portolan
