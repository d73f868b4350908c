#include <algorithm>
#include <utility>

#include "coordinator/monitoring/monitoring_impl.h"

// Numbers for Prometheus: counted when something has changed, on this thread, so that a scrape
// costs nothing but its text.
namespace portolan {

PortRanking PortRanking::Of(const std::map<uint16_t, uint64_t>& targets, size_t most) {
  PortRanking out;
  out.top.assign(targets.begin(), targets.end());
  const auto shown = out.top.begin() + static_cast<ptrdiff_t>(std::min(targets.size(), most));
  std::partial_sort(out.top.begin(), shown, out.top.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  for (auto it = shown; it != out.top.end(); ++it) out.others += it->second;
  out.top.erase(shown, out.top.end());
  return out;
}

// What only changes with the exposure. O(open ports x vantages x rules). Gives how many subjects it
// looked at.
size_t MonitoringImpl::CountExposure(MonitorEntry& entry, size_t budget) const {
  entry.metrics_stale = false;
  MonitorMetrics m;
  std::map<uint16_t, uint64_t> hosts_by_port;
  entry.open_ports.clear();
  const MonitorExposure& x = *entry.exposure;
  m.monitor = entry.name;
  std::set<Subject> seen;
  for (const auto& [vantage, baseline] : x.baselines()) {
    m.vantages[vantage].canaries = x.health().at(vantage).verdict.state;
    for (const auto& [subject, record] : baseline.open) seen.insert(subject);
  }
  for (const Subject& s : x.config().expectations.required()) seen.insert(s);
  for (const Subject& subject : seen) {
    const ExposureRow row = RowOf(entry, subject);
    if (row.comparison.open > 0) ++hosts_by_port[subject.port];
    if (row.comparison.open > 0 && row.comparison.not_open > 0) ++m.disagreements;
    for (const VantageSight& s : row.sights) {
      MonitorMetrics::Vantage& v = m.vantages[s.vantage];
      if (!s.outcome.has_value()) {
        if (s.unknown && s.expected == Expected::kUnknown)
          ++v.unknown_expected[static_cast<size_t>(s.unknown->cause)];
        continue;
      }
      if (!IsOpen(s.outcome->symbol)) {
        if (s.expected == Expected::kNo) ++v.missing_expected[s.severity];
        continue;
      }
      const bool broken = s.expected == Expected::kNo;
      ++v.exposed[{row.comparison.exposure, s.expected,
                   broken ? std::optional(s.severity) : std::nullopt}];
      ++m.open_ports_total;
      if (entry.open_ports.size() < budget) entry.open_ports.push_back({subject, s.vantage});
    }
  }
  for (const auto& [name, trouble] : x.names())
    ++m.unresolved_names[static_cast<size_t>(trouble.problem) - 1];
  entry.open_ports.shrink_to_fit();
  m.hosts_by_port = PortRanking::Of(hosts_by_port, kExposedHostsPorts);
  const FindingBoard::State& board = x.findings().state();
  std::map<FindingBoard::Rule, uint64_t> kept;
  for (const auto& [key, finding] : board.open) {
    ++m.findings[{finding.severity, key.rule}];
    ++kept[{key.kind, key.rule}];
  }
  // Those that are counted and not kept are as severe as the others of their rule.
  for (const auto& [rule, total] : board.total) {
    for (auto& [key, n] : m.findings) {
      if (key.second == rule.second && total > kept[rule]) {
        n += total - kept[rule];
        break;
      }
    }
  }
  entry.metrics = std::move(m);
  return seen.size();
}

// What the monitors before it leave of the series budget.
size_t MonitoringImpl::BudgetOf(const std::string& name) const {
  size_t budget = options_.series_budget;
  for (auto it = entries_.begin(); it != entries_.end() && it->first != name; ++it) {
    budget -= std::min(budget, it->second->open_ports.size());
  }
  return budget;
}

// Some of the counting at a time: after a start, or when all monitors were applied anew, all of it
// takes seconds, and nothing else is done meanwhile. What changes while others are counted waits
// for the next round, so that each round ends.
bool MonitoringImpl::RefreshMetrics() {
  if (uncounted_.empty()) {
    size_t budget = options_.series_budget;
    for (const auto& [name, entry] : entries_) {
      // No more ports are kept than are shown: of all monitors they would be many times the budget.
      const size_t wanted = std::min<uint64_t>(budget, entry->metrics.open_ports_total);
      if (entry->metrics_stale || entry->open_ports.size() < wanted) uncounted_.push_back(name);
      budget -= std::min(budget, entry->open_ports.size());
    }
  }
  size_t counted = 0;
  while (!uncounted_.empty() && counted < options_.counted_at_once) {
    const auto it = entries_.find(uncounted_.front());
    if (it != entries_.end()) counted += 1 + CountExposure(*it->second, BudgetOf(it->first));
    uncounted_.pop_front();
  }
  if (!uncounted_.empty()) return false;
  PublishMetrics();
  return true;
}

void MonitoringImpl::PublishMetrics() {
  auto all = std::make_shared<MonitoringMetrics>();
  const WallTime now = clock_.Wall();
  all->when = now;
  all->running = set_.running();
  all->waiting = set_.waiting();
  size_t budget = options_.series_budget;
  for (auto& [name, entry] : entries_) {
    // One that is new since the round began.
    if (entry->metrics.monitor.empty()) CountExposure(*entry, budget);
    const MonitorPlan& plan = *set_.Find(name);
    const MonitorPlanState& state = plan.state();
    MonitorMetrics m = entry->metrics;
    m.interval_s = plan.spec().schedule.every ? ToSeconds(*plan.spec().schedule.every) : 0;
    m.paused = plan.paused();
    m.last_success = state.last_success;
    m.last_started = state.last_started;
    m.behind_s = ToSeconds(plan.Lag(now).late);
    m.missed = state.missed;
    m.skipped = state.skipped;
    m.runs = entry->runs;
    for (const RunRecord& r : entry->recent) {
      if (r.state == RunState::kRunning) continue;
      m.run_duration_s = ToSeconds(r.finished - r.started);
      m.coverage = r.positions == 0
                       ? (r.state == RunState::kComplete ? 1 : 0)
                       : static_cast<double>(r.known) / static_cast<double>(r.positions);
      break;
    }
    for (const auto& [vantage, role] : entry->exposure->config().vantages) {
      MonitorMetrics::Vantage& v = m.vantages[vantage];
      const MonitorMetrics::Vantage& counted = entry->counted[vantage];
      v.changes = counted.changes;
      v.transient = counted.transient;
      v.flapping = counted.flapping;
      v.abandoned = counted.abandoned;
    }
    for (const auto& [key, pending] : entry->exposure->confirmations().state().pending) {
      ++m.vantages[key.vantage].confirming;
    }
    all->confirming_scans += entry->confirmer->scans();
    const size_t shown = std::min(budget, entry->open_ports.size());
    m.open_ports.assign(entry->open_ports.begin(),
                        entry->open_ports.begin() + static_cast<ptrdiff_t>(shown));
    budget -= shown;
    all->monitors.push_back(std::move(m));
  }
  MutexLock lock(metrics_mu_);
  metrics_ = std::move(all);
}

std::shared_ptr<const MonitoringMetrics> MonitoringImpl::Metrics() const {
  MutexLock lock(metrics_mu_);
  return metrics_;
}

WebhookStats MonitoringImpl::Webhooks() const {
  if (sender_ == nullptr) return {};
  absl::StatusOr<WebhookStats> stats = sender_->Stats();
  return stats.ok() ? *std::move(stats) : WebhookStats{};
}

}  // namespace portolan
