#include "coordinator/monitoring/run_results.h"

#include <utility>

#include "common/base/status.h"

namespace portolan {
namespace {

// Of a thousand positions one may be without a verdict: a run over a large network that an agent's
// end cut short in a few places must not forget everything that has closed.
constexpr double kEnough = 0.999;
constexpr int kMaxPages = 1'000'000;

uint64_t Missing(const LaneStatus& lane, Reason cause) {
  return lane.ledger.not_probed[static_cast<int>(cause) - static_cast<int>(Reason::kExcluded)];
}

absl::Status ReadOpenPorts(ScanClient& scans, const std::string& scan, const RunSpace& space,
                           std::map<std::string, VantageRun*>& by_vantage) {
  std::string token;
  for (int page = 0; page < kMaxPages; ++page) {
    PORTOLAN_ASSIGN_OR_RETURN(ResultPage rows, scans.OpenPorts(scan, token));
    for (Observation& o : rows.observations) {
      const auto part = by_vantage.find(o.vantage);
      if (part == by_vantage.end()) continue;
      for (const Subject& subject : space.SubjectsAt(o.address, o.port)) {
        part->second->open.push_back(
            {subject, o.address, o.rtt_us.value_or(0), o.reason, o.when, o.agent});
      }
    }
    token = std::move(rows.next_page_token);
    if (token.empty()) return absl::OkStatus();
  }
  return ResourceExhausted("scan {}: more open ports than can be read", scan);
}

absl::Status ReadHosts(ScanClient& scans, const std::string& scan, const RunSpace& space,
                       std::map<std::string, VantageRun*>& by_vantage) {
  std::string token;
  for (int page = 0; page < kMaxPages; ++page) {
    PORTOLAN_ASSIGN_OR_RETURN(FindingRows rows, scans.HostFindings(scan, token));
    for (const FindingRow& row : rows.findings) {
      const auto part = by_vantage.find(row.vantage);
      if (part == by_vantage.end() || !CoversOpenPorts(row.finding.kind)) continue;
      const HostAnswers answers = row.finding.kind == HostFindingKind::kSynProxy
                                      ? HostAnswers::kSynProxy
                                      : HostAnswers::kAnswersEverywhere;
      for (const TargetKey& target : space.TargetsAt(row.finding.address)) {
        part->second->folded[target] = answers;
      }
    }
    token = std::move(rows.next_page_token);
    if (token.empty()) return absl::OkStatus();
  }
  return ResourceExhausted("scan {}: more findings about hosts than can be read", scan);
}

}  // namespace

bool IsComplete(const LaneStatus& lane) {
  if (!lane.finished) return false;
  if (lane.planned > 0 && Probed(lane.ledger) == 0) return false;  // it looked at nothing
  if (Missing(lane, Reason::kNoAgent) > 0 || Missing(lane, Reason::kCancelled) > 0) return false;
  const uint64_t asked =
      lane.planned - Missing(lane, Reason::kExcluded) - Missing(lane, Reason::kAgentScope);
  return static_cast<double>(Missing(lane, Reason::kAttempts)) <=
         (1 - kEnough) * static_cast<double>(asked);
}

absl::StatusOr<std::vector<VantageRun>> ReadRun(ScanClient& scans, const ScanStatus& scan,
                                                std::shared_ptr<const RunSpace> space,
                                                const std::set<std::string>& unresolved) {
  PORTOLAN_ASSIGN_OR_RETURN(const ScanClient::OutcomeReader outcomes, scans.Outcomes(scan.id));
  std::vector<VantageRun> runs;
  for (const LaneStatus& lane : scan.lanes) {
    VantageRun& run = runs.emplace_back();
    run.vantage = lane.vantage;
    run.complete = IsComplete(lane);
    run.covered = space->covered();
    run.unresolved = unresolved;
    run.lookup = [outcomes, space,
                  vantage = lane.vantage](const Subject& subject) -> std::optional<SubjectOutcome> {
      std::vector<std::optional<SubjectOutcome>> all;
      for (const IpAddress& address : space->AddressesOf(subject.target)) {
        const auto found = outcomes(vantage, address, subject.port);
        if (!found.ok() || !found->has_value()) {
          all.emplace_back();
        } else {
          const ScanOutcomes::Outcome& o = **found;
          all.push_back(SubjectOutcome{o.symbol, address, o.rtt_us, o.when, o.agent});
        }
      }
      return JoinOutcomes(all);
    };
  }
  std::map<std::string, VantageRun*> by_vantage;
  for (VantageRun& run : runs) by_vantage[run.vantage] = &run;
  PORTOLAN_RETURN_IF_ERROR(ReadOpenPorts(scans, scan.id, *space, by_vantage));
  PORTOLAN_RETURN_IF_ERROR(ReadHosts(scans, scan.id, *space, by_vantage));
  return runs;
}

std::vector<VantageRun> RunWithoutScan(const RunInput& input,
                                       std::shared_ptr<const RunSpace> space) {
  std::vector<VantageRun> runs;
  for (const MonitorVantage& v : input.spec.vantages) {
    VantageRun& run = runs.emplace_back();
    run.vantage = v.name;
    run.complete = false;  // nothing was looked at
    run.covered = space->covered();
    run.unresolved = UnresolvedOf(input);
    run.lookup = [](const Subject&) { return std::nullopt; };
  }
  return runs;
}

}  // namespace portolan
