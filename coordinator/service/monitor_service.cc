#include "coordinator/service/monitor_service.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/rpc/identity.h"
#include "coordinator/service/event_stream.h"
#include "coordinator/service/monitor_convert.h"
#include "coordinator/service/unary_call.h"

namespace portolan {
namespace {

constexpr size_t kMaxExplainTarget = 255;  // a name of DNS
// Monitors whose rules are named in one explanation: more than this look at one port by mistake.
constexpr size_t kMaxExplainSpecs = 16;

absl::Status CheckMonitorCaller(grpc::CallbackServerContext* context) {
  return MayCallMonitors(IdentifyPeer(*context));
}

absl::Status CheckCall(grpc::CallbackServerContext* context, const std::string& name) {
  PORTOLAN_RETURN_IF_ERROR(CheckMonitorCaller(context));
  return CheckMonitorName("name", name, true);
}

// An answer that is the monitor as it is then.
std::function<void(absl::StatusOr<MonitorStatus>)> AnswerMonitor(
    std::shared_ptr<UnaryCall<v1::Monitor>> call, const Clock& clock) {
  return AnswerTo<v1::Monitor, MonitorStatus>(
      std::move(call),
      [&clock](const MonitorStatus& s, v1::Monitor* out) { ToProto(s, clock.Wall(), out); });
}

// An explanation on its way: the specs of its monitors are asked for one after the other, so that
// the rules that decide can be named with owner and reason.
struct ExplainCall : std::enable_shared_from_this<ExplainCall> {
  Monitoring* monitoring = nullptr;
  std::shared_ptr<UnaryCall<v1::ExplainResponse>> call;
  Explanation explanation;
  std::vector<MonitorSpec> specs;
  size_t next = 0;  // row

