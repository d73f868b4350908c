#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "coordinator/service/monitor_service.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_monitoring.h"

namespace portolan {

// The service over an in-process channel, with a fake behind it.
class MonitorServiceTest : public testing::Test {
 protected:
  MonitorServiceTest() : service_(monitoring_, clock_) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::MonitorService::NewStub(server_->InProcessChannel({}));
  }
  ~MonitorServiceTest() override {
    stub_.reset();
    server_->Shutdown(std::chrono::system_clock::time_point());
    server_->Wait();
  }

  // With a deadline, so that a lost answer fails the test instead of holding it up.
  static void Limit(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::MonitorService::Stub::*method)(grpc::ClientContext*,
                                                                     const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    Limit(context);
    return (stub_.get()->*method)(&context, request, response);
  }

  // Complete an hour ago, runs each hour.
  MonitorStatus& AddMonitor(const std::string& name) {
    MonitorStatus& status = monitoring_.monitors[name];
    status.spec.name = name;
    status.spec.schedule.every = std::chrono::hours(1);
    status.spec.targets = {"10.0.0.0/24"};
    status.plan.last_success = clock_.Wall() - std::chrono::hours(1);
    VantageStatus v;
    v.vantage = "office";
    v.last_complete = status.plan.last_success;
    status.vantages = {v};
    return status;
  }
  StoredEvent Event(uint64_t sequence, const std::string& monitor = "web") {
    StoredEvent e;
    e.sequence = sequence;
    e.event.id = "id-" + std::to_string(sequence);
    e.event.sequence = sequence;
    e.event.time = clock_.Wall();
    e.event.monitor = monitor;
    e.event.vantage = "office";
    e.event.subject = {TargetKey::FromString("10.0.0.1"), 22};
    e.event.to = {State::kOpen, Reason::kSynAck};
    return e;
  }

  FakeClock clock_;
  FakeMonitoring monitoring_;
  MonitorService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::MonitorService::Stub> stub_;
};

}  // namespace portolan
