#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/rpc/channel.h"
#include "portolan/v1/fleet_service.pb.h"

namespace portolan {

// One Report stream. One thread writes, one reads; Cancel from any. Destroy it after both have seen
// the end.
class ReportStream {
 public:
  virtual ~ReportStream() = default;
  virtual bool Write(const v1::ReportRequest& request) = 0;  // false: the stream has ended
  virtual bool Read(v1::ReportResponse* response) = 0;       // false: the stream has ended
  // No more writes. The peer ends the stream when it has answered what it got.
  virtual void WritesDone() = 0;
  virtual void Cancel() = 0;
  // Why it ended. Once, when Write and Read return no more.
  virtual absl::Status Finish() = 0;
};

// The agent's side of FleetService: several coordinators, of which one is called at a time.
// Thread-safe.
class CoordinatorClient {
 public:
  virtual ~CoordinatorClient() = default;

  virtual size_t coordinators() const = 0;              // >= 1
  virtual std::string address(size_t which) const = 0;  // for people

  // Starts a call; `done` is called exactly once, from another thread or before this returns, also
  // after Cancel (status CANCELLED). One call at a time: not before the `done` of the last.
  using Done =
      std::function<void(const absl::Status& status, const v1::SynchronizeResponse& response)>;
  virtual void Synchronize(size_t which, const v1::SynchronizeRequest& request, Duration deadline,
                           Done done) = 0;
  virtual void CancelSynchronize() = 0;

  virtual std::unique_ptr<ReportStream> OpenReport(size_t which) = 0;

  // Makes new connections for the calls that follow, and ends the report streams that are open, so
  // that the coordinator sees the certificate that is in use now: gRPC presents it only when it
  // connects. A Synchronize call that is under way goes on. Any thread.
  virtual void Reconnect() {}
};

// InvalidArgument: a bad HOST:PORT or bad TLS files. While a coordinator does not answer, a thread
// of the client connects to it (ConnectionPoller).
absl::StatusOr<std::unique_ptr<CoordinatorClient>> MakeGrpcClient(
    const std::vector<std::string>& coordinators, const TlsFiles& tls);
// For a coordinator in the same process.
std::unique_ptr<CoordinatorClient> MakeGrpcClient(std::shared_ptr<grpc::Channel> channel);

}  // namespace portolan
