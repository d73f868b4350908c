#pragma once

#include <string>
#include <vector>

#include "tests/integration/monitor_lab.h"

// What happens in the target network of the monitoring tests, run by run.
namespace portolan::integration {

struct ScriptStep {
  std::string what;
  ExposureWorld world;  // from now on
};
// The first is the baseline. Every change is of a subject that changes at most twice, so that
// nothing flaps; the canaries of MonitorLab's monitor never change.
std::vector<ScriptStep> ExposureScript();

// The findings that MonitorLab's monitor must have then, by its rules.
std::multiset<Complaint> FindingsOf(const ExposureWorld& world);

// Compares what the metrics say with the world: open ports, findings, disagreements.
void ExpectMetricsOf(const std::vector<Sample>& metrics, const ExposureWorld& world);
// And the counters, of a coordinator that has seen it all in one life.
void ExpectCountsOf(const std::vector<Sample>& metrics, const std::multiset<Change>& changes,
                    int complete_runs);

}  // namespace portolan::integration
