#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// How a scan comes to be (see scan_creator.h), and what joins it to the rest.
namespace portolan {

ScanId Control::NewScanId() {
  while (true) {
    ScanId id;
    uint64_t bits = random_();
    for (size_t i = 0; i < kScanIdLength; ++i, bits >>= 5) id += kScanIdAlphabet[bits & 31];
    if (!scheduler_->GetContext(id).has_value()) return id;
  }
}

FleetPace Control::PaceOfFleet() const {
  FleetPace pace;
  for (const Scheduler::AgentView& agent : scheduler_->ListAgents()) {
    if (agent.live && !agent.draining)
      pace[agent.vantage] += agent.max_rate > 0 ? agent.max_rate : kAssumedAgentRate;
  }
  return pace;
}

ScanCreator::Environment Control::CreatorEnvironment() {
  return {runner_,
          planners_,
          options_.names,
          [this](const std::string& key) { return store_->FindRequest(key); },
          [this] {
            PlanContext context;
            context.scope = scope();
            context.live_vantages = scheduler_->LiveVantages();
            context.pace = PaceOfFleet();
            context.retention = options_.retention;
            const uint64_t seed = random_();
            context.random_seed = seed == 0 ? 1 : seed;
            return context;
          },
          [this](const ScanId& id, const Done<ScanStatus>& finish) {
            AnswerWithScan(id, absl::OkStatus(), [this, finish](absl::StatusOr<ScanStatus> result) {
              runner_.Post([finish, result = std::move(result)] { finish(result); });
            });
          },
          [this](std::shared_ptr<const ScanSpec> spec, const std::string& key,
                 const std::string& digest, Done<ScanStatus> finish) {
            SubmitPlanned(std::move(spec), key, digest, std::move(finish));
          },
          [this](const ScanId& id) { Discard(id); }};
}

// A monitor names vantages that may get an agent only later: its runs say what they miss.
absl::Status Control::CheckVantagesAreKnown(const ScanRequest& request) const {
  if (!request.monitor.empty() || request.wait_for_agents) return absl::OkStatus();
  std::vector<std::string> names;  // planning refuses what is not a name at all
  for (const std::string& v : request.vantages) {
    if (CheckName("spec.vantages", v, kMaxVantageName).ok()) names.push_back(v);
  }
  return vantages_.Check("spec.vantages", names,
                         "to scan as soon as one calls, give --wait-for-agents (wait_for_agents)");
}

void Control::CreateScan(CreateCall call) {
  auto shared = std::make_shared<CreateCall>(std::move(call));
  calls_.OnControl<ScanStatus>(
      [shared](absl::StatusOr<ScanStatus> refused) { shared->done(std::move(refused)); },
      [this, shared](const Done<ScanStatus>&) {
        const absl::Status known = CheckVantagesAreKnown(shared->request);
        if (!known.ok()) return shared->done(known);
        creator_.Create(std::move(*shared));
      });
}

void Control::CreateScan(ScanRequest request, std::string key, std::string digest,
                         Done<ScanStatus> done) {
  CreateCall call;
  call.id = NextCallId();
  call.request = std::move(request);
  call.key = std::move(key);
  call.digest = std::move(digest);
  call.done = std::move(done);
  CreateScan(std::move(call));
}

void Control::AbandonCreate(uint64_t call) {
  runner_.Post([this, call] { creator_.Abandon(call); });
}

void Control::SubmitPlanned(std::shared_ptr<const ScanSpec> spec, const std::string& key,
                            const std::string& digest, Done<ScanStatus> finish) {
  if (stopping_) return finish(ControlCalls::Stopping());
  if (const absl::Status health = store_->Health(); !health.ok())
    return finish(Unavailable("no scan was created: {}", Message(health)));
  const WallTime wall = clock_.Wall();
  ScanRecord record;
  record.id = NewScanId();
  record.spec = std::move(spec);
  record.created = wall;
  const uint64_t first_lane = next_lane_;
  const auto add_lane = [&](const std::string& vantage) {
    LaneRecord& lane = record.lanes.emplace_back();
    lane.id = LaneId{next_lane_++};
    lane.vantage = vantage;
  };
  if (record.spec->mode == ScanMode::kEachVantage) {
    for (const std::string& vantage : record.spec->vantages) add_lane(vantage);
  } else {
    add_lane("");
  }
  const absl::Status submitted = scheduler_->Submit(record, clock_.Now(), wall);
  if (!submitted.ok()) {
    next_lane_ = first_lane;
    return finish(submitted);
  }
  for (const LaneRecord& lane : record.lanes)
    ingest_->AddLane(lane.id, record.id, lane.vantage, record.spec->space);
  Log(LogLevel::kInfo, "scan created",
      {{"scan", record.id},
       {"name", record.spec->name},
       {"positions", std::to_string(record.spec->space->size())},
       {"lanes", std::to_string(record.lanes.size())},
       {"names_skipped", std::to_string(record.spec->names_skipped)}});
  const ScanId id = record.id;
  WriteBatch batch;
  if (!key.empty()) batch.requests.push_back({key, digest, id});
  batch.new_scans.push_back(std::move(record));
  Settle(std::move(batch), [this, id, finish](const absl::Status& status) {
    if (!status.ok()) return finish(status);
    finish(LiveStatus(id));
  });
}

// The caller went away while the scan was being stored. Cancelled now, removed when it has ended.
void Control::Discard(const ScanId& id) {
  if (stopping_) return;  // nobody can say that it was not made
  discarded_.insert(id);
  const absl::Status cancelled = scheduler_->Cancel(id, clock_.Now(), clock_.Wall());
  if (!cancelled.ok()) discarded_.erase(id);  // ended already
  Log(LogLevel::kInfo, "scan discarded: its caller has gone", {{"scan", id}});
  Settle();
}

}  // namespace portolan
