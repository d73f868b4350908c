#include "coordinator/service/scan_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/net/literal.h"
#include "common/rpc/identity.h"
#include "common/rpc/status.h"
#include "coordinator/service/scan_convert.h"
#include "coordinator/service/scan_streams.h"
#include "coordinator/service/unary_call.h"

namespace portolan {
namespace {

constexpr uint32_t kDefaultScanPage = 100, kMaxScanPage = 1000;
constexpr uint32_t kDefaultResultPage = 500, kMaxResultPage = 2000;
constexpr uint32_t kDefaultFindingPage = 200, kMaxFindingPage = 1000;
constexpr size_t kMaxRequestId = 64;
constexpr size_t kMaxPageToken = 4096;
constexpr size_t kMaxRef = 200;  // as long as a name
// Of a status, in a header. Clients of gRPC take 8 KiB of headers unless they are told otherwise,
// and details are encoded on their way.
constexpr size_t kUsualDetails = 2'000;
constexpr uint32_t kMostDetails = 40'000;

absl::Status CheckScanCaller(grpc::CallbackServerContext* context) {
  return MayCallScans(IdentifyPeer(*context));
}

absl::Status CheckRef(const std::string& ref) {
  if (ref.empty())
    return InvalidArgument(
        "scan_id: empty; give an id, the beginning of one, a scan's name, or \"last\"");
  if (ref.size() > kMaxRef)
    return InvalidArgument("scan_id: {} bytes; an id has 10, a name at most {}", ref.size(),
                           kMaxRef);
  return absl::OkStatus();
}

absl::StatusOr<CreateCall> CallOf(const v1::CreateScanRequest& request, uint64_t id) {
  if (request.request_id().size() > kMaxRequestId) {
    return InvalidArgument("request_id: {} characters; at most {} are allowed",
                           request.request_id().size(), kMaxRequestId);
  }
  CreateCall call;
  call.id = id;
  PORTOLAN_ASSIGN_OR_RETURN(call.request, FromProto(request.spec()));
  call.key = request.request_id();
  if (!call.key.empty()) call.digest = DigestOf(request.spec());
  return call;
}

// How many bytes of details a caller takes: what it says, up to our own limit on headers.
size_t DetailsRoom(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find(kDetailsRoomHeader);
  uint32_t room = 0;
  if (it == metadata.end() ||
      !literal::ParseNumber({it->second.data(), it->second.size()}, kMostDetails, &room))
    return kUsualDetails;
  return room;
}

void FillScan(const ScanStatus& status, v1::Scan* out) { ToProto(status, out); }

}  // namespace

grpc::ServerUnaryReactor* ScanService::CreateScan(Context* context,
                                                  const v1::CreateScanRequest* request,
                                                  v1::Scan* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  absl::StatusOr<CreateCall> create = CallOf(*request, control_.NextCallId());
  if (!create.ok()) return RefuseUnary(context, create.status());
  auto call = UnaryCall<v1::Scan>::Make(response);
  const uint64_t id = create->id;
  call->set_on_cancel([this, id] { control_.AbandonCreate(id); });
  create->done = [call, room = DetailsRoom(*context)](absl::StatusOr<ScanStatus> scan) {
    if (!scan.ok()) return call->Fail(WithProblems(scan.status(), room));
    call->Succeed([&](v1::Scan* out) { ToProto(*scan, out); });
  };
  control_.CreateScan(*std::move(create));
  return call.get();
}

grpc::ServerWriteReactor<v1::CreateScanProgress>* ScanService::CreateScanWithProgress(
    Context* context, const v1::CreateScanRequest* request) {
  using Refused = RefusedStream<v1::CreateScanProgress>;
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return new Refused(s);
  absl::StatusOr<CreateCall> create = CallOf(*request, control_.NextCallId());
  if (!create.ok()) return new Refused(create.status());
  return CreateReactor::Start(control_, *std::move(create), DetailsRoom(*context));
}

grpc::ServerUnaryReactor* ScanService::GetScan(Context* context, const v1::GetScanRequest* request,
                                               v1::Scan* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::Scan>::Make(response);
  control_.GetScan(request->scan_id(), AnswerTo<v1::Scan, ScanStatus>(call, FillScan));
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::ListScans(Context* context,
                                                 const v1::ListScansRequest* request,
                                                 v1::ListScansResponse* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (request->page_size() > kMaxScanPage) {
    return RefuseUnary(
        context, InvalidArgument("page_size {}: give 1 to {}, or 0 for {}", request->page_size(),
                                 kMaxScanPage, kDefaultScanPage));
  }
  if (request->page_token().size() > kMaxRef)
    return RefuseUnary(context, InvalidArgument("page_token: not one of ListScans"));
  auto call = UnaryCall<v1::ListScansResponse>::Make(response);
  control_.ListScans(request->page_size() == 0 ? kDefaultScanPage : request->page_size(),
                     request->page_token(),
                     AnswerTo<v1::ListScansResponse, Control::ScanList>(
                         call, [](const Control::ScanList& list, v1::ListScansResponse* out) {
                           for (const ScanStatus& s : list.scans) ToProto(s, out->add_scans());
                           out->set_next_page_token(list.next);
                         }));
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::Change(Context* context, const std::string& ref,
                                              Control::Verb verb, v1::Scan* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckRef(ref); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::Scan>::Make(response);
  control_.ChangeScan(ref, verb, AnswerTo<v1::Scan, ScanStatus>(call, FillScan));
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::CancelScan(Context* context,
                                                  const v1::CancelScanRequest* request,
                                                  v1::Scan* response) {
  return Change(context, request->scan_id(), Control::Verb::kCancel, response);
}

grpc::ServerUnaryReactor* ScanService::PauseScan(Context* context,
                                                 const v1::PauseScanRequest* request,
                                                 v1::Scan* response) {
  return Change(context, request->scan_id(), Control::Verb::kPause, response);
}

grpc::ServerUnaryReactor* ScanService::ResumeScan(Context* context,
                                                  const v1::ResumeScanRequest* request,
                                                  v1::Scan* response) {
  return Change(context, request->scan_id(), Control::Verb::kResume, response);
}

grpc::ServerUnaryReactor* ScanService::ExcludeFromScan(Context* context,
                                                       const v1::ExcludeFromScanRequest* request,
                                                       v1::Scan* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return RefuseUnary(context, s);
  const size_t room = DetailsRoom(*context);
  absl::StatusOr<ExclusionRequest> rules = FromProto(*request);
  if (!rules.ok()) return RefuseUnary(context, WithProblems(rules.status(), room));
  auto call = UnaryCall<v1::Scan>::Make(response);
  control_.Exclude(request->scan_id(), *std::move(rules),
                   [call, room](absl::StatusOr<ScanStatus> scan) {
                     if (!scan.ok()) return call->Fail(WithProblems(scan.status(), room));
                     call->Succeed([&](v1::Scan* out) { ToProto(*scan, out); });
                   });
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::DeleteScan(Context* context,
                                                  const v1::DeleteScanRequest* request,
                                                  v1::DeleteScanResponse* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::DeleteScanResponse>::Make(response);
  control_.DeleteScan(request->scan_id(), AnswerTo<v1::DeleteScanResponse, ScanId>(
                                              call, [](const ScanId&, v1::DeleteScanResponse*) {}));
  return call.get();
}

grpc::ServerWriteReactor<v1::Scan>* ScanService::WatchScan(Context* context,
                                                           const v1::WatchScanRequest* request) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return new RefusedStream<v1::Scan>(s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return new RefusedStream<v1::Scan>(s);
  return WatchReactor::Start(control_, request->scan_id());
}

grpc::ServerUnaryReactor* ScanService::ListObservations(Context* context,
                                                        const v1::ListObservationsRequest* request,
                                                        v1::ListObservationsResponse* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return RefuseUnary(context, s);
  if (request->page_size() > kMaxResultPage) {
    return RefuseUnary(
        context, InvalidArgument("page_size {}: give 1 to {}, or 0 for {}", request->page_size(),
                                 kMaxResultPage, kDefaultResultPage));
  }
  if (request->page_token().size() > kMaxPageToken)
    return RefuseUnary(context, InvalidArgument("page_token: not one of ListObservations"));
  absl::StatusOr<Control::ResultRequest> query =
      FromProto(*request, request->page_size() == 0 ? kDefaultResultPage : request->page_size());
  if (!query.ok()) return RefuseUnary(context, query.status());
  auto call = UnaryCall<v1::ListObservationsResponse>::Make(response);
  control_.OpenResults(
      request->scan_id(), *std::move(query),
      [this, call, token = request->page_token()](absl::StatusOr<Control::ResultSource> source) {
        if (!source.ok()) return call->Fail(source.status());
        control_.ReadPage(std::make_shared<const Control::ResultSource>(*std::move(source)), token,
                          AnswerTo<v1::ListObservationsResponse, ResultPage>(
                              call, [](const ResultPage& page, v1::ListObservationsResponse* out) {
                                ToProto(page, out);
                              }));
      });
  return call.get();
}

grpc::ServerWriteReactor<v1::ListObservationsResponse>* ScanService::StreamObservations(
    Context* context, const v1::ListObservationsRequest* request) {
  using Refused = RefusedStream<v1::ListObservationsResponse>;
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return new Refused(s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return new Refused(s);
  if (request->page_token().size() > kMaxPageToken)
    return new Refused(InvalidArgument("page_token: not one of this call"));
  absl::StatusOr<Control::ResultRequest> query = FromProto(*request, kMaxResultPage);
  if (!query.ok()) return new Refused(query.status());
  return ObservationReactor::Start(control_, request->scan_id(), *std::move(query),
                                   request->page_token());
}

grpc::ServerUnaryReactor* ScanService::ListHostFindings(Context* context,
                                                        const v1::ListHostFindingsRequest* request,
                                                        v1::ListHostFindingsResponse* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return RefuseUnary(context, s);
  if (request->page_size() > kMaxFindingPage) {
    return RefuseUnary(
        context, InvalidArgument("page_size {}: give 1 to {}, or 0 for {}", request->page_size(),
                                 kMaxFindingPage, kDefaultFindingPage));
  }
  if (request->page_token().size() > kMaxPageToken)
    return RefuseUnary(context, InvalidArgument("page_token: not one of ListHostFindings"));
  absl::StatusOr<Control::ResultRequest> query =
      FromProto(*request, request->page_size() == 0 ? kDefaultFindingPage : request->page_size());
  if (!query.ok()) return RefuseUnary(context, query.status());
  auto call = UnaryCall<v1::ListHostFindingsResponse>::Make(response);
  control_.OpenResults(
      request->scan_id(), *std::move(query),
      [this, call, token = request->page_token()](absl::StatusOr<Control::ResultSource> source) {
        if (!source.ok()) return call->Fail(source.status());
        control_.ReadFindings(
            std::make_shared<const Control::ResultSource>(*std::move(source)), token,
            AnswerTo<v1::ListHostFindingsResponse, FindingRows>(
                call, [](const FindingRows& rows, v1::ListHostFindingsResponse* out) {
                  ToProto(rows, out);
                }));
      });
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::ListAgents(Context* context, const v1::ListAgentsRequest*,
                                                  v1::ListAgentsResponse* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::ListAgentsResponse>::Make(response);
  using Agents = std::vector<AgentStatus>;
  control_.ListAgents(AnswerTo<v1::ListAgentsResponse, Agents>(
      call, [](const Agents& agents, v1::ListAgentsResponse* out) {
        for (const AgentStatus& a : agents) ToProto(a, out->add_agents());
      }));
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::DrainAgent(Context* context,
                                                  const v1::DrainAgentRequest* request,
                                                  v1::Agent* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckName("name", request->name(), kMaxAgentName); !s.ok())
    return RefuseUnary(context, s);
  auto call = UnaryCall<v1::Agent>::Make(response);
  control_.DrainAgent(request->name(), request->undo(),
                      AnswerTo<v1::Agent, AgentStatus>(
                          call, [](const AgentStatus& a, v1::Agent* out) { ToProto(a, out); }));
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::ListLanes(Context* context,
                                                 const v1::ListLanesRequest* request,
                                                 v1::ListLanesResponse* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckRef(request->scan_id()); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::ListLanesResponse>::Make(response);
  control_.GetScan(request->scan_id(),
                   AnswerTo<v1::ListLanesResponse, ScanStatus>(
                       call, [](const ScanStatus& scan, v1::ListLanesResponse* out) {
                         for (const LaneStatus& lane : scan.lanes)
                           ToProto(lane, scan.spec->space.get(), out->add_lanes());
                       }));
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::ListLeases(Context* context,
                                                  const v1::ListLeasesRequest* request,
                                                  v1::ListLeasesResponse* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (request->scan_id().size() > kMaxRef)
    return RefuseUnary(context, CheckRef(request->scan_id()));
  if (request->agent().size() > kMaxAgentName)
    return RefuseUnary(context, CheckName("agent", request->agent(), kMaxAgentName));
  auto call = UnaryCall<v1::ListLeasesResponse>::Make(response);
  using Leases = std::vector<Control::LeaseStatus>;
  control_.ListLeases(request->scan_id(), request->agent(),
                      AnswerTo<v1::ListLeasesResponse, Leases>(
                          call, [](const Leases& leases, v1::ListLeasesResponse* out) {
                            for (const Control::LeaseStatus& l : leases)
                              ToProto(l, out->add_leases());
                          }));
  return call.get();
}

grpc::ServerUnaryReactor* ScanService::GetServerInfo(Context* context,
                                                     const v1::GetServerInfoRequest*,
                                                     v1::ServerInfo* response) {
  if (absl::Status s = CheckScanCaller(context); !s.ok()) return RefuseUnary(context, s);
  response->set_version(version_);
  response->set_epoch(control_.epoch());
  response->set_started_unix_us(ToUnixMicros(control_.started()));
  for (const std::string& rule : control_.scope()->Describe()) response->add_scope(rule);
  auto call = UnaryCall<v1::ServerInfo>::Make(response);
  control_.ListVantages(AnswerTo<v1::ServerInfo, std::vector<std::string>>(
      call, [](const std::vector<std::string>& vantages, v1::ServerInfo* out) {
        for (const std::string& v : vantages) out->add_vantages(v);
      }));
  return call.get();
}

}  // namespace portolan
