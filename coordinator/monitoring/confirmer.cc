#include "coordinator/monitoring/confirmer.h"

#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {

Confirmer::Confirmer(InputJob::Environment env, const Clock& clock, std::string monitor,
                     Answers answers)
    : env_(env), clock_(clock), monitor_(std::move(monitor)), answers_(std::move(answers)) {}

void Confirmer::Look(const std::vector<ConfirmationProbe>& outstanding, WallTime now) {
  using Group = std::pair<std::string, std::vector<std::string>>;  // vantage, agents to avoid
  std::map<Group, std::shared_ptr<Batch>> batches;
  for (const ConfirmationProbe& p : outstanding) {
    if (p.not_before > now) continue;
    const auto it = under_way_.find(p.key);
    if (it != under_way_.end() && it->second == p.number) continue;
    std::shared_ptr<Batch>& batch = batches[{p.key.vantage, p.avoid}];
    if (batch == nullptr) batch = std::make_shared<Batch>(Batch{p.key.vantage, p.avoid, {}});
    if (batch->probes.size() < kMaxProbes) batch->probes.push_back(p);
  }
  for (auto& [group, batch] : batches) {
    if (scans() >= kMaxScans) return;
    for (const ConfirmationProbe& p : batch->probes) under_way_[p.key] = p.number;
    Resolve(std::move(batch));
  }
}

std::vector<IpAddress> Confirmer::Batch::AddressesOf(const Subject& subject) const {
  if (const IpAddress* address = subject.target.address()) return {*address};
  const auto it = input->names.find(subject.target.name());
  return it == input->names.end() ? std::vector<IpAddress>() : it->second.addresses;
}

// Names are probed at all addresses that they have now, but for what is excluded now.
void Confirmer::Resolve(std::shared_ptr<Batch> batch) {
  MonitorSpec spec = spec_;
  spec.targets.clear();
  spec.canaries = {};
  std::set<std::string> names;
  for (const ConfirmationProbe& p : batch->probes) {
    if (p.key.subject.target.is_name()) names.emplace(p.key.subject.target.name());
  }
  spec.targets.assign(names.begin(), names.end());
  spec.targets_file.clear();
  spec.listed = {};
  const uint64_t job = next_job_++;
  lookups_[job] = InputJob::Start(
      env_, std::move(spec), [batch, job, weak = weak_from_this()](absl::StatusOr<RunInput> input) {
        const std::shared_ptr<Confirmer> self = weak.lock();
        if (self == nullptr) return;
        batch->input = std::move(input);
        if (batch->input.ok()) {
          if (absl::Status s = CheckExclusions(*batch->input); !s.ok()) batch->input = s;
        }
        self->lookups_.erase(job);
        self->Probe(batch);
      });
}

void Confirmer::Probe(std::shared_ptr<const Batch> batch) {
  std::set<SinglePort> ports;
  for (const ConfirmationProbe& p : batch->probes) {
    if (!batch->input.ok()) break;  // without its exclusions nothing is probed
    for (const IpAddress& a : batch->AddressesOf(p.key.subject))
      ports.insert({a, p.key.subject.port});
  }
  const uint64_t job = next_job_++;
  if (ports.empty()) return OnAnswers(job, *batch, PortAnswers());
  ScanRequest request = PortsScan(*batch->input,
                                  fmt::format("monitor {} confirms {}", monitor_,
                                              Counted(batch->probes.size(), "change", "changes")),
                                  ports, {batch->vantage});
  request.avoid_agents = batch->avoid;
  // No key: what was asked before a restart is asked again, and later answers count.
  jobs_[job] = nullptr;
  jobs_[job] =
      ProbePorts(env_.runner, env_.scans, clock_, std::move(request), "",
                 [weak = weak_from_this(), job, batch](absl::StatusOr<PortAnswers> answers) {
                   if (const auto self = weak.lock()) self->OnAnswers(job, *batch, answers);
                 });
}

void Confirmer::OnAnswers(uint64_t job, const Batch& batch,
                          const absl::StatusOr<PortAnswers>& answers) {
  jobs_.erase(job);
  std::vector<ConfirmationAnswer> out;
  for (const ConfirmationProbe& p : batch.probes) {
    const auto it = under_way_.find(p.key);
    if (it != under_way_.end() && it->second == p.number) under_way_.erase(it);
    const Subject& subject = p.key.subject;
    std::optional<SubjectOutcome> outcome;
    if (answers.ok() && batch.input.ok()) {
      outcome = answers->Joined(batch.vantage, batch.AddressesOf(subject), subject.port);
    }
    // Without a verdict: a lost probe, and another one is made.
    out.push_back({p.key, p.number, outcome.value_or(SubjectOutcome{})});
  }
  answers_(std::move(out));
}

}  // namespace portolan
