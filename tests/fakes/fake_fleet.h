#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/rpc/convert.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/scan_space.h"
#include "portolan/v1/fleet_service.grpc.pb.h"

namespace portolan {

// A coordinator as small as an agent can be tested with, served over real gRPC: one scan; the
// leases that the test grants; each position counted once. What it knows outlives its server, so
// that a restart can be played. Thread-safe.
class FakeFleet final : public v1::FleetService::Service {
 public:
  FakeFleet(std::vector<Block> blocks, ProbeTiming timing)
      : blocks_(std::move(blocks)), timing_(timing) {}

  // ---- what the test wants ----
  void Grant(uint64_t token, IntervalSet ranges) {
    MutexLock lock(mu_);
    leases_[token] = {std::move(ranges), 0};
    Bump();
  }
  void Revoke(uint64_t token) {
    MutexLock lock(mu_);
    leases_.erase(token);
    Bump();
  }
  void Exclude(const std::string& rule) {
    MutexLock lock(mu_);
    overlay_.push_back(rule);
    Bump();
  }
  void RefuseCalls(grpc::Status status) {
    MutexLock lock(mu_);
    refuse_ = std::move(status);
    Bump();
  }
  // Report streams end after so many batches, before the last is acknowledged. 0: never.
  void BreakStreamsAfter(int batches) {
    MutexLock lock(mu_);
    break_after_ = batches;
  }
  // As a restart does: parked calls end, a new epoch begins. Streams end with the server.
  void Restart() {
    MutexLock lock(mu_);
    ++epoch_;
    for (auto& [token, lease] : leases_) lease.told = 0;
    Bump();
  }

  // ---- what the test sees ----
  // Waits until `done` positions have been reported.
  void WaitForDone(uint64_t done) {
    MutexLock lock(mu_);
    while (done_.size() < done) changed_.Wait(mu_);
  }
  // Waits for a request of which this is true.
  template <typename Condition>
  v1::SynchronizeRequest WaitForRequest(Condition condition) {
    MutexLock lock(mu_);
    while (!last_.has_value() || !condition(*last_)) changed_.Wait(mu_);
    return *last_;
  }
  std::map<std::pair<State, Reason>, uint64_t> Counts() const {
    MutexLock lock(mu_);
    return counts_;
  }
  std::set<uint64_t> OpenPositions() const {
    MutexLock lock(mu_);
    return opens_;
  }
  uint64_t repeated() const {
    MutexLock lock(mu_);
    return repeated_;
  }
  int streams() const {
    MutexLock lock(mu_);
    return streams_;
  }

  // ---- FleetService ----
  grpc::Status Synchronize(grpc::ServerContext* context, const v1::SynchronizeRequest* request,
                           v1::SynchronizeResponse* response) override {
    MutexLock lock(mu_);
    last_ = *request;
    changed_.NotifyAll();
    std::set<uint64_t> listed;
    for (const v1::HeldLease& l : request->leases()) listed.insert(l.token());
    const uint64_t seen = request->epoch_seen() == epoch_ ? request->revision_seen() : 0;
    std::erase_if(leases_, [&](const auto& l) {
      return l.second.told != 0 && l.second.told <= seen && !listed.contains(l.first);
    });
    // Parked for at most a tenth of a second: short enough that a stopping server need not hurry
    // it.
    for (int i = 0; i < 10 && seen == revision_ && refuse_.ok() && !context->IsCancelled(); ++i) {
      changed_.WaitFor(mu_, std::chrono::milliseconds(10));
    }
    if (!refuse_.ok()) return refuse_;
    response->set_epoch(epoch_);
    response->set_revision(revision_);
    response->set_lease_term_ms(10'000);
    for (auto& [token, lease] : leases_) {
      if (lease.told == 0) lease.told = revision_;
      v1::Lease* out = response->add_leases();
      out->set_token(token);
      out->set_lane_id(1);
      out->set_scan_id("scan");
      out->set_attempt(1);
      ToProto(lease.ranges, out->mutable_ranges());
    }
    v1::ScanShare* share = response->add_shares();
    share->set_scan_id("scan");
    share->set_rate(-1);
    const v1::KnownScan* known = request->scans_size() > 0 ? &request->scans(0) : nullptr;
    if (!leases_.empty() && (known == nullptr || known->overlay_version() < overlay_.size())) {
      v1::ScanContext* out = response->add_scans();
      out->set_scan_id("scan");
      if (known == nullptr) {
        ToProto(blocks_, 5, out->mutable_space());
        ToProto(timing_, out->mutable_timing());
      }
      out->set_overlay_version(overlay_.size());
      for (const std::string& rule : overlay_) out->add_overlay(rule);
    }
    return grpc::Status::OK;
  }

  grpc::Status Report(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ReportResponse, v1::ReportRequest>* stream) override {
    int batches = 0;
    {
      MutexLock lock(mu_);
      ++streams_;
    }
    v1::ReportRequest request;
    while (stream->Read(&request)) {
      v1::ReportResponse response;
      response.set_credit(4);
      if (request.has_batch()) {
        MutexLock lock(mu_);
        if (break_after_ > 0 && ++batches > break_after_)
          return {grpc::StatusCode::UNAVAILABLE, "stream broken by the test"};
        if (!TakeBatch(request.batch()))
          return {grpc::StatusCode::INVALID_ARGUMENT, "malformed batch"};
        response.set_acked_seq(request.batch().seq());
      }
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

 private:
  struct Lease {
    IntervalSet ranges;
    uint64_t told = 0;
  };

  void Bump() REQUIRES(mu_) {
    ++revision_;
    changed_.NotifyAll();
  }

  bool TakeBatch(const v1::ReportBatch& batch) REQUIRES(mu_) {
    for (const v1::OpenPorts& ports : batch.open_ports()) {
      uint64_t index = 0;
      for (const uint64_t delta : ports.index_delta()) opens_.insert(index += delta);
    }
    for (const v1::Chunk& chunk : batch.chunks()) {
      const auto decoded = DecodeOutcomes(chunk.outcomes(), chunk.count());
      if (!decoded.ok() || decoded->codes.size() != chunk.count()) return false;
      for (uint32_t i = 0; i < chunk.count(); ++i) {
        const uint64_t index = chunk.begin() + i;
        if (done_.Contains(index)) {
          ++repeated_;
          continue;
        }
        done_.Add({index, index + 1});
        ++counts_[{decoded->At(i).state, decoded->At(i).reason}];
      }
    }
    changed_.NotifyAll();
    return true;
  }

  const std::vector<Block> blocks_;
  const ProbeTiming timing_;

  mutable Mutex mu_;
  CondVar changed_;
  uint64_t epoch_ GUARDED_BY(mu_) = 1;
  uint64_t revision_ GUARDED_BY(mu_) = 1;
  std::map<uint64_t, Lease> leases_ GUARDED_BY(mu_);
  std::vector<std::string> overlay_ GUARDED_BY(mu_);
  grpc::Status refuse_ GUARDED_BY(mu_);
  int break_after_ GUARDED_BY(mu_) = 0;
  int streams_ GUARDED_BY(mu_) = 0;
  std::optional<v1::SynchronizeRequest> last_ GUARDED_BY(mu_);
  IntervalSet done_ GUARDED_BY(mu_);
  std::map<std::pair<State, Reason>, uint64_t> counts_ GUARDED_BY(mu_);
  std::set<uint64_t> opens_ GUARDED_BY(mu_);
  uint64_t repeated_ GUARDED_BY(mu_) = 0;
};

}  // namespace portolan
