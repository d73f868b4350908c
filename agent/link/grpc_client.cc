#include <algorithm>
#include <set>
#include <utility>

#include "agent/link/coordinator_client.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/ops/log.h"
#include "common/rpc/connection.h"
#include "common/rpc/status.h"
#include "portolan/v1/fleet_service.grpc.pb.h"

namespace portolan {
namespace {

// Longer than any pause between two tries of a coordinator.
constexpr Duration kKeepConnecting = std::chrono::seconds(30);

struct Peer {
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::FleetService::Stub> stub;
};
using PeerPtr = std::shared_ptr<const Peer>;

PeerPtr MakePeer(std::string address, std::shared_ptr<grpc::Channel> channel) {
  auto stub = v1::FleetService::NewStub(channel);
  return std::make_shared<const Peer>(
      Peer{std::move(address), std::move(channel), std::move(stub)});
}

class GrpcClient final : public CoordinatorClient {
 public:
  // `coordinators` empty: `peers` cannot be dialled again.
  GrpcClient(std::vector<PeerPtr> peers, std::vector<std::string> coordinators, TlsFiles tls)
      : coordinators_(std::move(coordinators)), tls_(std::move(tls)), peers_(std::move(peers)) {
    if (!coordinators_.empty()) poller_ = std::make_unique<ConnectionPoller>(SystemClock());
  }
  ~GrpcClient() override {
    MutexLock lock(mu_);
    if (call_ != nullptr) call_->context.TryCancel();
    while (running_ > 0) idle_.Wait(mu_);
  }

  size_t coordinators() const override {
    MutexLock lock(mu_);
    return peers_.size();
  }
  std::string address(size_t which) const override { return PeerOf(which)->address; }

  void Synchronize(size_t which, const v1::SynchronizeRequest& request, Duration deadline,
                   Done done) override {
    std::vector<PeerPtr> unused;
    Call* call = nullptr;
    {
      MutexLock lock(mu_);
      // Here and not where a call ends: the last reference to a channel must not go in a callback
      // of gRPC.
      for (PeerPtr& peer : retired_) {
        if (peer.use_count() == 1) unused.push_back(std::move(peer));
      }
      std::erase(retired_, nullptr);
      call_ = std::make_unique<Call>();
      call = call_.get();
      call->peer = peers_[which];
      ++running_;
    }
    call->request = request;
    call->done = std::move(done);
    // A time span: gRPC adds it to its own clock.
    call->context.set_deadline(gpr_time_from_nanos(deadline.count(), GPR_TIMESPAN));
    call->peer->stub->async()->Synchronize(&call->context, &call->request, &call->response,
                                           [this](const grpc::Status& status) { OnDone(status); });
  }

  void CancelSynchronize() override {
    MutexLock lock(mu_);
    if (call_ != nullptr) call_->context.TryCancel();
  }

  std::unique_ptr<ReportStream> OpenReport(size_t which) override {
    return std::make_unique<Stream>(*this, PeerOf(which));
  }

  void Reconnect() override {
    std::vector<PeerPtr> fresh;
    for (const std::string& address : coordinators_) {
      absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = Dial(address, tls_);
      if (!channel.ok()) {
        Log(LogLevel::kError, "coordinator cannot be dialled again; the connection stays",
            {{"coordinator", address}, {"error", std::string(Message(channel.status()))}});
        return;
      }
      fresh.push_back(MakePeer(address, *std::move(channel)));
    }
    if (fresh.empty()) return;
    MutexLock lock(mu_);
    retired_.insert(retired_.end(), std::make_move_iterator(peers_.begin()),
                    std::make_move_iterator(peers_.end()));
    peers_ = std::move(fresh);
    for (ReportStream* stream : streams_) stream->Cancel();
  }

 private:
  class Stream final : public ReportStream {
   public:
    Stream(GrpcClient& client, PeerPtr peer)
        : client_(client), peer_(std::move(peer)), stream_(peer_->stub->Report(&context_)) {
      MutexLock lock(client_.mu_);
      client_.streams_.insert(this);
      // Replaced just now.
      const std::vector<PeerPtr>& peers = client_.peers_;
      if (std::find(peers.begin(), peers.end(), peer_) == peers.end()) Cancel();
    }
    ~Stream() override {
      MutexLock lock(client_.mu_);
      client_.streams_.erase(this);
    }

    bool Write(const v1::ReportRequest& request) override { return stream_->Write(request); }
    bool Read(v1::ReportResponse* response) override { return stream_->Read(response); }
    void WritesDone() override { stream_->WritesDone(); }
    void Cancel() override { context_.TryCancel(); }
    absl::Status Finish() override { return FromGrpc(stream_->Finish()); }

   private:
    GrpcClient& client_;
    const PeerPtr peer_;
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReaderWriter<v1::ReportRequest, v1::ReportResponse>> stream_;
  };

  struct Call {
    PeerPtr peer;
    grpc::ClientContext context;
    v1::SynchronizeRequest request;
    v1::SynchronizeResponse response;
    Done done;
  };

  PeerPtr PeerOf(size_t which) const {
    MutexLock lock(mu_);
    return peers_[which];
  }

  void OnDone(const grpc::Status& status) {
    std::unique_ptr<Call> call;
    {
      MutexLock lock(mu_);
      call = std::move(call_);
    }
    if (poller_ != nullptr && (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                               status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)) {
      poller_->Want(call->peer->channel, kKeepConnecting);
    }
    call->done(FromGrpc(status), call->response);
    // Signalled under the lock: the destructor must not finish between.
    MutexLock lock(mu_);
    // A peer that was replaced meanwhile is in retired_, so this is not the last reference.
    call.reset();
    --running_;
    idle_.NotifyAll();
  }

  // Constant.
  const std::vector<std::string> coordinators_;
  const TlsFiles tls_;

  mutable Mutex mu_;
  CondVar idle_;
  std::vector<PeerPtr> peers_ GUARDED_BY(mu_);
  std::vector<PeerPtr> retired_ GUARDED_BY(mu_);  // replaced, and perhaps still in use
  std::set<ReportStream*> streams_ GUARDED_BY(mu_);
  std::unique_ptr<Call> call_ GUARDED_BY(mu_);
  int running_ GUARDED_BY(mu_) = 0;  // calls whose `done` has not returned

  // Null: in process. Destroyed first: it may hold a channel last.
  std::unique_ptr<ConnectionPoller> poller_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CoordinatorClient>> MakeGrpcClient(
    const std::vector<std::string>& coordinators, const TlsFiles& tls) {
  if (coordinators.empty()) return InvalidArgument("no coordinator: give --coordinator HOST:PORT");
  std::vector<PeerPtr> peers;
  for (const std::string& address : coordinators) {
    PORTOLAN_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(address, tls));
    peers.push_back(MakePeer(address, std::move(channel)));
  }
  return std::make_unique<GrpcClient>(std::move(peers), coordinators, tls);
}

std::unique_ptr<CoordinatorClient> MakeGrpcClient(std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcClient>(
      std::vector<PeerPtr>{MakePeer("in process", std::move(channel))}, std::vector<std::string>(),
      TlsFiles());
}

}  // namespace portolan