  void Go() {
    if (next < std::min(explanation.rows.size(), kMaxExplainSpecs)) {
      const std::string name = explanation.rows[next++].monitor;
      monitoring->Get(name, [self = shared_from_this()](absl::StatusOr<MonitorStatus> status) {
        // It was deleted meanwhile, or cannot be had now: then without its rules.
        if (status.ok()) self->specs.push_back(std::move(status->spec));
        self->Go();
      });
      return;
    }
    call->Succeed([&](v1::ExplainResponse* out) { ToProto(explanation, specs, out); });
  }
};

}  // namespace

grpc::ServerUnaryReactor* MonitorService::ApplyMonitors(Context* context,
                                                        const v1::ApplyMonitorsRequest* request,
                                                        v1::ApplyMonitorsResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  absl::StatusOr<std::vector<MonitorDocument>> documents = FromProto(*request);
  if (!documents.ok()) return RefuseUnary(context, documents.status());
  auto call = UnaryCall<v1::ApplyMonitorsResponse>::Make(response);
  using Results = std::vector<ApplyResult>;
  monitoring_.Apply(*std::move(documents), request->dry_run(), request->prune(), /*manager=*/"",
                    AnswerTo<v1::ApplyMonitorsResponse, Results>(
                        call, [](const Results& results, v1::ApplyMonitorsResponse* out) {
                          for (const ApplyResult& r : results) ToProto(r, out->add_results());
                        }));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::ListMonitors(Context* context,
                                                       const v1::ListMonitorsRequest*,
                                                       v1::ListMonitorsResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::ListMonitorsResponse>::Make(response);
  using List = std::vector<MonitorStatus>;
  monitoring_.List(AnswerTo<v1::ListMonitorsResponse, List>(
      call, [this](const List& list, v1::ListMonitorsResponse* out) {
        const WallTime now = clock_.Wall();
        for (const MonitorStatus& s : list) ToProto(s, now, out->add_monitors());
      }));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::GetMonitor(Context* context,
                                                     const v1::GetMonitorRequest* request,
                                                     v1::Monitor* response) {
  if (absl::Status s = CheckCall(context, request->name()); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::Monitor>::Make(response);
  monitoring_.Get(request->name(), AnswerMonitor(call, clock_));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::PauseMonitor(Context* context,
                                                       const v1::PauseMonitorRequest* request,
                                                       v1::Monitor* response) {
  if (absl::Status s = CheckCall(context, request->name()); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::Monitor>::Make(response);
  monitoring_.Pause(request->name(), request->undo(), AnswerMonitor(call, clock_));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::RunMonitor(Context* context,
                                                     const v1::RunMonitorRequest* request,
                                                     v1::Monitor* response) {
  if (absl::Status s = CheckCall(context, request->name()); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::Monitor>::Make(response);
  monitoring_.RunNow(request->name(), AnswerMonitor(call, clock_));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::AcceptNextRun(Context* context,
                                                        const v1::AcceptNextRunRequest* request,
                                                        v1::Monitor* response) {
  if (absl::Status s = CheckCall(context, request->name()); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckVantageFilter(request->vantage()); !s.ok())
    return RefuseUnary(context, s);
  auto call = UnaryCall<v1::Monitor>::Make(response);
  monitoring_.AcceptNextRun(request->name(), request->vantage(), AnswerMonitor(call, clock_));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::DeleteMonitor(Context* context,
                                                        const v1::DeleteMonitorRequest* request,
                                                        v1::DeleteMonitorResponse* response) {
  if (absl::Status s = CheckCall(context, request->name()); !s.ok()) return RefuseUnary(context, s);
  auto call = UnaryCall<v1::DeleteMonitorResponse>::Make(response);
  monitoring_.Delete(request->name(),
                     AnswerTo<v1::DeleteMonitorResponse, std::string>(
                         call, [](const std::string&, v1::DeleteMonitorResponse*) {}));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::ListExposure(Context* context,
                                                       const v1::ListExposureRequest* request,
                                                       v1::ListExposureResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  absl::StatusOr<ExposureQuery> query = FromProto(*request);
  if (!query.ok()) return RefuseUnary(context, query.status());
  auto call = UnaryCall<v1::ListExposureResponse>::Make(response);
  monitoring_.Exposure(*std::move(query),
                       AnswerTo<v1::ListExposureResponse, ExposurePage>(
                           call, [](const ExposurePage& page, v1::ListExposureResponse* out) {
                             for (const ExposureRow& row : page.rows)
                               ToProto(row, out->add_exposures());
                             out->set_next_page_token(page.next_page_token);
                           }));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::ListEvents(Context* context,
                                                     const v1::ListEventsRequest* request,
                                                     v1::ListEventsResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  absl::StatusOr<EventQuery> query = FromProto(*request);
  if (!query.ok()) return RefuseUnary(context, query.status());
  auto call = UnaryCall<v1::ListEventsResponse>::Make(response);
  monitoring_.Events(*std::move(query),
                     AnswerTo<v1::ListEventsResponse, EventPage>(
                         call, [](const EventPage& page, v1::ListEventsResponse* out) {
                           for (const StoredEvent& e : page.events) ToProto(e, out->add_events());
                           out->set_more(page.more);
                         }));
  return call.get();
}

grpc::ServerWriteReactor<v1::ExposureEvent>* MonitorService::FollowEvents(
    Context* context, const v1::ListEventsRequest* request) {
  using Refused = RefusedStream<v1::ExposureEvent>;
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return new Refused(s);
  absl::StatusOr<EventQuery> query = FromProto(*request);
  if (!query.ok()) return new Refused(query.status());
  return EventStream::Start(monitoring_, *std::move(query));
}

grpc::ServerUnaryReactor* MonitorService::ListFindings(Context* context,
                                                       const v1::ListFindingsRequest* request,
                                                       v1::ListFindingsResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  absl::StatusOr<FindingQuery> query = FromProto(*request);
  if (!query.ok()) return RefuseUnary(context, query.status());
  auto call = UnaryCall<v1::ListFindingsResponse>::Make(response);
  monitoring_.Findings(*std::move(query),
                       AnswerTo<v1::ListFindingsResponse, FindingList>(
                           call, [](const FindingList& list, v1::ListFindingsResponse* out) {
                             ToProto(list, out);
                           }));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::Explain(Context* context,
                                                  const v1::ExplainRequest* request,
                                                  v1::ExplainResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (request->target().empty() || request->target().size() > kMaxExplainTarget) {
    return RefuseUnary(
        context,
        InvalidArgument("target: {} characters; give one address, or a name as the monitor "
                        "has it, of at most {}",
                        request->target().size(), kMaxExplainTarget));
  }
  if (request->port() > 65535)
    return RefuseUnary(context, InvalidArgument("port {}: give 0 to 65535", request->port()));
  if (absl::Status s = CheckMonitorName("monitor", request->monitor(), false); !s.ok())
    return RefuseUnary(context, s);
  auto state = std::make_shared<ExplainCall>();
  state->monitoring = &monitoring_;
  state->call = UnaryCall<v1::ExplainResponse>::Make(response);
  grpc::ServerUnaryReactor* reactor = state->call.get();
  monitoring_.Explain(request->target(), static_cast<uint16_t>(request->port()), request->monitor(),
                      [state](absl::StatusOr<Explanation> explanation) {
                        if (!explanation.ok()) return state->call->Fail(explanation.status());
                        state->explanation = *std::move(explanation);
                        state->Go();
                      });
  return reactor;
}

grpc::ServerUnaryReactor* MonitorService::ListDeadLetters(Context* context,
                                                          const v1::ListDeadLettersRequest* request,
                                                          v1::ListDeadLettersResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckReceiverName(request->receiver(), false); !s.ok())
    return RefuseUnary(context, s);
  auto call = UnaryCall<v1::ListDeadLettersResponse>::Make(response);
  using Letters = std::vector<DeadLetter>;
  monitoring_.ListDeadLetters(request->receiver(),
                              AnswerTo<v1::ListDeadLettersResponse, Letters>(
                                  call, [](const Letters& list, v1::ListDeadLettersResponse* out) {
                                    for (const DeadLetter& d : list)
                                      ToProto(d, out->add_dead_letters());
                                  }));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::SettleDeadLetters(
    Context* context, const v1::SettleDeadLettersRequest* request,
    v1::SettleDeadLettersResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckReceiverName(request->receiver(), false); !s.ok())
    return RefuseUnary(context, s);
  if (request->number() < 0)
    return RefuseUnary(context, InvalidArgument("number {}: give one that ListDeadLetters shows, "
                                                "or 0 for all of them",
                                                request->number()));
  auto call = UnaryCall<v1::SettleDeadLettersResponse>::Make(response);
  monitoring_.SettleDeadLetters(
      request->receiver(), request->number(), request->drop(),
      AnswerTo<v1::SettleDeadLettersResponse, uint64_t>(
          call, [](uint64_t n, v1::SettleDeadLettersResponse* out) { out->set_settled(n); }));
  return call.get();
}

grpc::ServerUnaryReactor* MonitorService::TestReceiver(Context* context,
                                                       const v1::TestReceiverRequest* request,
                                                       v1::TestReceiverResponse* response) {
  if (absl::Status s = CheckMonitorCaller(context); !s.ok()) return RefuseUnary(context, s);
  if (absl::Status s = CheckReceiverName(request->receiver(), true); !s.ok())
    return RefuseUnary(context, s);
  auto call = UnaryCall<v1::TestReceiverResponse>::Make(response);
  monitoring_.TestReceiver(request->receiver(),
                           AnswerTo<v1::TestReceiverResponse, std::string>(
                               call, [](const std::string& id, v1::TestReceiverResponse* out) {
                                 out->set_notification_id(id);
                               }));
  return call.get();
}

}  // namespace portolan
