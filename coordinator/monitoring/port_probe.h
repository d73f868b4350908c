#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/monitoring/run_input.h"
#include "coordinator/monitoring/scan_job.h"

namespace portolan {

// What a scan of single ports has seen.
class PortAnswers {
 public:
  PortAnswers() = default;  // nothing
  explicit PortAnswers(ScanClient::OutcomeReader outcomes) : outcomes_(std::move(outcomes)) {}

  // nullopt: no verdict. Blocks on the disk.
  std::optional<SubjectOutcome> At(const std::string& vantage, const SinglePort& port) const;
  // Of a target at all of these addresses, as JoinOutcomes says.
  std::optional<SubjectOutcome> Joined(const std::string& vantage,
                                       const std::vector<IpAddress>& addresses,
                                       uint16_t port) const;

 private:
  // As At, with outcomes that are no verdict: they have the cause.
  std::optional<SubjectOutcome> Known(const std::string& vantage, const SinglePort& port) const;
  ScanClient::OutcomeReader outcomes_;
};

// Probes single ports from some vantages, and gives what they answered: nothing when no scan could
// be made. Destroyed: no callback any more.
std::shared_ptr<ScanJob> ProbePorts(TaskRunner& runner, ScanClient& scans, const Clock& clock,
                                    ScanRequest request, std::string key,
                                    std::function<void(absl::StatusOr<PortAnswers>)> done);

}  // namespace portolan
