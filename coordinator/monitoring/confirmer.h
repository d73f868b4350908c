#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/task_runner.h"
#include "common/base/thread_pool.h"
#include "coordinator/exposure/confirmations.h"
#include "coordinator/monitoring/input_job.h"
#include "coordinator/monitoring/port_probe.h"

namespace portolan {

// Makes the probes that confirm the changes of one monitor: those that are due together, from one
// vantage and to be kept from the same agents, as one scan. Lives on the runner's thread; no
// callback once it is destroyed.
class Confirmer : public std::enable_shared_from_this<Confirmer> {
 public:
  using Answers = std::function<void(std::vector<ConfirmationAnswer>)>;
  Confirmer(InputJob::Environment env, const Clock& clock, std::string monitor, Answers answers);

  void Configure(MonitorSpec spec) { spec_ = std::move(spec); }
  // Begins what is due of `outstanding` and not under way. At most kMaxScans scans at once.
  void Look(const std::vector<ConfirmationProbe>& outstanding, WallTime now);
  size_t scans() const { return jobs_.size() + lookups_.size(); }

 private:
  static constexpr size_t kMaxScans = 8;
  static constexpr size_t kMaxProbes = 1'000;  // of a scan
  struct Batch {
    std::string vantage;
    std::vector<std::string> avoid;
    std::vector<ConfirmationProbe> probes;
    absl::StatusOr<RunInput> input = RunInput{};  // names of the probes and of the exclusions
    std::vector<IpAddress> AddressesOf(const Subject& subject) const;
  };
  void Resolve(std::shared_ptr<Batch> batch);
  void Probe(std::shared_ptr<const Batch> batch);
  void OnAnswers(uint64_t job, const Batch& batch, const absl::StatusOr<PortAnswers>& answers);

  const InputJob::Environment env_;
  const Clock& clock_;
  const std::string monitor_;
  const Answers answers_;
  MonitorSpec spec_;
  std::map<ChangeKey, uint32_t> under_way_;  // number of the probe
  std::map<uint64_t, std::shared_ptr<InputJob>> lookups_;
  std::map<uint64_t, std::shared_ptr<ScanJob>> jobs_;
  uint64_t next_job_ = 1;
};

}  // namespace portolan
