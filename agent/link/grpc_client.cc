#include <utility>

#include "agent/link/coordinator_client.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/rpc/status.h"
#include "portolan/v1/fleet_service.grpc.pb.h"

namespace portolan {
namespace {

class GrpcReportStream final : public ReportStream {
 public:
  explicit GrpcReportStream(v1::FleetService::Stub& stub) : stream_(stub.Report(&context_)) {}

  bool Write(const v1::ReportRequest& request) override { return stream_->Write(request); }
  bool Read(v1::ReportResponse* response) override { return stream_->Read(response); }
  void WritesDone() override { stream_->WritesDone(); }
  void Cancel() override { context_.TryCancel(); }
  absl::Status Finish() override { return FromGrpc(stream_->Finish()); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ReportRequest, v1::ReportResponse>> stream_;
};

class GrpcClient final : public CoordinatorClient {
 public:
  struct Peer {
    std::string address;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::FleetService::Stub> stub;
  };

  explicit GrpcClient(std::vector<Peer> peers) : peers_(std::move(peers)) {}
  ~GrpcClient() override {
    MutexLock lock(mu_);
    if (call_ != nullptr) call_->context.TryCancel();
    while (running_ > 0) idle_.Wait(mu_);
  }

  size_t coordinators() const override { return peers_.size(); }
  std::string address(size_t which) const override { return peers_[which].address; }

  void Synchronize(size_t which, const v1::SynchronizeRequest& request, Duration deadline,
                   Done done) override {
    Call* call = nullptr;
    {
      MutexLock lock(mu_);
      call_ = std::make_unique<Call>();
      call = call_.get();
      ++running_;
    }
    call->request = request;
    call->done = std::move(done);
    // A time span: gRPC adds it to its own clock.
    call->context.set_deadline(gpr_time_from_nanos(deadline.count(), GPR_TIMESPAN));
    peers_[which].stub->async()->Synchronize(
        &call->context, &call->request, &call->response,
        [this](const grpc::Status& status) { OnDone(status); });
  }

  void CancelSynchronize() override {
    MutexLock lock(mu_);
    if (call_ != nullptr) call_->context.TryCancel();
  }

  std::unique_ptr<ReportStream> OpenReport(size_t which) override {
    return std::make_unique<GrpcReportStream>(*peers_[which].stub);
  }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::SynchronizeRequest request;
    v1::SynchronizeResponse response;
    Done done;
  };

  void OnDone(const grpc::Status& status) {
    std::unique_ptr<Call> call;
    {
      MutexLock lock(mu_);
      call = std::move(call_);
    }
    call->done(FromGrpc(status), call->response);
    call.reset();
    // Signalled under the lock: the destructor must not finish between.
    MutexLock lock(mu_);
    --running_;
    idle_.NotifyAll();
  }

  std::vector<Peer> peers_;  // constant
  Mutex mu_;
  CondVar idle_;
  std::unique_ptr<Call> call_ GUARDED_BY(mu_);
  int running_ GUARDED_BY(mu_) = 0;  // calls whose `done` has not returned
};

}  // namespace

absl::StatusOr<std::unique_ptr<CoordinatorClient>> MakeGrpcClient(
    const std::vector<std::string>& coordinators, const TlsFiles& tls) {
  if (coordinators.empty()) return InvalidArgument("no coordinator: give --coordinator HOST:PORT");
  std::vector<GrpcClient::Peer> peers;
  for (const std::string& address : coordinators) {
    PORTOLAN_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(address, tls));
    auto stub = v1::FleetService::NewStub(channel);
    peers.push_back({address, std::move(channel), std::move(stub)});
  }
  return std::make_unique<GrpcClient>(std::move(peers));
}

std::unique_ptr<CoordinatorClient> MakeGrpcClient(std::shared_ptr<grpc::Channel> channel) {
  std::vector<GrpcClient::Peer> peers;
  auto stub = v1::FleetService::NewStub(channel);
  peers.push_back({"in process", std::move(channel), std::move(stub)});
  return std::make_unique<GrpcClient>(std::move(peers));
}

}  // namespace portolan
