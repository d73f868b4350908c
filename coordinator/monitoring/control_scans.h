#pragma once

#include "coordinator/control/control.h"
#include "coordinator/monitoring/scan_client.h"

namespace portolan {

// The scans of this coordinator. Borrows the control.
class ControlScans final : public ScanClient {
 public:
  explicit ControlScans(Control& control) : control_(control) {}
  void Create(ScanRequest request, const std::string& key, Done<ScanStatus> done) override;
  void Get(const std::string& id, Done<ScanStatus> done) override;
  void Cancel(const std::string& id) override;
  absl::StatusOr<ResultPage> OpenPorts(const std::string& id,
                                       const std::string& page_token) override;
  absl::StatusOr<FindingRows> HostFindings(const std::string& id,
                                           const std::string& page_token) override;
  absl::StatusOr<OutcomeReader> Outcomes(const std::string& id) override;
  absl::Status CheckScope(const ScanRequest& request) override;

 private:
  Control& control_;
};

}  // namespace portolan
