#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "coordinator/monitoring/scan_client.h"

namespace portolan {

// A network that a test sets, and scans of it that have ended as soon as somebody looks. What a
// scan sees is what was there when it was made. Thread-safe.
class FakeScans final : public ScanClient {
 public:
  // What one vantage sees. Everything else is closed by RST.
  struct Sight {
    std::set<std::pair<IpAddress, uint16_t>> open;
    bool cut_off = false;      // it sees silence everywhere
    bool no_agent = false;     // nobody looks from there
    bool answers_all = false;  // everything is open: a proxy stands in front of it
  };

  explicit FakeScans(const Clock& clock) : clock_(clock) {}

  void Set(const std::string& vantage, const std::string& address, uint16_t port, bool open);
  Sight& At(const std::string& vantage) { return sights_[vantage]; }  // between calls only
  // The next requests are refused, as by a coordinator that cannot store anything.
  void FailNext(int creates) {
    MutexLock lock(mu_);
    fail_ = creates;
  }
  // Its results, as when its retention has ended.
  void Forget(const std::string& id) {
    MutexLock lock(mu_);
    scans_.erase(id);
  }
  // Requests so far, without repetitions of a key.
  std::vector<ScanRequest> requests() const {
    MutexLock lock(mu_);
    return requests_;
  }

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
  struct Scan {
    ScanStatus status;
    std::map<std::string, Sight> sights;
    WallTime when;
  };
  static ScanOutcomes::Outcome See(const Scan& scan, const std::string& vantage,
                                   const IpAddress& address, uint16_t port);
  absl::StatusOr<std::shared_ptr<const Scan>> Find(const std::string& id);

  const Clock& clock_;
  mutable Mutex mu_;
  std::map<std::string, Sight> sights_;
  std::map<std::string, std::shared_ptr<const Scan>> scans_ GUARDED_BY(mu_);
  std::map<std::string, std::pair<std::string, std::string>> keys_ GUARDED_BY(mu_);
  std::vector<ScanRequest> requests_ GUARDED_BY(mu_);
  int fail_ GUARDED_BY(mu_) = 0;
};

}  // namespace portolan
