#include "agent/app/agent_metrics.h"

#include <array>
#include <utility>

#include "agent/engine/conntrack.h"
#include "common/ops/metric_builder.h"

namespace portolan {
namespace {

// In the order of ProbeEngine::Counters::local.
constexpr std::array<const char*, 10> kLocalCauses = {
    "emfile", "enfile",   "eaddrnotavail", "enobufs",     "enomem",
    "eperm",  "enetdown", "no-route",      "source-gone", "other"};

class Collector final : public prometheus::Collectable {
 public:
  Collector(AgentFacts facts, std::function<LinkStatus()> status)
      : facts_(std::move(facts)), status_(std::move(status)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const LinkStatus s = status_();
    MetricBuilder out;
    Probes(s, out);
    AgentControl(s, out);
    Spool(s, out);
    Conntrack(out);
    return out.Take();
  }

 private:
  void Probes(const LinkStatus& s, MetricBuilder& out) const {
    RunnerCounters r;
    ProbeEngine::Counters e;
    double in_flight = 0, open_chunks = 0, open_positions = 0;
    for (const ProbeThread::Snapshot& t : s.threads) {
      r.attempts += t.counters.attempts;
      r.syns += t.counters.syns;
      r.retries += t.counters.retries;
      r.open += t.counters.open;
      r.closed += t.counters.closed;
      r.filtered += t.counters.filtered;
      r.unreachable += t.counters.unreachable;
      r.not_probed += t.counters.not_probed;
      r.owed += t.counters.owed;
      r.chunks += t.counters.chunks;
      r.measured_rate += t.counters.measured_rate;
      r.slowed_to += t.counters.slowed_to;
      for (const int v6 : {0, 1}) r.without_route[v6] += t.counters.without_route[v6];
      for (size_t i = 0; i < e.local.size(); ++i) e.local[i] += t.engine.local[i];
      e.self_connects += t.engine.self_connects;
      in_flight += t.in_flight;
      open_chunks += static_cast<double>(t.open_chunks);
      open_positions += static_cast<double>(t.open_positions);
    }
    const char* probes =
        "Positions whose outcome was found out, by state; owed ones are to be probed again.";
    const auto state = [&](const char* name, uint64_t n) {
      out.Counter("portolan_agent_probes_total", probes, {{"state", name}}, static_cast<double>(n));
    };
    state("open", r.open);
    state("closed", r.closed);
    state("filtered", r.filtered);
    state("unreachable", r.unreachable);
    state("not-probed", r.not_probed);
    state("owed", r.owed);
    const auto counter = [&](const char* name, const char* help, uint64_t n) {
      out.Counter(name, help, {}, static_cast<double>(n));
    };
    counter("portolan_agent_probes_sent_total",
            "SYNs sent: first tries, retries and the kernel's own retransmissions.", r.syns);
    counter("portolan_agent_attempts_total",
            "Connection attempts started: first tries and retries.", r.attempts);
    counter("portolan_agent_retries_total", "Connection attempts repeated after silence.",
            r.retries);
    counter("portolan_agent_self_connects_total",
            "Connection attempts that the kernel connected to themselves; counted as closed.",
            e.self_connects);
    counter("portolan_agent_chunks_total", "Chunks of outcomes closed.", r.chunks);
    for (size_t i = 0; i < kLocalCauses.size(); ++i) {
      out.Counter("portolan_agent_local_failures_total",
                  "Connection attempts that failed on this machine; tried again, never a state.",
                  {{"cause", kLocalCauses[i]}}, static_cast<double>(e.local[i]));
    }
    for (const int v6 : {0, 1}) {
      out.Counter("portolan_agent_positions_without_route_total",
                  "Positions left to other agents because this machine has no address of their "
                  "family, or no route from one.",
                  {{"family", v6 != 0 ? "ipv6" : "ipv4"}},
                  static_cast<double>(r.without_route[v6]));
    }
    out.Gauge("portolan_agent_in_flight", "Connection attempts waiting for an answer.", {},
              in_flight);
    out.Gauge("portolan_agent_window", "Connection attempts that can be in flight at once.", {},
              facts_.window);
    out.Gauge("portolan_agent_max_rate",
              "Probes a second that the agent will not exceed; 0: no limit.", {}, facts_.max_rate);
    out.Gauge("portolan_agent_measured_rate",
              "Positions begun a second, over the last seconds in which there was work.", {},
              r.measured_rate);
    out.Gauge(
        "portolan_agent_slowed_rate",
        "Attempts a second that losses on the agent's own line have brought its probe threads "
        "down to, the sum of those that are slowed; 0: none is.",
        {}, r.slowed_to);
    out.Gauge("portolan_agent_open_chunks", "Chunks begun and not closed.", {}, open_chunks);
    out.Gauge("portolan_agent_open_positions", "Positions in the chunks that are not closed.", {},
              open_positions);
    out.Gauge("portolan_agent_engine_info",
              "Always 1; the labels say which engine makes the connection attempts, and why.",
              {{"engine", facts_.engine}, {"reason", facts_.engine_reason}}, 1);
  }

