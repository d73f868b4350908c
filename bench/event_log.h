#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/time.h"
#include "portolan/v1/monitor_service.grpc.pb.h"

namespace portolan::bench {

// Follows the events of a coordinator, with the time at which each came. Thread-safe.
class EventLog {
 public:
  struct Entry {
    WallTime arrived;
    v1::ExposureEvent event;
  };

  explicit EventLog(const std::shared_ptr<grpc::Channel>& channel);
  ~EventLog();  // ends the stream

  std::vector<Entry> entries() const EXCLUDES(mu_);
  size_t size() const EXCLUDES(mu_);

 private:
  const std::unique_ptr<v1::MonitorService::Stub> stub_;
  grpc::ClientContext context_;
  mutable Mutex mu_;
  std::vector<Entry> entries_ GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace portolan::bench
