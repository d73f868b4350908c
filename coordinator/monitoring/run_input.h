#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/monitor/monitor_spec.h"
#include "common/net/name_lookup.h"
#include "common/scan/scan_space.h"
#include "coordinator/control/scan_request.h"
#include "coordinator/exposure/canaries.h"
#include "coordinator/exposure/coverage.h"
#include "coordinator/exposure/names.h"
#include "coordinator/monitoring/last_run.h"
#include "coordinator/monitoring/spec_targets.h"

namespace portolan {

// What a run of a monitor looks at: its specification, and what the host names in it meant when the
// run began. Kept until the run ends, so that a coordinator that was restarted asks for the very
// same scan. Value type.
struct RunInput {
  struct Name {
    std::vector<IpAddress> addresses;  // ascending, distinct
    // Set exactly when `addresses` is empty.
    std::optional<NameProblem> problem;
    std::string detail;
    friend bool operator==(const Name&, const Name&) = default;
  };
  MonitorSpec spec;
  std::shared_ptr<const SpecTargets> targets;  // of the specification
  // Every name of targets, exclusions and canaries.
  std::map<std::string, Name, std::less<>> names;

  // Without the list that the specification takes from a file: its digest stands for it.
  std::string Encode() const;
  // `listed`: the list that the monitor has now. DataLoss: damaged; FailedPrecondition: the run was
  // begun with another list. Reads the targets, which takes time in proportion to them.
  static absl::StatusOr<RunInput> Decode(std::string_view bytes, const ListedTargets& listed);
};

// `answers`: one for each of targets->names(), in their order.
RunInput MakeInput(MonitorSpec spec, std::shared_ptr<const SpecTargets> targets,
                   std::vector<NameAnswer> answers);

// Unavailable: an exclusion has no address, so what was to be left out would be probed.
absl::Status CheckExclusions(const RunInput& input);

// Takes addresses of names away that may not be scanned at all: whoever says where a name leads
// must not stop a whole monitor. `check`: of one address.
void DropAddresses(RunInput& input,
                   const std::function<absl::Status(const IpAddress& address)>& check);

// The targets with addresses in place of names; empty when no name of a monitor that has nothing
// but names resolved: then there is nothing to scan.
std::vector<std::string> TargetsOf(const RunInput& input);
std::set<std::string> UnresolvedOf(const RunInput& input);  // names of targets
// Names of targets and exclusions that lead nowhere, and why.
NameTroubles TroublesOf(const RunInput& input);

// The scan of all vantages. Its targets may be empty, see TargetsOf. `seed` orders the probes: the
// same in each run of a monitor, so that the time between two looks at a port is one interval.
ScanRequest RunScan(const RunInput& input, uint64_t number, uint64_t seed);

// A scan of single ports, carefully and before other work: canaries and confirmations. What the
// monitor excludes stays excluded.
ScanRequest PortsScan(const RunInput& input, std::string name, const std::set<SinglePort>& ports,
                      std::vector<std::string> vantages);

// A space as a scan planned it, told in subjects: which positions belong to addresses that were
// given as such, and which stand for names.
class RunSpace {
 public:
  RunSpace(const RunInput& input, const std::vector<Block>& blocks);

  const Coverage& covered() const { return covered_; }
  // Every subject that an observation of this position is about. Usually one.
  std::vector<Subject> SubjectsAt(const IpAddress& address, uint16_t port) const;
  // The targets that are known by an address.
  std::vector<TargetKey> TargetsAt(const IpAddress& address) const;
  // Where a target was looked for.
  std::vector<IpAddress> AddressesOf(const TargetKey& target) const;
  // Where all names were looked for; those that were looked for nowhere are left out.
  std::map<std::string, std::vector<IpAddress>, std::less<>> Names() const;

 private:
  struct Name {
    PortSet ports;
    std::vector<IpAddress> addresses;
    std::set<IpAddress> looked_at;  // of them, those that the scan covers
  };
  PortSet default_ports_;
  std::shared_ptr<const SpecTargets> targets_;
  std::map<std::string, Name> names_;
  std::map<IpAddress, std::vector<std::string>> at_;  // which names
  Coverage covered_;
};

// The addresses of a canary at this run: those behind its name, or its own.
std::vector<IpAddress> CanaryAddresses(const RunInput& input, const Canary& canary);

}  // namespace portolan
