#include "coordinator/service/fleet_service.h"

#include <memory>
#include <utility>

#include "common/base/clock.h"
#include "common/rpc/identity.h"
#include "coordinator/service/fleet_convert.h"
#include "coordinator/service/report_reactor.h"
#include "coordinator/service/unary_call.h"

namespace portolan {

grpc::ServerUnaryReactor* FleetService::Synchronize(grpc::CallbackServerContext* context,
                                                    const v1::SynchronizeRequest* request,
                                                    v1::SynchronizeResponse* response) {
  const PeerIdentity peer = IdentifyPeer(*context);
  if (absl::Status s = MayCallFleet(peer, request->agent().name()); !s.ok())
    return RefuseUnary(context, s);
  absl::StatusOr<AgentCall> converted = FromProto(*request, context->peer(), SystemClock().Wall());
  if (!converted.ok()) return RefuseUnary(context, converted.status());
  converted->details.certificate = peer.certificate;

  auto call = UnaryCall<v1::SynchronizeResponse>::Make(response);
  const uint64_t id = control_.NextCallId();
  call->set_on_cancel(
      [this, id, name = converted->report.name] { control_.CancelSynchronize(name, id); });
  grpc::ServerUnaryReactor* reactor = call.get();
  control_.Synchronize(id, *std::move(converted), [this, call](absl::StatusOr<SyncAnswer> answer) {
    if (!answer.ok()) return call->Fail(answer.status());
    if (!IsLarge(*answer))
      return call->Succeed([&](v1::SynchronizeResponse* out) { ToProto(*answer, out); });
    // A scan of many separate ranges takes long to convert: not on the control thread, unless there
    // is no other.
    auto shared = std::make_shared<SyncAnswer>(*std::move(answer));
    const auto convert = [call, shared] {
      call->Succeed([&](v1::SynchronizeResponse* out) { ToProto(*shared, out); });
    };
    if (!control_.PostRead(convert)) convert();
  });
  return reactor;
}

grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>* FleetService::Report(
    grpc::CallbackServerContext* context) {
  return ReportReactor::Start(control_, IdentifyPeer(*context));
}

}  // namespace portolan
