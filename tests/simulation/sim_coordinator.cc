#include "tests/simulation/sim_coordinator.h"

#include <utility>

#include "common/base/status.h"
#include "tests/simulation/sim_world.h"

namespace portolan {

SimCoordinator::SimCoordinator(SimWorld& world, SimStore& store, SchedulerOptions options)
    : world_(world), store_(store), options_(options) {}

void SimCoordinator::Start() {
  ++epoch_;
  scheduler_ = std::make_unique<Scheduler>(options_, store_.next_token());
  newest_.clear();
  for (ScanRecord& scan : store_.Unfinished()) {
    for (const LeaseRecord& l : scan.leases) newest_[l.token] = IntervalSet::Of(l.ranges);
    scheduler_->Restore(std::move(scan), world_.now());
  }
  Finish();
}

void SimCoordinator::Crash() {
  scheduler_.reset();
  parked_.clear();
  batch_ = {};
  after_.clear();
  committed_at_ = Time();
}

void SimCoordinator::Submit(ScanRecord record) {
  batch_.new_scans.push_back(record);
  const auto status = scheduler_->Submit(std::move(record), world_.now(), world_.wall());
  if (!status.ok()) world_.Fail(std::string(Message(status)));
  Finish();
}

void SimCoordinator::Operate(const std::function<absl::Status(Scheduler&)>& operation) {
  if (!up()) return;
  operation(*scheduler_).IgnoreError();
  Finish();
}

void SimCoordinator::OnRequest(const SimRequest& request) {
  if (!up()) return;
  // Another process of the name does not take the place of the call that is parked.
  if (auto it = parked_.find(request.report.name);
      it != parked_.end() && it->second.request.report.incarnation == request.report.incarnation)
    parked_.erase(it);
  SimRequest r = request;
  if (r.epoch_seen != epoch_) r.report.revision_seen = 0;
  Ask(r, false);
  Finish();
}

void SimCoordinator::OnDisconnected(const std::string& agent, const std::string& incarnation) {
  if (!up()) return;
  if (auto it = parked_.find(agent);
      it != parked_.end() && it->second.request.report.incarnation == incarnation)
    parked_.erase(it);
  for (const auto& view : scheduler_->ListAgents()) {
    if (view.name == agent && view.incarnation == incarnation)
      scheduler_->SetConnected(agent, false, world_.now());
  }
}

void SimCoordinator::Ask(const SimRequest& request, bool answer_anyway) {
  const std::string& name = request.report.name;
  auto decision = scheduler_->Synchronize(request.report, world_.now(), world_.wall());
  SimAnswer answer{request.call, epoch_, {}, {}, false, false};
  if (!decision.ok()) {
    answer.refused = absl::IsAlreadyExists(decision.status());
    answer.aborted = absl::IsAborted(decision.status());
    if (!answer.refused && !answer.aborted) world_.Fail(std::string(Message(decision.status())));
    world_.SendAnswer(name, request.report.incarnation, std::move(answer));
    return;
  }
  if (decision->wait > Duration::zero()) {
    answer.decision = *std::move(decision);
    world_.SendAnswer(name, request.report.incarnation, std::move(answer));
    return;
  }
  if (!decision->news && !answer_anyway) {
    parked_.insert_or_assign(
        name, Parked{request, parked_.count(name) ? parked_[name].until
                                                  : world_.now() + options_.lease_term / 3});
    return;
  }
  parked_.erase(name);
  for (const ScanContextRef& c : decision->contexts)
    answer.overlays[c.scan] = scheduler_->GetScan(c.scan)->overlay.version;
  answer.decision = *std::move(decision);
  after_.push_back([this, name, incarnation = request.report.incarnation,
                    answer = std::move(answer)] { world_.SendAnswer(name, incarnation, answer); });
}

void SimCoordinator::OnChunk(const std::string& agent, uint64_t incarnation,
                             const SimChunk& chunk) {
  if (!up()) return;
  ChunkClaim claim;
  claim.token = chunk.token;
  claim.agent = agent;
  claim.range = chunk.range;
  for (uint64_t i = chunk.range.begin; i < chunk.range.end; ++i) {
    const Symbol s = chunk.outcomes[i - chunk.range.begin];
    if (s.state != State::kOwed) {
      claim.counts.Count(s, 1);
      continue;
    }
    claim.owed.Add({i, i + 1});
    if (s.reason == Reason::kRefusedByScope) claim.refused_by_scope.Add({i, i + 1});
  }
  claim.count_part = [&](const IntervalSet& part) {
    Ledger counts;
    part.ForEach([&](IndexRange r) {
      for (uint64_t i = r.begin; i < r.end; ++i)
        counts.Count(chunk.outcomes[i - chunk.range.begin], 1);
    });
    return counts;
  };
  const ChunkVerdict v = scheduler_->Complete(claim, world_.now(), world_.wall());
  CheckFencing(claim, v);
  if (!v.fresh.empty()) {
    SimStore::Counted counted{v.lane, {}, v.counts};
    v.fresh.ForEach([&](IndexRange r) {
      for (uint64_t i = r.begin; i < r.end; ++i)
        counted.outcomes.emplace_back(i, chunk.outcomes[i - chunk.range.begin]);
    });
    batch_.counted.push_back(std::move(counted));
  }
  after_.push_back([this, agent, incarnation, id = chunk.id, token = chunk.token,
                    fenced = v.verdict == Verdict::kFenced] {
    world_.SendAck(agent, incarnation, id, token, fenced);
  });
  Finish();
}

void SimCoordinator::CheckFencing(const ChunkClaim& claim, const ChunkVerdict& v) {
  if (v.fresh.empty()) return;
  if (v.verdict == Verdict::kFenced || v.verdict == Verdict::kDuplicate)
    world_.Fail("a refused chunk has a fresh part");
  auto it = newest_.find(claim.token);
  if (it == newest_.end() || !it->second.Contains(v.fresh))
    world_.Fail(fmt::format("token {}: counted, but fenced", claim.token.value));
}

void SimCoordinator::Note(const std::vector<Change>& changes) {
  for (const Change& c : changes) {
    if (const auto* put = std::get_if<PutLease>(&c)) {
      IntervalSet ranges = IntervalSet::Of(put->lease.ranges);
      newest_[put->lease.token] = std::move(ranges);
    } else if (const auto* drop = std::get_if<DropLease>(&c)) {
      newest_.erase(drop->token);
    }
  }
}

void SimCoordinator::Finish() {
  for (int round = 0;; ++round) {
    std::vector<Change> changes = scheduler_->TakeChanges();
    Note(changes);
    for (Change& c : changes) batch_.changes.push_back(std::move(c));
    const auto woken = scheduler_->TakeWoken();
    if (woken.empty()) break;
    if (round > 200) return world_.Fail("agents wake each other without end");
    for (const std::string& name : woken) {
      auto it = parked_.find(name);
      if (it == parked_.end()) continue;
      const SimRequest request = it->second.request;
      Ask(request, false);
    }
  }
  const auto status = scheduler_->CheckInvariants();
  if (!status.ok()) world_.Fail(std::string(Message(status)));
  scheduler_->TakeChangedScans();
  batch_.next_token = scheduler_->next_token();
  // Commits are in order, some time later; what must follow a commit follows it. A crash in between
  // loses both.
  committed_at_ = std::max(committed_at_, world_.now() + world_.CommitLatency());
  world_.At(committed_at_, [this, epoch = epoch_, scheduler = scheduler_.get(),
                            batch = std::exchange(batch_, {}), after = std::exchange(after_, {})] {
    if (epoch != epoch_ || scheduler != scheduler_.get()) return;
    store_.Commit(batch);
    for (const auto& f : after) f();
  });
}

void SimCoordinator::Poll() {
  if (!up()) return;
  if (world_.now() >= scheduler_->NextEvent()) {
    scheduler_->Tick(world_.now(), world_.wall());
    Finish();
  }
  std::vector<SimRequest> due;
  for (const auto& [name, p] : parked_) {
    if (world_.now() >= p.until) due.push_back(p.request);
  }
  for (const SimRequest& r : due) Ask(r, true);
  if (!due.empty()) Finish();
}

}  // namespace portolan
