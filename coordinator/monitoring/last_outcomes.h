#pragma once

#include <map>
#include <optional>
#include <string>

#include "coordinator/exposure/subject.h"
#include "coordinator/monitoring/last_run.h"
#include "coordinator/monitoring/scan_client.h"

namespace portolan {

// Reads what complete runs saw of single ports, closed and filtered ones too, from the results of
// their scans. Blocks on the disk. Used by one thread; opens each scan once.
class LastOutcomes {
 public:
  struct Answer {
    std::optional<SubjectOutcome> outcome;  // observed
    std::string why;                        // without one: why, in one clause for people
  };

  explicit LastOutcomes(ScanClient& scans) : scans_(scans) {}
  // `run` must be one of a vantage of the same name.
  Answer At(const LookedRun& run, const std::string& vantage, const Subject& subject);

 private:
  ScanClient& scans_;
  std::map<std::string, absl::StatusOr<ScanClient::OutcomeReader>> readers_;  // by scan
};

}  // namespace portolan
