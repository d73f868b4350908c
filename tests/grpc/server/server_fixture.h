#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/convert.h"
#include "common/rpc/status.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/server/coordinator.h"
#include "portolan/v1/fleet_service.grpc.pb.h"
#include "portolan/v1/scan_service.grpc.pb.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {

// An agent that speaks the wire protocol, played by a test over a real channel.
class WireAgent {
 public:
  WireAgent(std::shared_ptr<grpc::Channel> channel, const std::string& name,
            const std::string& vantage, char incarnation = 'i')
      : stub_(v1::FleetService::NewStub(channel)) {
    request_.mutable_agent()->set_name(name);
    request_.mutable_agent()->set_vantage(vantage);
    request_.mutable_agent()->set_incarnation(std::string(16, incarnation));
    request_.mutable_agent()->set_permutation_version(1);
    request_.mutable_agent()->set_version("test");
    request_.set_room(1 << 20);
    request_.set_measured_rate(100'000);
  }
  v1::SynchronizeRequest& request() { return request_; }
  v1::FleetService::Stub& stub() { return *stub_; }

  absl::Status Sync() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    v1::SynchronizeResponse response;
    const grpc::Status status = stub_->Synchronize(&context, request_, &response);
    if (!status.ok()) return FromGrpc(status);
    return Take(response);
  }
  absl::Status Take(const v1::SynchronizeResponse& response) {
    request_.set_epoch_seen(response.epoch());
    request_.set_revision_seen(response.revision());
    request_.clear_leases();
    for (const v1::Lease& lease : response.leases()) {
      v1::HeldLease* held = request_.add_leases();
      held->set_token(lease.token());
      *held->mutable_ranges() = lease.ranges();
      auto ranges = FromProto(lease.ranges(), ScanSpace::kMaxPositions, 100'000);
      if (!ranges.ok()) return ranges.status();
      held->set_unprobed(reported_.count(lease.token()) > 0 ? 0 : ranges->size());
      scans_[lease.token()] = lease.scan_id();
    }
    *request_.mutable_shares() = response.shares();
    for (const v1::ScanContext& scan : response.scans()) {
      if (scan.has_space()) {
        auto space = FromProto(scan.space());
        if (!space.ok()) return space.status();
        spaces_[scan.scan_id()] = *space;
        request_.add_scans()->set_scan_id(scan.scan_id());
      }
      for (v1::KnownScan& known : *request_.mutable_scans()) {
        if (known.scan_id() == scan.scan_id()) known.set_overlay_version(scan.overlay_version());
      }
    }
    return absl::OkStatus();
  }

  // Reports all that it holds on a stream of its own and waits until all of it is acknowledged.
  grpc::Status ReportAll(const std::function<bool(const ScanSpace::Endpoint&)>& open) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    auto stream = stub_->Report(&context);
    v1::ReportRequest hello;
    hello.mutable_hello()->set_agent(request_.agent().name());
    hello.mutable_hello()->set_incarnation(request_.agent().incarnation());
    stream->Write(hello);
    uint64_t seq = 0;
    for (const v1::HeldLease& lease : request_.leases()) {
      if (!reported_.insert(lease.token()).second) continue;
      v1::ReportRequest request;
      request.mutable_batch()->set_seq(++seq);
      Fill(lease, open, request.mutable_batch());
      stream->Write(request);
    }
    v1::ReportResponse response;
    for (uint64_t acked = 0; acked < seq && stream->Read(&response);) acked = response.acked_seq();
    stream->WritesDone();
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  }
  void Fill(const v1::HeldLease& lease, const std::function<bool(const ScanSpace::Endpoint&)>& open,
            v1::ReportBatch* batch) {
    const ScanSpace& space = *spaces_.at(scans_.at(lease.token()));
    v1::OpenPorts* ports = batch->add_open_ports();
    ports->set_token(lease.token());
    ports->set_source(IpAddress::Parse("10.9.9.9")->ToBytes());
    ports->set_base_unix_us(1'000'000);
    uint64_t last = 0;
    for (const v1::IndexRange& range : lease.ranges()) {
      for (uint64_t at = range.begin(); at < range.end();) {
        const uint64_t end =
            std::min<uint64_t>({range.end(), space.GroupOf(at).range.end, at + 65'536});
        std::vector<Symbol> outcomes;
        for (uint64_t i = at; i < end; ++i) {
          const bool is_open = open(space.At(i));
          outcomes.push_back(is_open ? Symbol{State::kOpen, Reason::kSynAck}
                                     : Symbol{State::kClosed, Reason::kConnRefused});
          if (!is_open) continue;
          ports->add_index_delta(i - last);
          ports->add_rtt_us(123);
          ports->add_time_delta_ms(1);
          last = i;
        }
        v1::Chunk* chunk = batch->add_chunks();
        chunk->set_token(lease.token());
        chunk->set_begin(at);
        chunk->set_count(static_cast<uint32_t>(end - at));
        chunk->set_start_unix_us(1'000'000);
        chunk->set_duration_ms(10);
        chunk->set_outcomes(EncodeOutcomes(outcomes));
        at = end;
      }
    }
  }

 private:
  std::unique_ptr<v1::FleetService::Stub> stub_;
  v1::SynchronizeRequest request_;
  std::map<uint64_t, std::string> scans_;
  std::map<std::string, std::shared_ptr<const ScanSpace>> spaces_;
  std::set<uint64_t> reported_;
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options_.data_directory = directory_.path();
    options_.sync_full = false;
    options_.scheduler.lease_term = std::chrono::seconds(3);
  }
  void StartServer() {
    auto coordinator = Coordinator::Start(options_);
    ASSERT_TRUE(coordinator.ok()) << coordinator.status();
    coordinator_ = std::move(*coordinator);
    channel_ = coordinator_->InProcessChannel();
    scans_ = v1::ScanService::NewStub(channel_);
  }
  ~ServerTest() override {
    scans_.reset();
    channel_.reset();
  }

  // Calls with a deadline, so that a lost answer fails the test instead of holding it up.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::ScanService::Stub::*method)(grpc::ClientContext*,
                                                                  const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return (scans_.get()->*method)(&context, request, response);
  }
  v1::CreateScanRequest Request(const std::string& target = "10.0.0.0/28",
                                const std::string& ports = "1-100") {
    v1::CreateScanRequest r;
    r.mutable_spec()->add_targets(target);
    r.mutable_spec()->set_ports(ports);
    return r;
  }
  v1::Scan Create(const v1::CreateScanRequest& request) {
    v1::Scan scan;
    const grpc::Status status = Call(&v1::ScanService::Stub::CreateScan, request, &scan);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return scan;
  }
  v1::Scan Get(const std::string& ref) {
    v1::GetScanRequest request;
    request.set_scan_id(ref);
    v1::Scan scan;
    const grpc::Status status = Call(&v1::ScanService::Stub::GetScan, request, &scan);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return scan;
  }
  v1::Scan Play(const std::string& id, WireAgent& agent,
                const std::function<bool(const ScanSpace::Endpoint&)>& open) {
    for (int i = 0; i < 50; ++i) {
      const absl::Status synced = agent.Sync();
      EXPECT_TRUE(synced.ok()) << synced;
      const grpc::Status reported = agent.ReportAll(open);
      EXPECT_TRUE(reported.ok()) << reported.error_message();
      v1::Scan scan = Get(id);
      if (!synced.ok() || !reported.ok() || scan.state() >= v1::SCAN_STATE_COMPLETE) return scan;
    }
    return Get(id);
  }

  TempDirectory directory_;
  CoordinatorOptions options_;
  std::unique_ptr<Coordinator> coordinator_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ScanService::Stub> scans_;
};

}  // namespace portolan