  void AgentControl(const LinkStatus& s, MetricBuilder& out) const {
    out.Gauge("portolan_agent_connected", "1 while the coordinator answers.", {},
              s.connected ? 1 : 0);
    out.Gauge("portolan_agent_draining", "1 while the agent takes no new work.", {},
              s.draining ? 1 : 0);
    if (s.last_answer.has_value()) {
      out.Gauge("portolan_agent_last_sync_timestamp_seconds",
                "When the coordinator last answered, in seconds since the Unix epoch.", {},
                static_cast<double>(ToUnixMicros(s.last_answer_wall)) / 1e6);
    }
    out.Gauge("portolan_agent_leases",
              "Leases held, until the last of their results is acknowledged.", {},
              static_cast<double>(s.leases));
    out.Gauge("portolan_agent_unprobed_positions",
              "Positions of the leases held that are not begun.", {},
              static_cast<double>(s.unprobed));
    const char* calls =
        "Synchronize calls ended, by result; cancelled ones were cut short by the agent because it "
        "had news.";
    out.Counter("portolan_agent_sync_calls_total", calls, {{"result", "ok"}},
                static_cast<double>(s.calls_answered));
    out.Counter("portolan_agent_sync_calls_total", calls, {{"result", "failed"}},
                static_cast<double>(s.calls_failed));
    out.Counter("portolan_agent_sync_calls_total", calls, {{"result", "cancelled"}},
                static_cast<double>(s.calls_cancelled));
  }

  void Spool(const LinkStatus& s, MetricBuilder& out) const {
    out.Gauge("portolan_agent_spool_bytes",
              "Results waiting for the coordinator's acknowledgement, in bytes.", {},
              static_cast<double>(s.spool.bytes));
    out.Gauge("portolan_agent_spool_limit_bytes",
              "Above three quarters of this, no more probes are started.", {},
              static_cast<double>(s.spool.limit_bytes));
    out.Gauge("portolan_agent_spool_oldest_seconds",
              "Age of the oldest result that is not acknowledged.", {}, ToSeconds(s.spool.oldest));
    out.Gauge("portolan_agent_report_connected",
              "1 while the coordinator answers on the report stream.", {},
              s.reports.connected ? 1 : 0);
    const char* batches =
        "Batches of results, by what became of them; resent counts each further sending.";
    const uint64_t waiting = s.spool.unacked_batches;
    const uint64_t once = s.reports.acked + s.reports.rejected + waiting;
    out.Counter("portolan_agent_report_batches_total", batches, {{"result", "acked"}},
                static_cast<double>(s.reports.acked));
    out.Counter("portolan_agent_report_batches_total", batches, {{"result", "rejected"}},
                static_cast<double>(s.reports.rejected));
    out.Counter("portolan_agent_report_batches_total", batches, {{"result", "resent"}},
                s.reports.sent > once ? static_cast<double>(s.reports.sent - once) : 0);
    out.Counter("portolan_agent_report_streams_total", "Report streams opened.", {},
                static_cast<double>(s.reports.streams));
    out.Counter("portolan_agent_fenced_leases_total",
                "Leases whose results were refused because their range was given to another agent.",
                {}, static_cast<double>(s.reports.fenced));
  }

  // A full connection tracking table of this machine drops probes without an error.
  static void Conntrack(MetricBuilder& out) {
    const std::optional<ConntrackTable> table = ReadConntrack();
    if (!table.has_value()) return;
    out.Gauge("portolan_agent_conntrack_entries", "Connections in this machine's tracking table.",
              {}, static_cast<double>(table->entries));
    out.Gauge("portolan_agent_conntrack_max_entries",
              "The most connections that fit in it; beyond, the kernel drops probes, and the agent "
              "waits for room.",
              {}, static_cast<double>(table->max));
  }

  const AgentFacts facts_;
  const std::function<LinkStatus()> status_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> AgentMetrics(AgentFacts facts,
                                                      std::function<LinkStatus()> status) {
  return std::make_shared<Collector>(std::move(facts), std::move(status));
}

}  // namespace portolan
