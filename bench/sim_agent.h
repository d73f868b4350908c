#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/outcome_mix.h"
#include "common/base/interval_set.h"
#include "common/base/mutex.h"
#include "common/base/task_runner.h"
#include "portolan/v1/fleet_service.grpc.pb.h"

namespace portolan::bench {

using Steady = std::chrono::steady_clock;

struct SimOptions {
  std::string name, vantage;
  // Outcomes a second that it says it makes.
  double speed = 1e6;
  // Reports as an agent of that speed would: a chunk about every 2 s, its open ports as they come.
  // Else as fast as the coordinator takes it.
  bool paced = false;
  // Keeps to the share that it has of each scan's rate, as an agent does whose targets answer at
  // once; what a scan does not limit goes as fast as the coordinator takes it. It then measures its
  // speed, and a chunk is about 1 s of the share.
  bool by_share = false;
  // at most so many positions; a lease's chunks are reported in random order
  uint32_t chunk = 65'536;
  uint32_t chunks_per_batch = 1;  // when not paced
  uint64_t room = uint64_t{1} << 24;
  bool bare = false;  // no Synchronize and no leases: chunk after chunk of lease 1
  uint64_t seed = 1;
};

// Counted over all agents. Thread-safe.
struct SimCounters {
  std::atomic<uint64_t> acked{0};        // outcomes whose commit was told
  std::atomic<uint64_t> acked_opens{0};  // of them
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> report_bytes{0};  // serialized Report requests, with gRPC's 5 bytes each
  std::atomic<uint64_t> sync_bytes{0};    // of Synchronize requests likewise
  std::atomic<uint64_t> batches{0};
  std::atomic<uint64_t> answers{0};  // of Synchronize
  std::atomic<uint64_t> fenced{0};   // tokens
  std::atomic<uint64_t> late{0};     // times that a paced agent had too many batches unacknowledged
};

// An agent without an engine: takes leases, makes outcomes up, reports them. gRPC's callback
// interface, so that a thousand fit in one process. Thread-safe; must outlive its calls: Stop, then
// destroy. The first failure of a call ends it and is kept.
class SimAgent : private grpc::ClientBidiReactor<v1::ReportRequest, v1::ReportResponse> {
 public:
  // Called with each answer of Synchronize as soon as it is there, on gRPC's threads.
  using OnAnswer =
      std::function<void(SimAgent&, const v1::SynchronizeResponse&, Steady::time_point)>;

  // Borrows all but the channel. `runner` is for paced agents.
  SimAgent(SimOptions options, std::shared_ptr<grpc::Channel> channel, const ChunkSource& maker,
           SimCounters& counters, TaskRunner* runner, OnAnswer on_answer = nullptr);
  ~SimAgent() override = default;

  void Start();
  // Begins nothing more; what was sent is still acknowledged.
  void Quiesce();
  bool quiet() const;  // nothing is unacknowledged
  void Stop();         // cancels its calls and waits for their end

  const SimOptions& options() const { return options_; }
  grpc::Status failure() const;

 private:
  struct Lease {
    std::string scan;
    IntervalSet granted;
    std::vector<IndexRange> todo;  // not begun; taken from the back
    uint64_t todo_positions = 0;
    uint64_t unacked = 0;  // positions
  };
  struct Piece {
    uint64_t token = 0;
    IndexRange range;
    std::shared_ptr<const SimChunk> chunk;
  };
  struct Sent {
    uint64_t seq = 0;
    std::vector<std::pair<uint64_t, uint64_t>> done;  // token, positions
    uint64_t opens = 0;
  };
  struct SyncCall;

  // Report.
  void OnWriteDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void MaybeWrite() EXCLUDES(mu_);
  bool FillBatch() REQUIRES(mu_);  // false: nothing to send
  void Tick() EXCLUDES(mu_);       // paced
  // By shares: sim_agent_shares.cc.
  void TickShares() EXCLUDES(mu_);
  void QueueDue(Time now) REQUIRES(mu_);
  uint32_t ChunkOf(const std::string& scan) const REQUIRES(mu_);
  double Speed() const REQUIRES(mu_);  // outcomes a second; 0: not known yet
  void Acked(uint64_t seq) REQUIRES(mu_);
  // Synchronize.
  void Synchronize() EXCLUDES(mu_);
  void OnSynced(SyncCall* call, const grpc::Status& status);
  void Apply(const v1::SynchronizeResponse& response) REQUIRES(mu_);
  void Cut(Lease& lease, const ScanSpace& space, const IntervalSet& ranges) REQUIRES(mu_);
  bool TakePiece(Piece* piece) REQUIRES(mu_);
  void Fail(const grpc::Status& status) EXCLUDES(mu_);
  void ReleaseHold() EXCLUDES(mu_);

  // Constant.
  const SimOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::FleetService::Stub> stub_;
  const ChunkSource& maker_;
  SimCounters& counters_;
  TaskRunner* const runner_;
  const OnAnswer on_answer_;
  std::string incarnation_;

  Time next_tick_;  // the runner's

  grpc::ClientContext report_context_;
  v1::ReportRequest request_;    // the write under way
  v1::ReportResponse response_;  // the read under way

  mutable Mutex mu_;
  CondVar ended_;
  std::mt19937_64 random_ GUARDED_BY(mu_);
  std::map<uint64_t, Lease> leases_ GUARDED_BY(mu_);
  struct Known {
    std::shared_ptr<const ScanSpace> space;
    uint64_t overlay = 0;
  };
  std::map<std::string, Known> scans_ GUARDED_BY(mu_);
  std::map<std::string, v1::ScanShare> shares_ GUARDED_BY(mu_);
  uint64_t epoch_ GUARDED_BY(mu_) = 0, revision_ GUARDED_BY(mu_) = 0;
  uint64_t highest_token_ GUARDED_BY(mu_) = 0;
  std::deque<v1::ReportRequest> queue_ GUARDED_BY(mu_);  // paced: filled, not written
  std::deque<Sent> sent_ GUARDED_BY(mu_);                // not acknowledged
  uint64_t next_seq_ GUARDED_BY(mu_) = 1, acked_seq_ GUARDED_BY(mu_) = 0;
  uint32_t credit_ GUARDED_BY(mu_) = 1;
  uint64_t next_bare_ GUARDED_BY(mu_) = 0;
  bool writing_ GUARDED_BY(mu_) = true;  // hello
  // The hold that lets MaybeWrite be called from anywhere.
  bool starting_ GUARDED_BY(mu_) = false, closing_ GUARDED_BY(mu_) = false,
                 released_ GUARDED_BY(mu_) = false;
  bool quiesced_ GUARDED_BY(mu_) = false, stopping_ GUARDED_BY(mu_) = false;
  bool report_ended_ GUARDED_BY(mu_) = false, sync_running_ GUARDED_BY(mu_) = false;
  grpc::ClientContext* sync_context_ GUARDED_BY(mu_) = nullptr;
  grpc::Status failure_ GUARDED_BY(mu_);
  // Paced: the chunk under way, and the quarter of it that comes next.
  Piece piece_ GUARDED_BY(mu_);
  uint32_t quarter_ GUARDED_BY(mu_) = 0;
  // By shares.
  struct Budget {
    double positions = 0;
    Time filled;
  };
  std::map<std::string, Budget> budgets_ GUARDED_BY(mu_);  // by scan that has work
  double begun_ GUARDED_BY(mu_) = 0, busy_s_ GUARDED_BY(mu_) = 0;
  Time last_tick_ GUARDED_BY(mu_);
};

}  // namespace portolan::bench
