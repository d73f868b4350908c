#pragma once

#include <string>

#include "common/base/clock.h"
#include "coordinator/monitoring/monitoring.h"
#include "portolan/v1/monitor_service.grpc.pb.h"

namespace portolan {

// Monitors and what they found, for operators. Converts, validates, posts, finishes. Borrows both;
// the server must have ended its calls before the monitoring is destroyed.
class MonitorService final : public v1::MonitorService::CallbackService {
 public:
  MonitorService(Monitoring& monitoring, const Clock& clock)
      : monitoring_(monitoring), clock_(clock) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  Unary* ApplyMonitors(Context* context, const v1::ApplyMonitorsRequest* request,
                       v1::ApplyMonitorsResponse* response) override;
  Unary* ListMonitors(Context* context, const v1::ListMonitorsRequest* request,
                      v1::ListMonitorsResponse* response) override;
  Unary* GetMonitor(Context* context, const v1::GetMonitorRequest* request,
                    v1::Monitor* response) override;
  Unary* PauseMonitor(Context* context, const v1::PauseMonitorRequest* request,
                      v1::Monitor* response) override;
  Unary* RunMonitor(Context* context, const v1::RunMonitorRequest* request,
                    v1::Monitor* response) override;
  Unary* AcceptNextRun(Context* context, const v1::AcceptNextRunRequest* request,
                       v1::Monitor* response) override;
  Unary* DeleteMonitor(Context* context, const v1::DeleteMonitorRequest* request,
                       v1::DeleteMonitorResponse* response) override;
  Unary* ListExposure(Context* context, const v1::ListExposureRequest* request,
                      v1::ListExposureResponse* response) override;
  Unary* ListEvents(Context* context, const v1::ListEventsRequest* request,
                    v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::ExposureEvent>* FollowEvents(
      Context* context, const v1::ListEventsRequest* request) override;
  Unary* ListFindings(Context* context, const v1::ListFindingsRequest* request,
                      v1::ListFindingsResponse* response) override;
  Unary* Explain(Context* context, const v1::ExplainRequest* request,
                 v1::ExplainResponse* response) override;
  Unary* ListDeadLetters(Context* context, const v1::ListDeadLettersRequest* request,
                         v1::ListDeadLettersResponse* response) override;
  Unary* SettleDeadLetters(Context* context, const v1::SettleDeadLettersRequest* request,
                           v1::SettleDeadLettersResponse* response) override;
  Unary* TestReceiver(Context* context, const v1::TestReceiverRequest* request,
                      v1::TestReceiverResponse* response) override;

  Monitoring& monitoring_;
  const Clock& clock_;
};

}  // namespace portolan
