#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "portolan/v1/monitor_service.grpc.pb.h"

namespace portolan {

// A MonitorService that answers as the test has told it to. Set it up before the calls; the
// handlers run on gRPC's threads.
class FakeMonitorService final : public v1::MonitorService::Service {
 public:
  using Context = grpc::ServerContext;
  using Status = grpc::Status;

  std::map<std::string, v1::Monitor> monitors;
  v1::ApplyMonitorsResponse apply;
  std::vector<v1::Exposure> exposures;  // in pages of two
  std::vector<v1::ExposureEvent> events;
  v1::ListFindingsResponse findings;
  v1::ExplainResponse explanation;
  v1::ListDeadLettersResponse dead;
  std::map<std::string, Status> errors;  // by method: what the next call ends with, once
  std::function<void(const std::string& name)> on_get;  // before a monitor is given
  int break_follow_after = -1;  // once: the stream breaks with UNAVAILABLE behind so many

  // What was asked.
  std::vector<std::string> calls;
  v1::ApplyMonitorsRequest applied;
  v1::ListExposureRequest asked_exposure;
  std::vector<std::string> asked_expected;  // of all of them
  std::vector<v1::ListEventsRequest> asked_events;
  v1::ListFindingsRequest asked_findings;
  v1::ExplainRequest asked_explain;
  v1::SettleDeadLettersRequest settled;

  Status ApplyMonitors(Context*, const v1::ApplyMonitorsRequest* r,
                       v1::ApplyMonitorsResponse* out) override {
    applied = *r;
    *out = apply;
    return Begin("ApplyMonitors", "");
  }
  Status ListMonitors(Context*, const v1::ListMonitorsRequest*,
                      v1::ListMonitorsResponse* out) override {
    for (const auto& entry : monitors) *out->add_monitors() = entry.second;
    return Begin("ListMonitors", "");
  }
  Status GetMonitor(Context*, const v1::GetMonitorRequest* r, v1::Monitor* out) override {
    if (on_get) on_get(r->name());
    return Give("GetMonitor", r->name(), out);
  }
  Status PauseMonitor(Context*, const v1::PauseMonitorRequest* r, v1::Monitor* out) override {
    if (monitors.count(r->name()) > 0) monitors[r->name()].set_paused(!r->undo());
    return Give("PauseMonitor", r->name(), out);
  }
  Status RunMonitor(Context*, const v1::RunMonitorRequest* r, v1::Monitor* out) override {
    return Give("RunMonitor", r->name(), out);
  }
  Status AcceptNextRun(Context*, const v1::AcceptNextRunRequest* r, v1::Monitor* out) override {
    return Give("AcceptNextRun " + r->vantage(), r->name(), out);
  }
  Status DeleteMonitor(Context*, const v1::DeleteMonitorRequest* r,
                       v1::DeleteMonitorResponse*) override {
    v1::Monitor gone;
    const Status status = Give("DeleteMonitor", r->name(), &gone);
    monitors.erase(r->name());
    return status;
  }
  Status ListExposure(Context*, const v1::ListExposureRequest* r,
                      v1::ListExposureResponse* out) override {
    asked_exposure = *r;
    asked_expected.push_back(r->expected());
    if (r->expected() == "unknown") {  // the others are not told apart
      for (const v1::Exposure& e : exposures) {
        for (const v1::SubjectState& s : e.states()) {
          if (s.expected() == "unknown") *out->add_exposures() = e;
        }
      }
      return Begin("ListExposure", "");
    }
    size_t at = r->page_token().empty() ? 0 : std::stoul(r->page_token());
    for (int n = 0; n < 2 && at < exposures.size(); ++n) *out->add_exposures() = exposures[at++];
    if (at < exposures.size()) out->set_next_page_token(std::to_string(at));
    return Begin("ListExposure", "");
  }
  Status ListEvents(Context*, const v1::ListEventsRequest* r,
                    v1::ListEventsResponse* out) override {
    asked_events.push_back(*r);
    for (const v1::ExposureEvent& e : events) {
      if (e.sequence() <= r->after()) continue;
      out->set_more(out->events_size() == 2);
      if (out->more()) break;
      *out->add_events() = e;
    }
    return Begin("ListEvents", "");
  }
  Status FollowEvents(Context*, const v1::ListEventsRequest* r,
                      grpc::ServerWriter<v1::ExposureEvent>* writer) override {
    asked_events.push_back(*r);
    int sent = 0;
    for (const v1::ExposureEvent& e : events) {
      if (e.sequence() <= r->after()) continue;
      if (sent == break_follow_after) {
        break_follow_after = -1;
        return Status(grpc::StatusCode::UNAVAILABLE, "stopping");
      }
      writer->Write(e);
      ++sent;
    }
    return Status(grpc::StatusCode::PERMISSION_DENIED, "the end of the test");
  }
  Status ListFindings(Context*, const v1::ListFindingsRequest* r,
                      v1::ListFindingsResponse* out) override {
    asked_findings = *r;
    *out = findings;
    return Begin("ListFindings", r->monitor());
  }
  Status Explain(Context*, const v1::ExplainRequest* r, v1::ExplainResponse* out) override {
    asked_explain = *r;
    *out = explanation;
    return Begin("Explain", "");
  }
  Status ListDeadLetters(Context*, const v1::ListDeadLettersRequest* r,
                         v1::ListDeadLettersResponse* out) override {
    *out = dead;
    return Begin("ListDeadLetters", r->receiver());
  }
  Status SettleDeadLetters(Context*, const v1::SettleDeadLettersRequest* r,
                           v1::SettleDeadLettersResponse* out) override {
    settled = *r;
    out->set_settled(3);
    return Begin("SettleDeadLetters", r->receiver());
  }
  Status TestReceiver(Context*, const v1::TestReceiverRequest* r,
                      v1::TestReceiverResponse* out) override {
    out->set_notification_id("test-9");
    return Begin("TestReceiver", r->receiver());
  }

 private:
  Status Begin(const std::string& method, const std::string& what) {
    std::lock_guard lock(mu_);
    calls.push_back(what.empty() ? method : method + " " + what);
    const auto e = errors.find(method);
    if (e == errors.end()) return Status::OK;
    const Status status = e->second;
    errors.erase(e);
    return status;
  }
  Status Give(const std::string& method, const std::string& name, v1::Monitor* out) {
    if (Status s = Begin(method, name); !s.ok()) return s;
    const auto at = monitors.find(name);
    if (at == monitors.end())
      return Status(grpc::StatusCode::NOT_FOUND, "monitor \"" + name + "\": no such monitor");
    *out = at->second;
    return Status::OK;
  }

  std::mutex mu_;
};

}  // namespace portolan
