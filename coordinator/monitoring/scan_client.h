#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/scan/scan_spec.h"
#include "coordinator/control/scan_request.h"
#include "coordinator/control/scan_status.h"
#include "coordinator/results/result_reader.h"
#include "coordinator/results/scan_outcomes.h"

namespace portolan {

// What monitoring asks of the coordinator's scans. A border: the control thread behind it in the
// program, a network of its own in tests. Thread-safe.
class ScanClient {
 public:
  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;
  virtual ~ScanClient() = default;

  // Idempotent by `key`: the same key gives the same scan, also after a restart. AlreadyExists: it
  // was another scan's. `done` is called once, on any thread.
  virtual void Create(ScanRequest request, const std::string& key, Done<ScanStatus> done) = 0;
  virtual void Get(const std::string& id, Done<ScanStatus> done) = 0;
  virtual void Cancel(const std::string& id) = 0;

  // These block on the disk; any thread but the control's. Of scans that have finished.
  virtual absl::StatusOr<ResultPage> OpenPorts(const std::string& id,
                                               const std::string& page_token) = 0;
  virtual absl::StatusOr<FindingRows> HostFindings(const std::string& id,
                                                   const std::string& page_token) = 0;
  // What each vantage knows of single ports, closed ones too: as ScanOutcomes::At. Used by one
  // thread at a time.
  using OutcomeReader = std::function<absl::StatusOr<std::optional<ScanOutcomes::Outcome>>(
      const std::string& vantage, const IpAddress& address, uint16_t port)>;
  virtual absl::StatusOr<OutcomeReader> Outcomes(const std::string& id) = 0;

  // What of these targets may be scanned at all: PermissionDenied names target and rule.
  virtual absl::Status CheckScope(const ScanRequest& request) = 0;
  // Whether one address may be scanned on any port.
  absl::Status CheckAddress(const IpAddress& address) {
    ScanRequest request;
    request.targets = {address.ToString()};
    request.ports.assign(1, '1');
    return CheckScope(request);
  }
};

}  // namespace portolan
