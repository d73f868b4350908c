#pragma once

#include <string>

#include "coordinator/control/control.h"
#include "portolan/v1/scan_service.grpc.pb.h"

namespace portolan {

// What operators call. Converts, validates, posts, finishes. Borrows the control.
class ScanService final : public v1::ScanService::CallbackService {
 public:
  // `version`: of this program, for GetServerInfo.
  ScanService(Control& control, std::string version)
      : control_(control), version_(std::move(version)) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  Unary* CreateScan(Context* context, const v1::CreateScanRequest* request,
                    v1::Scan* response) override;
  grpc::ServerWriteReactor<v1::CreateScanProgress>* CreateScanWithProgress(
      Context* context, const v1::CreateScanRequest* request) override;
  Unary* GetScan(Context* context, const v1::GetScanRequest* request, v1::Scan* response) override;
  Unary* ListScans(Context* context, const v1::ListScansRequest* request,
                   v1::ListScansResponse* response) override;
  Unary* CancelScan(Context* context, const v1::CancelScanRequest* request,
                    v1::Scan* response) override;
  Unary* PauseScan(Context* context, const v1::PauseScanRequest* request,
                   v1::Scan* response) override;
  Unary* ResumeScan(Context* context, const v1::ResumeScanRequest* request,
                    v1::Scan* response) override;
  Unary* ExcludeFromScan(Context* context, const v1::ExcludeFromScanRequest* request,
                         v1::Scan* response) override;
  Unary* DeleteScan(Context* context, const v1::DeleteScanRequest* request,
                    v1::DeleteScanResponse* response) override;
  grpc::ServerWriteReactor<v1::Scan>* WatchScan(Context* context,
                                                const v1::WatchScanRequest* request) override;
  Unary* ListObservations(Context* context, const v1::ListObservationsRequest* request,
                          v1::ListObservationsResponse* response) override;
  Unary* ListHostFindings(Context* context, const v1::ListHostFindingsRequest* request,
                          v1::ListHostFindingsResponse* response) override;
  grpc::ServerWriteReactor<v1::ListObservationsResponse>* StreamObservations(
      Context* context, const v1::ListObservationsRequest* request) override;
  Unary* ListAgents(Context* context, const v1::ListAgentsRequest* request,
                    v1::ListAgentsResponse* response) override;
  Unary* DrainAgent(Context* context, const v1::DrainAgentRequest* request,
                    v1::Agent* response) override;
  Unary* ListLanes(Context* context, const v1::ListLanesRequest* request,
                   v1::ListLanesResponse* response) override;
  Unary* ListLeases(Context* context, const v1::ListLeasesRequest* request,
                    v1::ListLeasesResponse* response) override;
  Unary* GetServerInfo(Context* context, const v1::GetServerInfoRequest* request,
                       v1::ServerInfo* response) override;

  Unary* Change(Context* context, const std::string& ref, Control::Verb verb, v1::Scan* response);

  Control& control_;
  const std::string version_;
};

}  // namespace portolan
