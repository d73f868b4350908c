#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// How a scan comes to be: once for each key, planned on a thread that may block, answered after the
// commit.
namespace portolan {
namespace {

constexpr size_t kMaxSameRequests = 100;

}  // namespace

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

void Control::CreateScan(ScanRequest request, std::string key, std::string digest,
                         Done<ScanStatus> done) {
  auto shared = std::make_shared<ScanRequest>(std::move(request));
  OnControl<ScanStatus>(std::move(done), [this, shared, key = std::move(key),
                                          digest = std::move(digest)](Done<ScanStatus> d) {
    if (stopping_) return d(Stopping());
    // A monitor names vantages that may get an agent only later: its runs say what they miss.
    if (shared->monitor.empty() && !shared->wait_for_agents) {
      std::vector<std::string> names;  // what is no name at all, planning refuses
      for (const std::string& v : shared->vantages) {
        if (CheckName("spec.vantages", v, kMaxVantageName).ok()) names.push_back(v);
      }
      const absl::Status known =
          vantages_.Check("spec.vantages", names,
                          "to scan as soon as one calls, give --wait-for-agents (wait_for_agents)");
      if (!known.ok()) return d(known);
    }
    if (!key.empty()) {
      auto [it, fresh] = creations_.try_emplace(key);
      if (!fresh) {
        if (it->second.digest != digest)
          return d(AlreadyExists(
              "request_id \"{}\": was used for another request; choose a new one", key));
        if (it->second.waiting.size() >= kMaxSameRequests) return d(Busy());
        it->second.waiting.push_back(std::move(d));
        return;
      }
      it->second.digest = digest;
    }
    // Answers this request and the same ones that came while it was at work. On the control thread.
    Done<ScanStatus> finish = [this, key, d](const absl::StatusOr<ScanStatus>& result) {
      std::vector<Done<ScanStatus>> waiting;
      if (auto it = creations_.find(key); it != creations_.end()) {
        waiting = std::move(it->second.waiting);
        creations_.erase(it);
      }
      d(result);
      for (const Done<ScanStatus>& w : waiting) w(result);
    };
    const bool posted =
        planners_.TryPost([this, shared, key, digest, live = scheduler_->LiveVantages(),
                           pace = PaceOfFleet(), seed = random_(), finish] {
          PlanAndCreate(std::move(*shared), key, digest, live, pace, seed, finish);
        });
    if (!posted)
      finish(stopping_ ? Stopping()
                       : ResourceExhausted(
                             "too many scans are being planned; try again in some seconds"));
  });
}

// On a planning thread. `finish` is called on the control thread.
void Control::PlanAndCreate(ScanRequest request, const std::string& key, const std::string& digest,
                            const std::vector<std::string>& live, const FleetPace& pace,
                            uint64_t seed, Done<ScanStatus> finish) {
  const auto fail = [&](absl::Status status) {
    runner_.Post([finish, status = std::move(status)] { finish(status); });
  };
  if (!key.empty()) {
    absl::StatusOr<std::optional<std::pair<ScanId, std::string>>> before = store_->FindRequest(key);
    if (!before.ok()) return fail(before.status());
    if (before->has_value()) {
      if ((*before)->second != digest)
        return fail(AlreadyExists(
            "request_id \"{}\": was used for another request; choose a new one", key));
      runner_.Post([this, id = (*before)->first, finish] {
        // `finish` belongs to the control thread, the stored status comes on a reader's.
        AnswerWithScan(id, absl::OkStatus(), [this, finish](absl::StatusOr<ScanStatus> result) {
          runner_.Post([finish, result = std::move(result)] { finish(result); });
        });
      });
      return;
    }
  }
  PlanContext context;
  const std::shared_ptr<const Scope> in_force = scope();
  context.scope = in_force.get();
  context.live_vantages = live;
  context.pace = pace;
  context.retention = options_.retention;
  context.random_seed = seed == 0 ? 1 : seed;
  context.resolver = [this](const std::string& name) -> absl::StatusOr<std::vector<IpAddress>> {
    if (stopping_)
      return Stopping();  // else a long list of names would hold up the end of the program
    return options_.resolver(name);
  };
  absl::StatusOr<std::shared_ptr<const ScanSpec>> spec = PlanScan(request, context);
  if (!spec.ok()) return fail(spec.status());
  runner_.Post([this, spec = *std::move(spec), key, digest, finish] {
    SubmitPlanned(spec, key, digest, finish);
  });
}

void Control::SubmitPlanned(std::shared_ptr<const ScanSpec> spec, const std::string& key,
                            const std::string& digest, Done<ScanStatus> finish) {
  if (stopping_) return finish(Stopping());
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
       {"lanes", std::to_string(record.lanes.size())}});
  const ScanId id = record.id;
  WriteBatch batch;
  if (!key.empty()) batch.requests.push_back({key, digest, id});
  batch.new_scans.push_back(std::move(record));
  Settle(std::move(batch), [this, id, finish](const absl::Status& status) {
    if (!status.ok()) return finish(status);
    finish(LiveStatus(id));
  });
}

}  // namespace portolan
