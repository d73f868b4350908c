#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/target_parser.h"
#include "common/scan/scan_spec.h"
#include "common/scope/scope.h"
#include "coordinator/control/scan_estimate.h"

namespace portolan {

// What an operator asks to be scanned, as written. Zero of a number: the default.
struct ScanRequest {
  std::string name;
  std::vector<std::string> targets;
  std::string ports;
  std::vector<std::string> exclude;
  std::string exclude_ports;
  ScanMode mode = ScanMode::kSplit;
  std::vector<std::string> vantages;
  Priority priority = Priority::kNormal;
  double max_rate = 0;
  ProbeTiming timing;
  uint32_t max_attempts = 0;
  uint32_t lane_timeout_s = 0;
  uint64_t retention_s = 0;
  uint64_t seed = 0;
  bool wait_for_agents = false;           // accept vantages that no agent has ever had
  bool skip_unresolved = false;           // goes on without targets whose names cannot be looked up
  std::vector<std::string> avoid_agents;  // see ScanSpec, as the next
  std::string monitor;
  // Names that the caller looked up, with the addresses among `targets` that they led to: results
  // show them as those of names in `targets`. They decide nothing about what is probed.
  std::vector<ResolvedName> looked_up;
  bool allow_long = false;  // it may take more than a year
};

// What planning needs to know beyond the request.
struct PlanContext {
  std::shared_ptr<const Scope> scope;      // never null
  std::vector<std::string> live_vantages;  // for each-vantage scans that name none
  FleetPace pace;                          // to tell how long it takes
  Duration retention = std::chrono::hours(24 * 30);
  uint64_t random_seed = 1;  // when the request has none
};

// A request that is valid as far as that is known without looking up its names. Value type.
class PreparedScan {
 public:
  // InvalidArgument naming field, value and remedy; with all bad targets and exclusions, see
  // ProblemsOf in common/net/target_problem.h. ResourceExhausted: too many targets.
  static absl::StatusOr<PreparedScan> Prepare(ScanRequest request);

  // The names of its targets and exclusions, each once.
  const std::vector<std::string>& names() const { return names_; }

  // Puts the addresses into place (one answer for each of names(), in the same order), subtracts
  // the exclusions, checks the scope. InvalidArgument, or Unavailable when names could not be asked
  // about: names without addresses, see ProblemsOf; PermissionDenied naming target and rule;
  // FailedPrecondition: each-vantage without a vantage, or a scan of more than a year that is not
  // allowed to be; ResourceExhausted: too many separate ranges to send to an agent.
  absl::StatusOr<std::shared_ptr<const ScanSpec>> Plan(const std::vector<NameAnswer>& answers,
                                                       const PlanContext& context) const;

 private:
  ScanRequest request_;
  PortSet ports_, exclude_ports_;
  ParsedTargets targets_, excluded_;
  std::vector<std::string> names_;
  std::vector<size_t> excluded_names_;  // of excluded_.names(): indexes into names_
};

// Prepares and plans a request that has no names.
absl::StatusOr<std::shared_ptr<const ScanSpec>> PlanScan(const ScanRequest& request,
                                                         const PlanContext& context);

// 1 to `max` characters of [A-Za-z0-9._-]: names of agents and vantages. InvalidArgument naming
// `field`.
absl::Status CheckName(std::string_view field, std::string_view name, size_t max);
inline constexpr size_t kMaxAgentName = 100;
inline constexpr size_t kMaxVantageName = 60;

}  // namespace portolan
