#pragma once

#include "coordinator/control/control.h"
#include "portolan/v1/fleet_service.grpc.pb.h"

namespace portolan {

// What agents call. Converts, validates, posts to the control thread, finishes. Borrows the
// control.
class FleetService final : public v1::FleetService::CallbackService {
 public:
  explicit FleetService(Control& control) : control_(control) {}

 private:
  grpc::ServerUnaryReactor* Synchronize(grpc::CallbackServerContext* context,
                                        const v1::SynchronizeRequest* request,
                                        v1::SynchronizeResponse* response) override;
  grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>* Report(
      grpc::CallbackServerContext* context) override;

  Control& control_;
};

}  // namespace portolan
