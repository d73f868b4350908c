#include "coordinator/monitoring/confirmer.h"

#include <utility>

#include "common/base/status.h"

namespace portolan {

Confirmer::Confirmer(TaskRunner& runner, ThreadPool& pool, ScanClient& scans, const Clock& clock,
                     const Resolver& resolver, std::string monitor, Answers answers)
    : runner_(runner),
      pool_(pool),
      scans_(scans),
      clock_(clock),
      resolver_(resolver),
      monitor_(std::move(monitor)),
      answers_(std::move(answers)) {}

void Confirmer::Look(const std::vector<ConfirmationProbe>& outstanding, WallTime now) {
  using Group = std::pair<std::string, std::vector<std::string>>;  // vantage, agents to avoid
  std::map<Group, std::shared_ptr<Batch>> batches;
  for (const ConfirmationProbe& p : outstanding) {
    if (p.not_before > now) continue;
    const auto it = under_way_.find(p.key);
    if (it != under_way_.end() && it->second == p.number) continue;
    std::shared_ptr<Batch>& batch = batches[{p.key.vantage, p.avoid}];
    if (batch == nullptr) batch = std::make_shared<Batch>(Batch{p.key.vantage, p.avoid, {}, {}});
    if (batch->probes.size() < kMaxProbes) batch->probes.push_back(p);
  }
  for (auto& [group, batch] : batches) {
    if (jobs_.size() >= kMaxScans) return;
    for (const ConfirmationProbe& p : batch->probes) under_way_[p.key] = p.number;
    Resolve(std::move(batch));
  }
}

// Names are probed at all addresses that they have now. On the pool; at once when there are none.
void Confirmer::Resolve(std::shared_ptr<Batch> batch) {
  for (const ConfirmationProbe& p : batch->probes) {
    if (p.key.subject.target.is_name())
      batch->names.try_emplace(std::string(p.key.subject.target.name()));
  }
  if (batch->names.empty()) return Probe(std::move(batch));
  const uint64_t job = next_job_++;
  jobs_[job] = nullptr;
  const bool posted = pool_.TryPost(
      [batch, job, weak = weak_from_this(), &resolver = resolver_, &runner = runner_] {
        for (auto& [name, addresses] : batch->names) {
          absl::StatusOr<std::vector<IpAddress>> found = resolver(name);
          if (found.ok()) addresses = *std::move(found);
        }
        runner.Post([batch, job, weak] {
          if (const auto self = weak.lock()) {
            self->jobs_.erase(job);
            self->Probe(batch);
          }
        });
      });
  if (posted) return;
  jobs_.erase(job);
  for (const ConfirmationProbe& p : batch->probes) under_way_.erase(p.key);
}

void Confirmer::Probe(std::shared_ptr<const Batch> batch) {
  std::set<SinglePort> ports;
  for (const ConfirmationProbe& p : batch->probes) {
    const Subject& subject = p.key.subject;
    if (subject.target.is_name()) {
      for (const IpAddress& a : batch->names.at(std::string(subject.target.name())))
        ports.insert({a, subject.port});
    } else {
      ports.insert({*subject.target.address(), subject.port});
    }
  }
  const uint64_t job = next_job_++;
  if (ports.empty()) return OnAnswers(job, *batch, PortAnswers());
  ScanRequest request = PortsScan(
      spec_, fmt::format("monitor {} confirms {} changes", monitor_, batch->probes.size()), ports,
      {batch->vantage});
  request.avoid_agents = batch->avoid;
  // No key: what was asked before a restart is asked again, and later answers count.
  jobs_[job] = nullptr;
  jobs_[job] =
      ProbePorts(runner_, scans_, clock_, std::move(request), "",
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
    const std::vector<IpAddress> addresses =
        subject.target.is_name() ? batch.names.at(std::string(subject.target.name()))
                                 : std::vector<IpAddress>{*subject.target.address()};
    std::optional<SubjectOutcome> outcome;
    if (answers.ok()) outcome = answers->Joined(batch.vantage, addresses, subject.port);
    // Without a verdict: a lost probe, and another one is made.
    out.push_back({p.key, p.number, outcome.value_or(SubjectOutcome{})});
  }
  answers_(std::move(out));
}

}  // namespace portolan
