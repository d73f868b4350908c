#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/base/interrupts.h"
#include "cli/base/notes.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/status.h"
#include "portolan/v1/monitor_service.grpc.pb.h"
#include "portolan/v1/scan_service.grpc.pb.h"

namespace portolan {

// Gives a call at most `timeout` from when it is made, on gRPC's own clock.
void SetTimeout(grpc::ClientContext& context, Duration timeout);

struct ApiClientOptions {
  std::string coordinator;  // as the user wrote it, for messages; empty: in process
  // How long waiting calls ride out a coordinator that has gone, from its last sign of life.
  Duration reconnect_timeout = std::chrono::minutes(5);
  // Waits; true: interrupted. Tests move a fake clock here.
  std::function<bool(Duration)> wait;
  // The same, at most until the channel is connected. Null: `wait` does.
  std::function<bool(grpc::Channel&, Duration)> wait_connected;
};

// Calls of ScanService and MonitorService from one thread. An interrupt ends the call that is under
// way with Aborted ("interrupted"). No call ends with Cancelled: that is kept for an output whose
// reader has gone.
class ApiClient {
 public:
  using Stub = v1::ScanService::Stub;
  using Monitors = v1::MonitorService::Stub;

  ApiClient(std::shared_ptr<grpc::Channel> channel, ApiClientOptions options,
            Interrupts& interrupts, Notes& notes, const Clock& clock);

  // One call, at most `deadline`. Unavailable names the coordinator and the remedy.
  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Service::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                const Request& request,
                                Duration deadline = std::chrono::seconds(30)) {
    const auto context = NewContext(deadline);
    Interrupts::Guard guard(interrupts_, [context] { context->TryCancel(); });
    Response response;
    const absl::Status status =
        Explain((StubOf(method).*method)(context.get(), request, &response));
    if (!status.ok()) return status;
    return response;
  }
  // The same, again while the coordinator is away. Only for calls that may be repeated.
  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> CallPatiently(grpc::Status (Service::*method)(grpc::ClientContext*,
                                                                         const Request&, Response*),
                                         const Request& request) {
    Patience patience(*this);
    while (true) {
      absl::StatusOr<Response> response = Call(method, request);
      if (response.ok()) {
        patience.Good();
        return response;
      }
      PORTOLAN_RETURN_IF_ERROR(patience.Bad(response.status()));
    }
  }

  // Creates a scan, however long its names take; `progress` gets how many of them have been looked
  // up, of how many. Repeats the call while the coordinator is away. An error may carry details, a
  // v1::TargetProblems (see DetailsOf). Aborted: interrupted before there was a scan.
  absl::StatusOr<v1::Scan> CreateScan(
      const v1::CreateScanRequest& request,
      const std::function<void(uint64_t done, uint64_t total)>& progress);

  // Follows a scan until it has finished, through restarts of the coordinator. `update` gets each
  // state, the last one too; its error ends the watch. `scan_id` must be whole: "last" may become
  // another one.
  absl::StatusOr<v1::Scan> Watch(const std::string& scan_id,
                                 const std::function<absl::Status(const v1::Scan&)>& update);

  // All observations that `request` asks for, page by page, through restarts. No page comes twice.
  absl::Status Observations(
      v1::ListObservationsRequest request,
      const std::function<absl::Status(const v1::ListObservationsResponse&)>& page);

  // Events as they are confirmed, from request.after() on, through restarts; ends with `event`'s
  // error only, or for good when the coordinator is. No event comes twice.
  absl::Status FollowEvents(v1::ListEventsRequest request,
                            const std::function<absl::Status(const v1::ExposureEvent&)>& event);

 private:
  template <typename Request, typename Response>
  Stub& StubOf(grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*)) {
    return *stub_;
  }
  template <typename Request, typename Response>
  Monitors& StubOf(grpc::Status (Monitors::*)(grpc::ClientContext*, const Request&, Response*)) {
    return *monitors_;
  }

  // Counts how long the coordinator has been away, and waits between tries.
  class Patience {
   public:
    // `meanwhile`: what goes on, or does not, without this program; for the note.
    explicit Patience(ApiClient& client,
                      std::string meanwhile = "the scan itself goes on without this program")
        : client_(client), meanwhile_(std::move(meanwhile)) {}
    void Good();
    bool waiting() const { return since_ != kNever; }
    // OK: try again now. Else the status to give up with.
    absl::Status Bad(const absl::Status& status);

   private:
    // Before the next try, at most `limit`; true: interrupted.
    bool Wait(Duration limit);

    ApiClient& client_;
    const std::string meanwhile_;
    Time since_ = kNever;  // of the first failure after the last success
    Duration next_wait_{};
  };

  std::shared_ptr<grpc::ClientContext> NewContext(std::optional<Duration> deadline) const;
  // Who answers: in local mode there is no coordinator that people know of.
  std::string Who() const;
  absl::Status Explain(const grpc::Status& status) const;

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stub> stub_;
  const std::unique_ptr<Monitors> monitors_;
  const ApiClientOptions options_;
  Interrupts& interrupts_;
  Notes& notes_;
  const Clock& clock_;
};

}  // namespace portolan
